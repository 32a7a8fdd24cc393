import asyncio
import pathlib
import runpy
import threading

import pytest

from tests.serving.server_process import COMMANDS, ServerProcess


class AsBlocking:
    """An `AsyncZooClient` whose methods wait, as a `ZooClient`'s: each test asks either twin."""

    def __init__(self, *arguments, **options):
        from serving.client import AsyncZooClient

        self._client = AsyncZooClient(*arguments, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*arguments, **options):
            coroutine = method(*arguments, **options)
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

        return call

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request):
    """The class of a client: that of either twin, with methods that wait."""
    from serving.client import ZooClient

    return ZooClient if request.param == "blocking" else AsBlocking


@pytest.fixture
def fake():
    from tests.serving.fake_server import FakeServer

    return FakeServer()


@pytest.fixture
def target(fake):
    """The address of the running `fake`."""
    from tests.serving.fake_server import start

    server, port = start(fake)
    yield f"127.0.0.1:{port}"
    fake.released.set()
    server.stop(0).wait()


@pytest.fixture
def zoo(connect, target):
    with connect(target, timeout=20) as connected:
        yield connected


@pytest.fixture(scope="session")
def cat():
    import PIL.Image
    import skimage.data

    return PIL.Image.fromarray(skimage.data.chelsea()[:150, 100:301])


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


@pytest.fixture(scope="session", params=list(COMMANDS))
def running(request, models, tmp_path_factory):
    """A `ServerProcess` over tiny models; of "plus" there are copies, each for one test to harm."""
    from tests.serving.embedded.asking import publish

    folder = tmp_path_factory.mktemp("served") / "models"
    copies = dict.fromkeys(("plus", "rolled", "relabelled", "broken", "half", "cut"), "plus")
    for name, model in {**copies, "slow": "slow", "negative": "negative"}.items():
        (folder / name).mkdir(parents=True)
        publish(models / model / "1", folder / name / "1")
    server = ServerProcess(request.param, folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(running):
    """`running`, which must not have died, and must answer, when the test is over."""
    from tests.serving.embedded.asking import SECONDS, answer, connect, request

    yield running
    assert running.is_running, running.log.read_text()[-2000:]
    client = connect(running.port)
    assert answer(client.predict(request("plus"), timeout=SECONDS)) == [2.0]
