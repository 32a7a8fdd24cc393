import absl.flags
import numpy as np
import pytest
from absl import app
from PIL import Image

from trainers import descent, figures
from trainers.pictures import read_pictures
from zoo import images
from zoo.errors import UserError


@pytest.fixture
def parsed():
    """Defines the program's flags, gives their values, and takes them away afterwards."""
    before = set(absl.flags.FLAGS)

    def parsed(*arguments):
        absl.flags.FLAGS(["program", *map(str, arguments)])
        return absl.flags.FLAGS.flag_values_dict()

    figures.define_flags()
    yield parsed
    for name in set(absl.flags.FLAGS) - before:
        delattr(absl.flags.FLAGS, name)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "sheet.png"


@pytest.fixture
def photo(photo_directory):
    return f"--content={photo_directory / '0.jpg'}"


@pytest.fixture
def style(painting):
    return f"--style={painting}"


@pytest.fixture
def undescended(monkeypatch):
    """Leaves every panel as it starts, which takes no time."""

    def descend(settings, pictures, loss_network, observe):
        return descent.first_image(settings, pictures, pictures.size(settings.size))

    monkeypatch.setattr(descent, "descend", descend)


@pytest.fixture
def drawn(parsed, tiny_vgg, output):
    """Runs the program at a tiny size and gives the sheet."""

    def drawn(figure, *arguments):
        parsed(
            f"--output={output}", "--loss_network=vgg16", "--size=28", "--iterations=1", *arguments
        )
        figures.main(["program", figure])
        return images.read(output).rgb

    return drawn


def panels(output):
    return sorted(path.stem for path in output.with_suffix("").glob("*.png"))


# --- What is on them ---


def test_content_has_a_panel_for_each_layer_that_its_paper_inverts(drawn, photo, output):
    drawn("content", photo)
    assert panels(output) == [
        "01-relu2_2",
        "02-relu3_3",
        "03-relu4_3",
        "04-relu5_1",
        "05-relu5_3",
    ]


def test_style_takes_more_and_more_layers(undescended, drawn, style, output):
    drawn("style", style)
    assert panels(output) == [
        "01-up-to-relu1_2",
        "02-up-to-relu2_2",
        "03-up-to-relu3_3",
        "04-up-to-relu4_3",
    ]


def test_balance_has_a_panel_for_each_balance(undescended, drawn, photo, style, output):
    drawn("balance", photo, style, "--balances=0.5,2")
    assert panels(output) == ["01-balance-0.5", "02-balance-2"]


def test_vgg19_has_the_layers_of_gatys(parsed, photo, style, output):
    values = parsed(f"--output={output}", photo, style)
    gatys = {f"relu{block}_1": 0.2 for block in range(1, 6)}
    assert list(figures.settings_from("content", values).content_layers) == [
        f"relu{block}_2" for block in range(1, 6)
    ]
    assert figures.settings_from("style", values).style_layers == gatys
    balance = figures.settings_from("balance", values)
    assert (balance.content_layers, balance.style_layers) == ({"relu4_2": 1.0}, gatys)


def test_a_content_panel_has_one_layer_alone(parsed, photo, output):
    values = parsed(f"--output={output}", photo, "--layers=relu1_1,relu3_1")
    settings = figures.settings_from("content", values)
    assert [panel.settings.content_layers for panel in figures.content_panels(settings)] == [
        {"relu1_1": 1.0},
        {"relu3_1": 1.0},
    ]


def test_the_layers_of_a_style_panel_weigh_alike_and_1_together(parsed, style, output):
    values = parsed(f"--output={output}", style, "--layers=relu1_1,relu2_1,relu3_1")
    settings = figures.settings_from("style", values)
    drawn = figures.style_panels(settings, read_pictures(settings))
    assert [panel.settings.style_layers for panel in drawn] == [
        {"relu1_1": 1.0},
        {"relu1_1": 1 / 2, "relu2_1": 1 / 2},
        {"relu1_1": 1 / 3, "relu2_1": 1 / 3, "relu3_1": 1 / 3},
    ]


@pytest.mark.parametrize("shape", [(60, 90), (90, 60)])
def test_the_painting_is_as_high_as_its_textures(parsed, tmp_path, output, shape):
    Image.fromarray(np.zeros((*shape, 3), "uint8")).save(tmp_path / "painting.png")
    values = parsed(f"--output={output}", f"--style={tmp_path / 'painting.png'}", "--size=40")
    settings = figures.settings_from("style", values)
    pictures = read_pictures(settings)
    for panel in figures.style_panels(settings, pictures):
        long_side = round(panel.settings.style_scale * max(pictures.size(40)))
        assert pictures.painting_at(0, long_side).shape[0] == 40


