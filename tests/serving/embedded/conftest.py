import pathlib
import runpy

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The folder with NAME/VERSION of each model of tiny_models.py; not to be changed."""
    folder = tmp_path_factory.mktemp("models")
    # Only now, because it imports TensorFlow, which the client's tests do without.
    runpy.run_path(str(pathlib.Path(__file__).with_name("tiny_models.py")))["write"](folder)
    return folder


@pytest.fixture
def serve():
    """Start servers in this process by their flags; they end with the test.

    `serve("--model_name=...", ...)` returns the gRPC port.
    """
    from serving import server
    from tests.serving.embedded.asking import free_port

    running = []

    def start(*flags):
        port = free_port()
        options = server.parse(
            [f"--port={port}", "--max_num_load_retries=0", "--grpc_max_threads=64", *flags]
        )
        running.append(server.start(options))
        return port

    yield start
    for started in running:
        started.stop(grace_seconds=1)
