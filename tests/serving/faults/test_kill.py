"""A server that is killed while callers call: no call fails that may be sent again."""

import pytest

from serving.client import Retries, ZooClient
from tests.serving.embedded.asking import ONE, publish, wait_until
from tests.serving.faults.load import Load
from tests.serving.server_process import START_SECONDS, ServerProcess


@pytest.fixture(scope="module")
def mortal(running, models, tmp_path_factory):
    """A second server, which runs when a test begins, and not when the last one is over."""
    folder = tmp_path_factory.mktemp("mortal") / "models"
    (folder / "plus").mkdir(parents=True)
    publish(models / "plus/1", folder / "plus/1")
    server = ServerProcess(running.kind, folder)
    server.start()
    yield server
    server.kill()


def calls_through(zoo):
    return Load(lambda: zoo.predict("plus", {"x": ONE})["y"].item(), callers=4)


def test_callers_outlive_a_server_that_is_killed_and_started_again(mortal):
    patient = Retries(away_seconds=START_SECONDS)
    with ZooClient(mortal.address, START_SECONDS, retries=patient) as zoo:
        with calls_through(zoo) as load:
            wait_until(load.more(2.0))
            mortal.kill()
            mortal.start()
            wait_until(load.more(2.0))
        assert load.failures == []
        assert set(load.answers) == {2.0}


def test_another_server_takes_the_calls_of_one_that_is_killed(mortal, server):
    with ZooClient([mortal.address, server.address]) as zoo:
        with calls_through(zoo) as load:
            wait_until(load.more(2.0))
            mortal.kill()
            wait_until(load.more(2.0))
        assert load.failures == []
        assert set(load.answers) == {2.0}
