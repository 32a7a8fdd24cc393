import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.trainers.trained_state import trained_state
from trainers import style
from zoo import runs
from zoo.errors import UserError

ROOT = Path(__file__).parents[2]


def start(flags):
    command = [sys.executable, "-m", "trainers.style", *flags]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_"))}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=pipe, stderr=pipe)


def run_program(flags):
    """(exit code, standard output, lines of standard error)."""
    process = start(flags)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err.splitlines()


def logged_steps(run):
    with (run / "log.csv").open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


# --- The program ---


@pytest.fixture(scope="module")
def killed_run(command_line, tmp_path_factory):
    """A run of 12 steps that SIGKILL ended after its first checkpoint; its flags; the step."""
    run = tmp_path_factory.mktemp("runs") / "killed"
    flags = [*command_line(steps=12), f"--output={run}", "--checkpoint_interval=2"]
    process = start(flags)
    while not runs.checkpoint_steps(run) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err
    return run, flags, runs.latest_checkpoint(run)[0]


@pytest.fixture(scope="module")
def resumed(killed_run):
    """What the same command gave after the kill."""
    return run_program(killed_run[1])


def test_after_a_kill_the_same_command_goes_on_to_the_exact_number_of_steps(killed_run, resumed):
    run, _, last_checkpoint = killed_run
    code, out, err = resumed
    assert code == 0, err
    assert 2 <= last_checkpoint < 12
    assert f"{run}: going on after step {last_checkpoint} of 12" in out
    assert f"{run}: 12 steps done" in out
    assert runs.checkpoint_steps(run) == [10, 12]
    assert trained_state(run)[1] == 12
    assert logged_steps(run) == [2, 4, 6, 8, 10, 12]


def test_a_run_leaves_its_record_log_previews_events_and_checkpoints(killed_run, resumed):
    run, _, _ = killed_run
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints",
        "log.csv",
        "previews",
        "run.json",
        "tensorboard",
    ]
    record = json.loads((run / "run.json").read_text())
    assert record["settings"]["steps"] == 12
    assert record["settings"]["style_layers"] == ["relu1_2", "relu2_2"]
    assert record["calibrated"]["style_weight"][0] > 0
    assert record["environment"]["backend"] == "tensorflow"
    assert [path.name for path in sorted((run / "previews").iterdir())] == [
        f"step-{step:08d}.png" for step in (2, 4, 6, 8, 10, 12)
    ]


def test_standard_error_holds_the_progress_bar_and_no_chatter(resumed):
    _, _, err = resumed
    assert [line for line in err if line and "img" not in line] == []


def test_nan_stops_the_program_and_names_the_step(command_line, tmp_path):
    code, _, err = run_program(
        [*command_line(learning_rate=1e30), f"--output={tmp_path}", "--checkpoint_interval=1"]
    )
    assert code == 1
    assert err[-1].startswith("trainers.style: ")  # on a line of its own, below the bar
    assert "at step 1:" in err[-1]
    assert "--learning_rate" in err[-1]
    assert not any("Traceback" in line for line in err)
    assert runs.checkpoint_steps(tmp_path) == []


def test_unreadable_photos_found_on_the_way_end_the_program_cleanly(
    command_line, photo_directory, tmp_path
):
    photos = tmp_path / "photos"
    shutil.copytree(photo_directory, photos)
    for i in range(2):  # sorted last: neither the preview nor the calibration reads them
        (photos / f"9{i}.jpg").write_bytes((photos / "0.jpg").read_bytes()[:500])
    code, out, err = run_program(
        [
            *command_line(content=str(photos), steps=50, style_weight=[0.25]),
            f"--output={tmp_path / 'run'}",
            "--checkpoint_interval=50",
        ]
    )
    assert code == 1
    assert "2 of 10 content images cannot be read, more than 10%" in err[-1]
    assert "/photos/9" in err[-1]
    assert sum("skipped content image" in line for line in err) == 2
    assert not any("Traceback" in line for line in err)
    # A style weight that is given is not calibrated.
    assert runs.read_record(tmp_path / "run")["calibrated"] == {"style_weight": [0.25]}
    assert "calibrated" not in out


