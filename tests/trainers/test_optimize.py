import contextlib
import dataclasses
import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import absl.flags
import numpy as np
import pytest

from trainers import descent, memory, optimize
from trainers.presets import PRESETS, Settings
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


# --- Flags ---


@contextlib.contextmanager
def defined_flags():
    """The program's flags are defined inside, and no longer afterwards."""
    before = set(absl.flags.FLAGS)
    optimize.define_flags()
    names = set(absl.flags.FLAGS) - before
    try:
        yield
    finally:
        for name in names:
            delattr(absl.flags.FLAGS, name)


@pytest.fixture
def parse():
    """Gives the `Settings` of command-line flags."""

    def parse(*flags):
        with defined_flags():
            absl.flags.FLAGS(["program", "--output=out.png", *flags])
            return optimize.settings_from(absl.flags.FLAGS.flag_values_dict())

    return parse


BOTH = ("--content=photo.jpg", "--style=painting.jpg")


@pytest.mark.parametrize("name", PRESETS)
def test_flags_that_are_not_given_are_the_presets(parse, name):
    preset = [] if name == "best" else [f"--preset={name}"]
    settings = parse(*BOTH, *preset, "--dtype_policy=float32")
    pictures = {"content": "photo.jpg", "style": ("painting.jpg",)}
    assert settings == Settings(**pictures, **PRESETS[name])


def test_flags_that_are_given_are_stronger_than_the_preset(parse):
    given = {
        "content_regions": "map.png",
        "size": 300,
        "start_size": 0,
        "style_scale": 1.5,
        "iterations": 7,
        "init": "gray",
        "criterion": "wasserstein",
        "content_weight": 0.0,
        "style_weight": 0.0,
        "style_balance": 9.0,
        "tv_weight": 3.0,
        "optimizer": "adam",
        "learning_rate": 0.5,
        "average": 0.9,
        "preserve_color": "luminance",
        "loss_network": "vgg16",
        "loss_network_weights": "vgg.h5",
        "loss_network_preprocessing": "torch",
        "loss_network_pooling": "max",
        "dtype_policy": "mixed_bfloat16",
        "seed": 4,
    }
    lists = {
        "style": ("a.png", "b.png"),
        "style_blend": (1.0, 0.25),
        "style_regions": ("c.png", "d.png"),
        "content_layers": {"relu1_1": 1.0},
        "style_layers": {"relu2_1": 0.5, "relu1_2": 0.0},
    }
    assert given.keys() | lists.keys() | {"content"} == {
        field.name for field in dataclasses.fields(Settings)
    }
    flags = [f"--{name}={value}" for name, value in given.items()] + [
        "--content=photo.jpg",
        "--style=a.png,b.png",
        "--style_blend=1,.25",
        "--style_regions=c.png,d.png",
        "--content_layers=relu1_1",
        "--style_layers=relu2_1:0.5,relu1_2:0",
    ]
    for preset in PRESETS:
        settings = parse(*flags, f"--preset={preset}")
        assert settings == Settings(content="photo.jpg", **lists, **given)


def test_a_style_weight_that_is_given_is_stronger_than_the_presets_balance(parse):
    settings = parse(*BOTH, "--preset=gatys2016", "--style_weight=5")
    assert (settings.style_weight, settings.style_balance) == (5, 10)
    assert parse(*BOTH, "--preset=gatys2016", "--style_balance=2").style_weight is None


def test_with_one_picture_alone_the_start_is_noise_unless_another_is_given(parse):
    assert parse(*BOTH).init == "content"
    for alone in BOTH:
        assert parse(alone).init == "noise"
        assert parse(alone, "--init=gray").init == "gray"
    assert parse("--content=photo.jpg", "--init=content").init == "content"


@pytest.mark.parametrize(
    "flag",
    [
        "--content_layers=relu1_1:much",
        "--style_layers=relu1_1,relu2_1:-1",
        "--style_layers=relu1_1:nan",
        "--style_blend=a",
        "--style_blend=1,inf",
    ],
)
def test_a_weight_that_is_none_is_refused(parse, flag):
    with pytest.raises(ValueError, match="is no weight: give a number of 0 or more"):
        parse(*BOTH, flag)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--preset=worst", "gatys2016|johnson2016|best"),
        ("--style_layers=", "give at least one layer"),
        ("--content_layers=", "give at least one layer"),
        ("--iterations=0", "positive"),
        ("--size=large", "invalid literal"),
        ("--optimizer=sgd", "lbfgs|adam"),
        ("--average=1", "range"),
    ],
)
def test_a_flag_of_a_wrong_value_is_refused(parse, flag, message):
    with pytest.raises(absl.flags.IllegalFlagValueError, match=message):
        parse(*BOTH, flag)