def test_a_balance_weighs_content_against_style(parsed, photo, style, output):
    values = parsed(f"--output={output}", photo, style)
    settings = figures.settings_from("balance", values)
    drawn = figures.balance_panels(settings, [0.5, 2.0])
    assert [panel.settings.style_balance for panel in drawn] == [0.5, 2.0]
    assert all(panel.settings.style_weight is None for panel in drawn)


def test_flags_override_what_a_figure_starts_from(parsed, photo, output):
    given = {"tv_weight": 0.5, "start_size": 20, "init": "gray", "size": 30, "iterations": 7}
    given |= {"optimizer": "adam", "seed": 3, "dtype_policy": "float32"}
    values = parsed(f"--output={output}", photo, *(f"--{k}={v}" for k, v in given.items()))
    settings = figures.settings_from("content", values)
    assert {name: getattr(settings, name) for name in given} == given


# --- The sheet ---


def test_the_sheet_shows_the_photo_and_then_the_panels(
    undescended, drawn, photo, photo_directory, output
):
    sheet = drawn("content", photo, "--layers=relu1_1", "--columns=2")
    margin, (height, width) = 4, (24, 28)
    first = sheet[margin : margin + height, margin : margin + width]
    expected = images.resize(images.read(photo_directory / "0.jpg").rgb, (height, width))
    np.testing.assert_allclose(first, expected, atol=0.01)
    panel = images.read(output.with_suffix("") / "01-relu1_1.png").rgb
    # Cells are as wide as their labels, which is wider here.
    found = np.lib.stride_tricks.sliding_window_view(sheet, panel.shape)[margin, :, 0]
    assert np.abs(found - panel).mean(axis=(1, 2, 3)).min() < 1e-6


def test_pictures_have_the_height_and_columns_that_are_asked_for(undescended, drawn, photo):
    flags = (photo, "--layers=relu1_1,relu1_2,relu2_1", "--height=64")
    wide = drawn("content", *flags, "--columns=4")
    high = drawn("content", *flags, "--columns=2")
    assert wide.shape[0] < 2 * 64 < high.shape[0] < wide.shape[1]


def test_ctrl_c_leaves_a_sheet_of_the_finished_panels(
    undescended, drawn, photo, output, monkeypatch
):
    descend = descent.descend

    def stopped(settings, *arguments):
        if "relu2_1" in settings.content_layers:
            raise KeyboardInterrupt
        return descend(settings, *arguments)

    flags = (photo, "--layers=relu1_1,relu2_1", "--columns=1")
    with monkeypatch.context() as patch:
        patch.setattr(descent, "descend", stopped)
        with pytest.raises(KeyboardInterrupt):
            drawn("content", *flags)
    so_far = images.read(output).rgb
    assert 2 * 24 < so_far.shape[0] < drawn("content", *flags).shape[0]


# --- What is refused ---


@pytest.mark.parametrize("arguments", [[], ["others"], ["content", "style"]])
def test_a_figure_must_be_named(parsed, output, arguments):
    parsed(f"--output={output}")
    with pytest.raises(app.UsageError, match="name one figure: content, style, balance"):
        figures.main(["program", *arguments])


@pytest.mark.parametrize(
    ("figure", "given", "wanted"),
    [
        ("content", [], "--content"),
        ("content", ["content", "style"], "--content"),
        ("style", ["content"], "--style"),
        ("balance", ["style"], "--content and --style"),
    ],
)
def test_a_figure_is_of_its_own_pictures(parsed, output, figure, given, wanted):
    parsed(f"--output={output}", *(f"--{name}=picture.jpg" for name in given))
    with pytest.raises(app.UsageError, match=f"'{figure}' is made from {wanted}, no more"):
        figures.main(["program", figure])


@pytest.mark.parametrize("balances", ["1,much", "-1", "nan", "inf", ""])
def test_a_balance_that_is_no_number_is_a_wrong_flag(parsed, output, balances):
    with pytest.raises(absl.flags.IllegalFlagValueError, match="numbers of 0 or more"):
        parsed(f"--output={output}", f"--balances={balances}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--layers=relu9_9"], "has no layer 'relu9_9'"),
        (["--size=8"], "--size=8 makes pictures with a side of 7 .* need 16"),
        (["--content=/nowhere.jpg"], "/nowhere.jpg: cannot be read"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_the_sheet(drawn, photo, output, changes, message):
    with pytest.raises(UserError, match=message):
        drawn("content", photo, *changes)
    assert not output.exists()


def test_a_sheet_of_an_unknown_kind_is_refused_before_the_work(drawn, photo, output, monkeypatch):
    monkeypatch.delattr(descent, "descend")
    with pytest.raises(UserError, match="cannot write format 'pdf'"):
        drawn("content", photo, f"--output={output.with_suffix('.pdf')}")