def test_wrong_flags_exit_with_2_and_name_the_flag(command_line, tmp_path):
    flags = command_line(style_layers=[])
    code, _, err = run_program([*flags, f"--output={tmp_path / 'run'}"])
    assert code == 2
    assert "style_layers" in err[0]
    assert "at least one layer" in err[0]
    assert len(err) == 2
    assert not (tmp_path / "run").exists()


# --- Going on ---


def test_training_that_goes_on_gives_the_network_of_one_that_never_stopped(
    settings, finished_run, tmp_path
):
    run = tmp_path / "stopped"
    shutil.copytree(finished_run, run)
    shutil.rmtree(runs.checkpoint_path(run, 5))
    style.train(settings, run, checkpoint_interval=2)
    assert logged_steps(run) == [2, 4, 5]
    (network, steps), (expected, expected_steps) = map(trained_state, (run, finished_run))
    assert steps == expected_steps == 5
    start = keras.saving.load_model(runs.checkpoint_path(run, 4) / runs.NETWORK).get_weights()
    for now, then, before in zip(network, expected, start, strict=True):
        np.testing.assert_allclose(now, then, atol=1e-6)
        assert np.abs(now - before).max() > 1e-5  # the last step moved every variable


def test_a_finished_run_says_so_and_changes_nothing(settings, finished_run, capsys):
    before = {path: path.stat().st_mtime_ns for path in finished_run.rglob("*")}
    style.train(settings, finished_run)
    assert f"{finished_run}: all 5 steps are done already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in finished_run.rglob("*")} == before


def test_more_steps_make_a_finished_run_longer(settings, finished_run, tmp_path, capsys):
    run = tmp_path / "longer"
    shutil.copytree(finished_run, run)
    calibrated = runs.read_record(run)["calibrated"]
    style.train(dataclasses.replace(settings, steps=7), run, checkpoint_interval=10)
    assert "going on after step 5 of 7" in capsys.readouterr().out
    assert logged_steps(run) == [2, 4, 5, 7]
    assert trained_state(run)[1] == 7
    record = runs.read_record(run)
    assert record["settings"]["steps"] == 7
    assert record["calibrated"] == calibrated


# --- What is refused ---


def test_other_settings_are_refused_and_named(settings, finished_run):
    changed = dataclasses.replace(settings, tv_weight=11.0, style_layers=["relu1_2"], steps=50)
    with pytest.raises(UserError) as failure:
        style.train(changed, finished_run)
    text = str(failure.value)
    assert "tv_weight was 10.0, now 11.0" in text
    assert "style_layers was ['relu1_2', 'relu2_2'], now ['relu1_2']" in text
    assert "steps was" not in text
    assert "--output" in text
    assert trained_state(finished_run)[1] == 5


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"style_image": ["/nowhere/painting.jpg"]}, r"/nowhere/painting\.jpg: .*No such file"),
        ({"content": "/nowhere/photos"}, "/nowhere/photos: no such file"),
        ({"loss_network_weights": "/nowhere/vgg.h5"}, r"cannot load vgg16 weights '/nowhere/vgg"),
        ({"loss_network": "vgg19"}, r"cannot load vgg19 weights"),
        ({"content_layers": ["relu9_9"]}, r"vgg16 has no layer 'relu9_9'; it has relu1_1, "),
        ({"style_layers": ["conv9_1"]}, r"vgg16 has no layer 'conv9_1'"),
        (
            {"init_from": "/nowhere/run"},
            "--init_from: /nowhere/run is no run with a checkpoint, and no",
        ),
    ],
)
def test_what_cannot_be_used_is_named_in_a_few_lines(settings, tmp_path, replaced, message):
    with pytest.raises(UserError, match=message) as failure:
        style.train(dataclasses.replace(settings, style_weight=[1.0], **replaced), tmp_path / "run")
    assert len(str(failure.value)) < 600
    assert runs.checkpoint_steps(tmp_path / "run") == []


def test_an_output_that_cannot_be_made_is_named(settings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--output: cannot make .*/file/run: Not a directory"):
        style.train(settings, tmp_path / "file" / "run")
