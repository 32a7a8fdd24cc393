import os
import subprocess
import sys

import psutil
import pytest

from tests.conftest import write_run
from zoo import images, runs
from zoo.export import export


def run_demo(*arguments):
    command = [sys.executable, "-m", "serving.demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def servers_over(directory):
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [command for command in commands if str(directory) in " ".join(command)]


@pytest.fixture
def zoo(tiny_model, painters_run, tmp_path):
    """A directory of models of each form: one style, several, super-resolution."""
    from zoo.superres import SuperResolutionNetwork

    directory = tmp_path / "models"
    export(painters_run, "painters", 1, directory)
    run = write_run(tmp_path / "run", SuperResolutionNetwork("subpixel", 4, 0.1))
    runs.write_record(run, {**runs.read_record(run), "kind": "superres", "settings": {"factor": 4}})
    export(run, "sr-tiny", 1, directory)
    (directory / "tiny").symlink_to(tiny_model.parent)
    return directory


def test_the_demo_leaves_a_picture_of_each_model_and_no_server(zoo, tmp_path):
    demo = run_demo(f"--saved_models={zoo}", f"--output={tmp_path}")
    assert demo.returncode == 0, demo.stderr
    assert demo.stderr == ""
    assert "tiny: 600x400 in " in demo.stdout
    for name in ("tiny", "painters", "sr-tiny"):
        assert images.read(tmp_path / f"{name}.png").rgb.shape == (400, 600, 3)
    for sheet in ("gallery", "enlarged-x4"):  # the photo and two more
        assert images.read(tmp_path / f"{sheet}.png").rgb.shape[1] > 3 * 300
    assert servers_over(tmp_path) == []


def test_a_server_that_cannot_start_ends_the_demo_with_its_words(tmp_path):
    broken = tmp_path / "zoo" / "broken" / "1"
    os.makedirs(broken)
    (broken / "saved_model.pb").write_bytes(b"no protobuf")
    demo = run_demo(f"--saved_models={tmp_path / 'zoo'}", f"--output={tmp_path / 'out'}")
    assert demo.returncode == 1
    assert "Failed to start server" in demo.stderr
    assert "Traceback" not in demo.stderr
    assert servers_over(tmp_path) == []
