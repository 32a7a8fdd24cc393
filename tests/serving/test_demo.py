import os
import subprocess
import sys

import psutil

from zoo import images


def run_demo(*arguments):
    command = [sys.executable, "-m", "serving.demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def servers_over(directory):
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [command for command in commands if str(directory) in " ".join(command)]


def test_the_demo_leaves_a_picture_of_each_model_and_no_server(tiny_model, tmp_path):
    zoo = tiny_model.parents[1]
    demo = run_demo(f"--saved_models={zoo}", f"--output={tmp_path}")
    assert demo.returncode == 0, demo.stderr
    assert demo.stderr == ""
    assert "tiny: 600x400 in " in demo.stdout
    assert images.read(tmp_path / "tiny.png").rgb.shape == (400, 600, 3)
    assert images.read(tmp_path / "gallery.png").rgb.shape[1] > 2 * 300
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
