import contextlib
import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import absl.flags
import pytest

from trainers import optimize
from trainers.presets import PRESETS, Settings
from zoo import images

ROOT = Path(__file__).parents[2]

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
def output(tmp_path):
    return tmp_path / "out.png"


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
        ("--style_layers=relu1_3", 1, "vgg16 has no layer 'relu1_3'; it has relu1_1, relu1_2, "),
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
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(optimize.Progress, "__call__", interrupt)
        code, out, err = program(*small, "--iterations=5")
    assert code == 130
    assert out.startswith(f"{output}: the best so far; ")
    assert err.endswith("trainers.optimize: interrupted\n")
    assert program(*small, "--iterations=5", "--resume")[0] is None


def trace_of(output):
    return json.loads((output.with_suffix("") / "trace.json").read_text())["trace"]


def test_a_real_ctrl_c_can_be_gone_on_from(program, small, vgg_weights, output):
    folder = output.with_suffix("")
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
    assert not any("partial" in path.name for path in folder.iterdir())
    done = len(trace_of(output))
    assert 0 < done < 200

    assert not program(*flags, "--resume")[0]
    assert [row["iteration"] for row in trace_of(output)] == [*range(1, 201)]
    assert not (folder / "state.npz").exists()
