"""One server for all tests that it should outlive, and a check that it did."""

import pytest

from tests.serving.embedded.asking import SECONDS, answer, connect, publish, request
from tests.serving.faults.server_process import COMMANDS, ServerProcess


@pytest.fixture(scope="session", params=list(COMMANDS))
def running(request, models, tmp_path_factory):
    """A `ServerProcess` over tiny models; of "plus" there are copies, each for one test to harm."""
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
    yield running
    assert running.is_running, running.log.read_text()[-2000:]
    client = connect(running.port)
    assert answer(client.predict(request("plus"), timeout=SECONDS)) == [2.0]
