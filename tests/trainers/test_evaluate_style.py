import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from absl import app
from PIL import Image

from trainers import evaluate_style, speed
from trainers.equivalents import Trace
from trainers.evaluate_style import Comparison, objective_head, objective_row, square
from zoo.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_command(run_program):
    return partial(run_program, evaluate_style)


@pytest.fixture
def arguments(tiny_model, painting, photo_directory, tmp_path, tiny_vgg, monkeypatch):
    """Flags for two photos of 32 pixels."""
    monkeypatch.setattr(evaluate_style, "plain_inputs", partial(evaluate_style.plain_inputs, 192))
    side_by_side = partial(speed.side_by_side, blocks=1)
    monkeypatch.setattr(speed, "side_by_side", side_by_side)
    return [
        *("--model=tiny", f"--saved_models={tiny_model.parents[1]}", f"--style_image={painting}"),
        f"--content={photo_directory / '0.jpg'},{photo_directory / '1.jpg'}",
        *("--sizes=32", "--iterations=3", f"--output={tmp_path}", "--dtype_policy=float32"),
    ]


def rows(text):
    """Cells of the lines of a Markdown table below its head."""
    lines = [line.strip("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


def test_each_part_has_its_table(run_command, arguments, tmp_path, capsys):
    run_command(*arguments)
    out = capsys.readouterr().out
    _, objective, rest = (out.partition("\nobjective\n")[i] for i in range(3))
    objective, _, rest = rest.partition("\nspeed\n")
    speeds, _, artefacts = rest.partition("\nartefacts\n")

    ((name, side, photos, photo, network, noise3, photo3, *equal),) = rows(objective)
    assert (name, side, photos) == ("tiny", "32", "2")
    assert float(photo3) < float(photo)
    assert min(map(float, (network, noise3))) > 0
    assert len(equal) == 2
    assert Image.open(tmp_path / "tiny-32.png").size == (640, 400)

    ((name, side, once, iteration, *ratios),) = rows(speeds)
    assert (name, side) == ("tiny", "32")
    assert float(once) > 0
    assert float(iteration) > 0
    assert len(ratios) == 3

    assert [row[:2] for row in rows(artefacts)] == [
        ["tiny", name] for name in ("flat", "gradient", "photo")
    ]


def test_descents_that_are_kept_are_not_done_again(run_command, arguments, tmp_path, monkeypatch):
    run_command(*arguments, "--part=objective")
    traces = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json"))
    assert traces == [
        f"traces/tiny/32/{photo}.jpg-from-{start}.json"
        for photo in (0, 1)
        for start in ("noise", "photo")
    ]

    def refuse(*_):
        raise AssertionError("a descent begins")

    monkeypatch.setattr(evaluate_style.equivalents, "trace", refuse)
    run_command(*arguments, "--part=objective")
    with pytest.raises(AssertionError, match="a descent begins"):
        run_command(*arguments, "--part=objective", "--iterations=4")


def test_artefacts_need_neither_photos_nor_a_painting(run_command, tiny_model, capsys):
    run_command("--model=tiny", f"--saved_models={tiny_model.parents[1]}", "--part=artefacts")
    assert len(rows(capsys.readouterr().out)) == 3


def comparison(network, *losses):
    traces = [Trace(list(each), [*range(len(each))]) for each in losses]
    return Comparison(list(network), {"noise": traces, "the photo": traces})


def test_a_row_has_means_and_the_median_least_and_most_equal_iterations():
    found = comparison((5, 7, 2), (9, 6, 3), (9, 8, 6), (9, 4, 3))
    assert found.equal_iterations("noise") == [2, 2, np.inf]
    assert objective_row("tiny", 32, found, 2) == (
        "| tiny | 32 | 3 | 9 | 4.667 | 4 | 4 | **2** (2 to > 2) | **2** (2 to > 2) |"
    )
    assert objective_head(2).splitlines()[0] == (
        "| model | size | photos | the photo | network | 2 from noise | 2 from the photo "
        "| equal iterations from noise | equal iterations from the photo |"
    )


def test_means_are_told_after_as_many_iterations_as_in_the_paper():
    assert evaluate_style.marks(500) == [100, 300, 500]
    assert evaluate_style.marks(250) == [100]
    assert evaluate_style.marks(40) == [40]


def test_squares_are_the_middle():
    image = np.zeros((40, 100, 3), "float32")
    image[:, 45:55] = 1
    cut = square(image, 20)
    assert cut.shape == (20, 20, 3)
    assert cut[:, 9:11].min() > 0.9
    assert cut[:, [0, -1]].max() < 0.1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("--style_image=", "a --style_image for each model"),
        ("--content=", "need --content"),
        ("--output=", "the objective needs --output"),
    ],
)
def test_what_is_missing_is_said(run_command, arguments, changed, message):
    with pytest.raises(app.UsageError, match=message):
        run_command(*arguments, changed)


def test_another_loss_network_than_the_trainings_is_refused(run_command, arguments):
    with pytest.raises(
        UserError, match="tiny was trained with --loss_network_preprocessing=torch: give the same"
    ):
        run_command(*arguments, "--loss_network_preprocessing=caffe")


def test_wrong_flags_end_with_2_and_no_traceback():
    command = [sys.executable, "-m", "trainers.evaluate", "style", "--model=m", "--sizes=big"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 2
    assert "sizes are whole numbers of 32 or more" in done.stderr
    assert "Traceback" not in done.stderr
