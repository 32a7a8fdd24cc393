"""A disk that is full while a version with warm-up requests is written, copied, or replayed.

A server only reads a warm-up; what a full disk can do is to cut the file short, where it is written
or copied, and to swallow the log of the server that replays it.
"""

import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.embedded.servables import State
from tests.serving.embedded.asking import (
    SECONDS,
    answer,
    connect,
    publish,
    request,
    states,
    status_request,
    wait_until,
)
from tests.serving.server_process import ServerProcess
from zoo import warmup

FULL_DISK = Path("/dev/full")


@pytest.fixture
def at_most_100_kb():
    """No file of this process can grow beyond; the kernel refuses, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def with_warmup(source, target):
    """A copy of "plus" with a warm-up of two requests."""
    shutil.copytree(source, target)
    (target / warmup.FILE).parent.mkdir()
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request("plus", np.zeros(1000, np.float32)))
    with tf.io.TFRecordWriter(str(target / warmup.FILE)) as file:
        for _ in range(2):
            file.write(log.SerializeToString())


@pytest.mark.usefixtures("at_most_100_kb")
def test_a_warm_up_that_does_not_fit_on_the_disk_is_an_error(tmp_path):
    noise = np.random.default_rng(0).random((128, 128, 3), np.float32)
    with pytest.raises(tf.errors.OpError, match="File too large"):
        warmup.write_warmup(tmp_path, "plus", noise)


def test_a_warm_up_that_a_full_disk_cut_short_keeps_the_version_out(server, models, tmp_path):
    client, folder = connect(server.port), server.folder / "cut"
    with_warmup(models / "plus/2", tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    file = tmp_path / "cut" / warmup.FILE
    file.write_bytes(file.read_bytes()[:-1000])  # in the midst of the second request
    publish(tmp_path / "cut", folder / "2")
    wait_until(lambda: states(client, "cut") == [(2, State.END), (1, State.AVAILABLE)])
    broken, _ = client.status(status_request("cut"), timeout=SECONDS).model_version_status
    assert broken.status.error_code == tf.errors.DATA_LOSS
    assert answer(client.predict(request("cut"), timeout=SECONDS)) == [2.0]
    publish(tmp_path / "whole", folder / "3")
    wait_until(lambda: (3, State.AVAILABLE) in states(client, "cut"))
    assert answer(client.predict(request("cut"), timeout=SECONDS)) == [3.0]


@pytest.mark.skipif(not FULL_DISK.exists(), reason="Linux has a device that is always full")
def test_a_log_on_a_full_disk_keeps_no_version_from_being_warmed_up(running, models, tmp_path):
    folder = tmp_path / "models"
    (folder / "plus").mkdir(parents=True)
    with_warmup(models / "plus/1", folder / "plus/1")
    server = ServerProcess(running.kind, folder)
    server.start(log=FULL_DISK)
    try:
        client = connect(server.port)
        assert answer(client.predict(request("plus"), timeout=SECONDS)) == [2.0]
        (folder / "plus/2").mkdir()  # there is an error to log
        wait_until(lambda: states(client, "plus") == [(2, State.END), (1, State.AVAILABLE)])
        with_warmup(models / "plus/2", tmp_path / "3")
        publish(tmp_path / "3", folder / "plus/3")
        wait_until(lambda: (3, State.AVAILABLE) in states(client, "plus"))
        assert answer(client.predict(request("plus"), timeout=SECONDS)) == [3.0]
    finally:
        server.kill()
