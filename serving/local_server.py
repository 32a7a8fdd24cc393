"""The embedded server as a process of its own, for programs that need one for a while."""

import contextlib
import socket
import subprocess
import sys
from dataclasses import dataclass

from serving.client import NotReady, ZooClient
from serving.configure import models_config
from zoo.errors import UserError

START_SECONDS = 300


@dataclass(frozen=True)
class LocalServer:
    """A server that listens on this machine.

    Attributes:
        address: "host:port" of gRPC.
        pid: of its process.
    """

    address: str
    pid: int


@contextlib.contextmanager
def running_server(models, directory, flags=()):
    """Start the embedded server over models of the catalogue, and stop it at the end.

    Args:
        models: `zoo.catalog.Model`s.
        directory: `pathlib.Path` that receives `models.config` and `server.log`.
        flags: further ones of `serving.server`.

    Yields:
        A `LocalServer` that is ready.

    Raises:
        UserError: the server did not start.
    """
    config = directory / "models.config"
    config.write_text(models_config(models))
    address = f"localhost:{(port := _free_port())}"
    command = [sys.executable, "-m", "serving.server"]
    command += [f"--model_config_file={config.resolve()}", f"--port={port}"]
    command += ["--max_num_load_retries=0"]  # a broken model is told at once
    command += flags
    log = directory / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        # It listens once all models are loaded.
        _wait_ready(address, models[0].name, server, log)
        yield LocalServer(address, server.pid)
    finally:
        server.terminate()
        server.wait()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def _wait_ready(address, model, server, log):
    with ZooClient(address) as zoo:
        for _ in range(START_SECONDS):
            with contextlib.suppress(NotReady):
                return zoo.wait_ready(model, timeout=1)
            if server.poll() is not None:
                raise UserError(f"the server ended at once; {log} says:\n{log.read_text()}")
    raise UserError(f"the server was not ready after {START_SECONDS} s; see {log}")
