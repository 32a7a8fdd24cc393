"""One server for all tests that it should outlive, and a check that it did."""

import pytest

from tests.serving.embedded.asking import SECONDS, answer, connect, publish, request
from tests.serving.faults.server_process import COMMANDS, ServerProcess


@pytest.fixture(scope="session", params=list(COMMANDS))
def running(request, models, tmp_path_factory):
    """A `ServerProcess` over copies of one model, each for one test to harm, and of a slow one."""
    folder = tmp_path_factory.mktemp("served") / "models"
    copies = ("plus", "rolled", "relabelled", "broken", "half", "cut", "logged")
    for name in copies:
        (folder / name).mkdir(parents=True)
        publish(models / "plus/1", folder / name / "1")
    (folder / "slow").mkdir()
    publish(models / "slow/1", folder / "slow/1")
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
