import asyncio
import threading

import pytest


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
