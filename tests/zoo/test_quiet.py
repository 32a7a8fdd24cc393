import os
import subprocess
import sys

import pytest

from zoo.quiet import native_chatter_dropped

CHATTER = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1764000000.123456 4711 port.cc:153] oneDNN custom operations are on.\n"
    b"W0000 00:00:1764000000.123457 4711 cpu_feature_guard.cc:227] This binary is optimized.\n"
)
ERROR = b"E0000 00:00:1764000000.123458 4711 cuda_platform.cc:51] failed call to cuInit\n"


@pytest.fixture(autouse=True)
def log_level(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


def test_importing_and_using_tensorflow_prints_nothing():
    program = """
from zoo.quiet import import_keras, import_tensorflow
keras = import_keras()
tf = import_tensorflow()
print(keras.ops.convert_to_numpy(tf.constant(1) + 1))
"""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("2\n", "")


def test_importing_zoo_imports_neither_tensorflow_nor_keras():
    program = "import sys, zoo.quiet, zoo.catalog; print({'tensorflow', 'keras'} & {*sys.modules})"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_only_chatter_is_dropped_and_the_rest_arrives_in_order(capfd):
    with native_chatter_dropped():
        os.write(2, CHATTER + b"first\n")
        os.write(2, ERROR + CHATTER)
        os.write(2, b"no newline at the end")
    os.write(2, b" - after\n")
    expected = b"first\n" + ERROR + b"no newline at the end - after\n"
    assert capfd.readouterr().err == expected.decode()


def test_an_exception_passes_with_what_was_printed_before_it(capfd):
    @native_chatter_dropped()
    def fail():
        os.write(2, CHATTER + b"before\n")
        raise ImportError("no such library")

    with pytest.raises(ImportError, match="no such library"):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_log_level_0_lets_everything_through(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with native_chatter_dropped():
        os.write(2, CHATTER)
        assert capfd.readouterr().err == CHATTER.decode()  # and at once


def test_no_file_descriptor_is_left_open():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with native_chatter_dropped():
            pass
    assert len(os.listdir("/proc/self/fd")) == before