def test_help_has_all_flags():
    with defined_flags():
        shown = absl.flags.FLAGS.get_key_flags_for_module(optimize.__name__)
    others = {"output", "preset", "image_interval", "resume"}
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert {flag.name for flag in shown} == fields | others
    assert all(flag.help for flag in shown)


# --- The program ---


@pytest.fixture
def program(monkeypatch, capsys):
    """Runs the program in this process: (exit code, standard output, standard error)."""

    def program(*flags):
        with defined_flags(), monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["optimize", *flags])
            patch.setattr(optimize, "define_flags", lambda: None)  # done already
            with pytest.raises(SystemExit) as end:
                optimize.cli()
        return end.value.code, *capsys.readouterr()

    return program


@pytest.fixture
def small(image_settings, output):
    """Flags of a run of a moment with `tiny_vgg`."""
    return [
        f"--content={image_settings.content}",
        f"--style={image_settings.style[0]}",
        f"--output={output}",
        "--size=28",
        "--iterations=1",
        "--loss_network=vgg16",
        "--content_layers=relu2_2",
        "--style_layers=relu1_1,relu2_1:0.5",
        "--dtype_policy=float32",
    ]


def test_a_run_that_is_done_exits_with_0(program, small, output, tiny_vgg):
    code, out, _ = program(*small)
    assert not code
    assert out.startswith(f"{output}: done; ")
    assert images.read(output).rgb.shape == (24, 28, 3)


@pytest.mark.parametrize(
    ("flag", "code", "message"),
    [
        ("--style_layers=relu1_1:x", 2, "'x' is no weight"),
        ("--preset=worst", 2, "flag --preset=worst: "),
        ("--style_layers=conv1_1", 1, "vgg16 has no layer 'conv1_1'; it has relu1_1, relu1_2, "),
        ("--style=/nowhere.jpg", 1, "/nowhere.jpg: cannot be read: No such file"),
        ("--style_blend=1,2", 1, "--style_blend has 2 weights for 1 paintings"),
        ("--content_regions=/nowhere.png", 1, "/nowhere.png: cannot be read: No such file"),
        ("--init=nois", 1, "nois: cannot be read: No such file"),
        ("--content_layers=relu5_1", 1, "--size=10 makes pictures with a side of 8 pixels"),
        ("--resume", 1, "--resume: there is no "),
        ("--output=out.tif", 1, "--output=out.tif: cannot write format 'tif'"),
    ],
)
def test_what_is_wrong_is_told_without_a_traceback(program, small, tiny_vgg, flag, code, message):
    found, _, err = program(*small, "--size=10", flag)
    assert found == code
    assert f"trainers.optimize: {message}" in err
    assert "Traceback" not in err


def test_ctrl_c_exits_with_130(program, small, tiny_vgg, output, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(optimize.Progress, "__call__", raising(KeyboardInterrupt))
        code, out, err = program(*small, "--iterations=5")
    assert code == 130
    assert out.startswith(f"{output}: the best so far; ")
    assert err.endswith("trainers.optimize: interrupted\n")
    assert program(*small, "--iterations=5", "--resume")[0] is None


def test_a_real_ctrl_c_can_be_gone_on_from(program, small, vgg_weights, output, folder):
    flags = [
        *small,
        f"--loss_network_weights={vgg_weights}",
        "--content_layers=relu1_1",
        "--style_layers=relu1_1",
        "--optimizer=adam",
        "--iterations=200",
        "--image_interval=1",
    ]
    command = [sys.executable, "-m", "trainers.optimize", *flags]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=pipe, stderr=pipe)
    while not (folder / "state.npz").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert out.startswith(f"{output}: the best so far; ")
    assert err.endswith("trainers.optimize: interrupted\n")
    assert "Traceback" not in err
    assert images.read(output).rgb.shape == (24, 28, 3)
    assert not any("partial" in name for name in names(folder))
    done = len(trace_of(folder))
    assert 0 < done < 200

    assert not program(*flags, "--resume")[0]
    assert [row["iteration"] for row in trace_of(folder)] == [*range(1, 201)]
    assert "state.npz" not in names(folder)
