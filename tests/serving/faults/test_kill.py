"""A server that is killed while callers call, and started again."""

import pytest

from serving.client import Unavailable, ZooClient
from tests.serving.embedded.asking import ONE, publish, wait_until
from tests.serving.faults.load import Load
from tests.serving.faults.server_process import COMMANDS, ServerProcess


@pytest.fixture(params=list(COMMANDS))
def mortal(request, models, tmp_path):
    folder = tmp_path / "models"
    (folder / "plus").mkdir(parents=True)
    publish(models / "plus/1", folder / "plus/1")
    server = ServerProcess(request.param, folder)
    server.start()
    yield server
    server.kill()


def test_callers_outlive_a_server_that_is_killed_and_started_again(mortal):
    with ZooClient(mortal.address) as zoo:
        with Load(lambda: zoo.predict("plus", {"x": ONE})["y"].item(), callers=4) as load:
            wait_until(load.more(2.0))
            mortal.kill()
            mortal.start()
            wait_until(load.more(2.0))
        assert set(load.answers) == {2.0}
        assert all(isinstance(failure, Unavailable) for failure in load.failures)
