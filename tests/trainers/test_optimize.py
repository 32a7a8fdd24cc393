import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from trainers import descent, memory, optimize
from zoo import images
from zoo.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.png"


@pytest.fixture
def folder(output):
    return output.with_suffix("")


@pytest.fixture
def run(image_settings, tiny_vgg, output):
    """Makes an image by settings with changes, and gives the `Picture` that was written."""

    def run(resume=False, output=output, **changes):
        settings = dataclasses.replace(image_settings, **changes)
        optimize.optimize(settings, str(output), image_interval=2, resume=resume)
        return images.read(output)

    return run


def raising(error, after=1):
    """A function of anything that raises at its call number `after`."""
    count = itertools.count(1)

    def function(*arguments):
        if next(count) == after:
            raise error

    return function


@pytest.fixture
def stopped(run, monkeypatch):
    """Runs until an error after so many iterations; 0 is before the first."""

    def stopped(after, error=KeyboardInterrupt, **run_arguments):
        with monkeypatch.context() as patch:
            if after:
                patch.setattr(optimize.Progress, "__call__", raising(error, after))
            else:
                patch.setattr(descent, "objective", raising(error))
            with pytest.raises(error):
                run(**run_arguments)

    return stopped


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def trace_of(folder):
    return json.loads((folder / "trace.json").read_text())["trace"]


# --- Images ---


@pytest.mark.parametrize(("size", "shape"), [(28, (24, 28)), (101, (87, 101))])
def test_the_output_has_the_photos_shape_at_the_size_that_is_asked_for(run, size, shape):
    assert run(size=size, iterations=1).rgb.shape == (*shape, 3)


def test_one_picture_is_enough_and_takes_memory_for_its_own_layers_alone(run, monkeypatch):
    asked = []

    def check(network, layers, size, optimizer, policy, painting_sizes):
        asked.append((layers, size, painting_sizes))

    monkeypatch.setattr(memory, "check", check)
    alone = {"init": "noise", "iterations": 1, "style_scale": 1.5}
    assert run(style=(), **alone).rgb.shape == (24, 28, 3)
    assert run(content=None, **alone).rgb.shape == (28, 28, 3)
    assert asked == [
        (["relu2_2"], (24, 28), []),
        (["relu1_1", "relu2_1"], (28, 28), [(34, 42)]),
    ]


def test_features_may_be_in_bfloat16(run, folder):
    run(dtype_policy="mixed_bfloat16", init="noise", iterations=4)
    losses = [row["loss"] for row in trace_of(folder)]
    assert losses[-1] < 0.9 * losses[0]


def test_the_photos_transparency_is_kept(run, image_settings, tmp_path):
    alpha = np.zeros((60, 70), "float32")
    alpha[:, 35:] = 1
    rgb = images.read(image_settings.content).rgb
    images.write(images.Picture(rgb, alpha), tmp_path / "clear.png")
    picture = run(content=str(tmp_path / "clear.png"), iterations=1)
    assert picture.alpha[:, :10].max() == 0
    assert picture.alpha[:, 18:].min() == 1


def test_the_photos_colours_are_kept_if_wanted(run, image_settings):
    small = images.resize(images.read(image_settings.content).rgb, (24, 28))

    def chroma_moved(how):
        rgb = run(preserve_color=how, init="noise").rgb
        inside = ((rgb > 0) & (rgb < 1)).all(axis=2)  # clipping moves it
        return np.abs(np.diff(rgb, axis=2) - np.diff(small, axis=2))[inside].max()

    assert chroma_moved("luminance") < 0.01
    assert chroma_moved("none") > 0.2


# --- What is left beside the image ---


LATER = [f"00040-{iteration:05d}.png" for iteration in (2, 4, 6)]


def test_a_run_leaves_pictures_on_the_way_and_its_trace(run, folder, output, capsys):
    run(size=40, start_size=28, iterations=8)
    assert names(folder) == ["00028-00002.png", *LATER, "trace.json"]
    assert images.read(folder / "00028-00002.png").rgb.shape == (24, 28, 3)
    assert [(row["scale"], row["iteration"]) for row in trace_of(folder)] == [
        (0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6),
    ]  # fmt: skip
    assert all(row["weights"]["style"] > 0 for row in trace_of(folder))
    assert capsys.readouterr().out.startswith(f"{output}: done; {folder} holds")


