"""The trainer on other backends of Keras, where they are installed: `pip install jax` or torch."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo import runs

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_program_trains_stops_and_goes_on(backend, command_line, photo_directory, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    for steps, message in ((3, "3 steps done"), (5, "going on after step 3 of 5")):
        program = subprocess.run(
            [
                *(sys.executable, "-m", "trainers.style"),
                *command_line(steps=steps),
                f"--output={tmp_path}",
                "--checkpoint_interval=2",
                f"--preview_images={photo_directory / '0.jpg'}",
            ],
            cwd=ROOT,
            env={**os.environ, "KERAS_BACKEND": backend},
            text=True,
            capture_output=True,
        )
        assert program.returncode == 0, program.stderr
        assert message in program.stdout
        lines = program.stderr.splitlines()
        assert [line for line in lines if line and "img" not in line] == []
    assert runs.read_record(tmp_path)["environment"]["backend"] == backend
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "2", "3", "5"]
    assert runs.checkpoint_steps(tmp_path) == [3, 5]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_super_resolution_trains_stops_and_goes_on(backend, vgg_weights, photo_directory, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    for steps, message in ((3, "3 steps done"), (5, "going on after step 3 of 5")):
        program = subprocess.run(
            [
                *(sys.executable, "-m", "trainers.superres", "--factor=2", "--loss=mixed"),
                *(f"--content={photo_directory}", "--image_size=32", "--batch_size=2"),
                *("--width=0.1", "--consistency_weight=0.1", f"--steps={steps}"),
                *(f"--loss_network_weights={vgg_weights}", "--checkpoint_interval=2"),
                f"--output={tmp_path}",
            ],
            cwd=ROOT,
            env={**os.environ, "KERAS_BACKEND": backend},
            text=True,
            capture_output=True,
        )
        assert program.returncode == 0, program.stderr
        assert message in program.stdout
    assert runs.checkpoint_steps(tmp_path) == [3, 5]