def test_ctrl_c_leaves_the_best_so_far_and_resume_goes_on_to_the_end(
    run, stopped, folder, output, capsys
):
    two_sizes = {"size": 40, "start_size": 28, "iterations": 8}
    stopped(2, **two_sizes)  # the last iteration of the first size
    assert images.read(output).rgb.shape == (34, 40, 3)
    assert names(folder) == ["00028-00002.png", "state.npz", "trace.json"]
    assert f"{output}: the best so far; " in capsys.readouterr().out

    before = output.read_bytes()
    with pytest.raises(UserError, match="--resume goes on with it"):
        run(**two_sizes)
    with pytest.raises(UserError, match="holds a run with other settings: iterations was 8, now 9"):
        run(resume=True, **{**two_sizes, "iterations": 9})
    assert output.read_bytes() == before

    assert run(resume=True, **two_sizes).rgb.shape == (34, 40, 3)
    assert output.read_bytes() != before
    assert names(folder) == ["00028-00002.png", *LATER, "trace.json"]
    assert [(row["scale"], row["iteration"]) for row in trace_of(folder)] == [
        (0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6),
    ]  # fmt: skip
    assert f"{output}: done; " in capsys.readouterr().out


def test_ctrl_c_before_any_iteration_leaves_nothing_in_the_way(run, stopped, folder, output):
    stopped(0)
    assert not output.exists()
    assert names(folder) == ["trace.json"]
    run(iterations=1)


def test_ctrl_c_right_after_resume_still_leaves_the_best_so_far(stopped, folder, output):
    stopped(3)
    before = images.read(output).rgb
    output.unlink()
    stopped(0, resume=True)
    np.testing.assert_array_equal(images.read(output).rgb, before)
    assert "state.npz" in names(folder)


def test_what_else_ends_a_run_leaves_its_state_too(run, stopped, folder, output):
    stopped(3, RuntimeError)
    assert not output.exists()
    assert "state.npz" in names(folder)
    run(resume=True)
    assert [row["iteration"] for row in trace_of(folder)] == [1, 2, 3, 4, 5, 6]


def test_an_image_that_cannot_be_written_is_not_lost(run, folder, output, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(images, "write", raising(RuntimeError))
        with pytest.raises(RuntimeError):
            run(iterations=1)
    run(iterations=1, resume=True)
    assert len(trace_of(folder)) == 1


# --- What is refused ---


@pytest.mark.parametrize("name", ["out", "out.tif", "out.d/", ".png"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(run, tmp_path, name):
    with pytest.raises(UserError, match=r"--output=.*: cannot write format .*, only png, jpg"):
        run(output=tmp_path / name, content="/nowhere.png")
    assert names(tmp_path) == []


def test_a_directory_is_no_output(run, output):
    output.mkdir()
    with pytest.raises(UserError, match=r"--output=.*out\.png is a directory"):
        run(content="/nowhere.png")


@pytest.mark.parametrize("role", ["content", "style"])
def test_an_input_is_no_output(run, image_settings, role):
    path = Path({"content": image_settings.content, "style": image_settings.style[0]}[role])
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"--output=.* is one of the inputs: give another name"):
        run(output=path)
    assert path.read_bytes() == before


def test_an_output_whose_folder_cannot_be_made_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--output: cannot make .*file/out: Not a directory"):
        run(output=tmp_path / "file" / "out.png")


def test_too_little_memory_is_told_before_the_work_with_a_size_that_would_do(
    run, folder, monkeypatch
):
    monkeypatch.setattr(memory, "available", lambda: 1.01e9)
    with pytest.raises(UserError, match=r"--size=2000 needs about .*: --size=\d+ would do") as e:
        run(size=2000, init="noise", iterations=1)
    assert not folder.exists()
    size = int(str(e.value).split("--size=")[2].split()[0])
    assert run(size=size, init="noise", iterations=1).rgb.shape[1] == size


def test_a_loss_that_is_not_finite_ends_with_what_to_try(run, folder):
    with pytest.raises(UserError, match=r"the loss is (inf|nan) at iteration 1: try "):
        run(init="noise", criterion="gatys2016", content_weight=1e37)
    assert names(folder) == ["trace.json"]
