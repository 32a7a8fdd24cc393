import dataclasses

import numpy as np
import pytest
from keras import ops

from trainers.objective import objective, perceptual_criterion
from trainers.pictures import read_pictures
from zoo import images
from zoo.errors import UserError

SIZE = (24, 28)


@pytest.fixture
def at(image_settings, tiny_loss_network):
    """Gives `objective`'s weights and function, and the `Pictures`, for settings with changes."""

    def at(size=SIZE, **changes):
        settings = dataclasses.replace(image_settings, **changes)
        pictures = read_pictures(settings)
        criterion = perceptual_criterion(settings, tiny_loss_network)
        return *objective(settings, criterion, pictures, size), pictures

    return at


def noise(size=SIZE):
    return np.random.default_rng(0).random((*size, 3), "float32")


@pytest.mark.parametrize("criterion", ["gatys2016", "johnson2016", "relative", "wasserstein"])
def test_the_loss_is_the_weighted_sum_of_its_terms_and_the_gradient_is_its(at, criterion):
    weights, evaluate, _ = at(
        criterion=criterion, content_weight=2.0, style_weight=30.0, tv_weight=0.5
    )
    assert weights == {"content": 2.0, "style": 30.0, "tv": 0.5}
    terms, gradient = evaluate(noise())
    assert terms["loss"] == pytest.approx(sum(weights[name] * terms[name] for name in weights))
    assert gradient.shape == (*SIZE, 3)
    length = 1e-3 / np.abs(gradient).max()
    ahead, behind = (evaluate(noise() + step * length * gradient)[0]["loss"] for step in (1, -1))
    assert (ahead - behind) / (2 * length) == pytest.approx(np.sum(gradient**2), rel=0.05)


def test_the_photo_has_no_content_loss_and_the_painting_no_style_loss(at):
    _, evaluate, pictures = at()
    assert evaluate(pictures.content_at(SIZE))[0]["content"] == pytest.approx(0, abs=1e-9)
    itself = pictures.painting_at(0, 28)
    _, evaluate, _ = at(itself.shape[:2])
    other = evaluate(noise(itself.shape[:2]))[0]["style"]
    assert evaluate(itself)[0]["style"] < 1e-6 * other


def test_one_picture_alone_leaves_the_other_term_0_and_its_weight_1(at):
    weights, evaluate, _ = at(style=())
    terms, _ = evaluate(noise())
    assert terms["content"] > terms["style"] == 0
    assert weights["style"] == 1
    weights, evaluate, _ = at((28, 28), content=None)
    terms, gradient = evaluate(noise((28, 28)))
    assert terms["style"] > terms["content"] == 0
    assert weights["style"] == 1
    assert np.abs(gradient).max() > 0


@pytest.fixture
def style_of(image_settings, tiny_loss_network):
    """The style term of an image for the average of some paintings' statistics, weighted."""
    criterion = perceptual_criterion(
        dataclasses.replace(image_settings, content=None), tiny_loss_network
    )

    def style_of(image, *weighted):
        each = [(weight, criterion.style_targets(rgb[None])) for weight, rgb in weighted]
        targets = {
            layer: sum(weight * target[layer] for weight, target in each)
            for layer in criterion.style_layers
        }
        return float(ops.convert_to_numpy(criterion(image[None], {}, targets)["style"]))

    return style_of


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_the_style_scale_is_the_paintings_long_side_over_the_images(at, style_of, scale):
    _, evaluate, pictures = at(style_scale=scale)
    painting = pictures.painting_at(0, round(28 * scale))
    expected = style_of(noise(), (1, painting))
    assert evaluate(noise())[0]["style"] == pytest.approx(expected, rel=1e-4)


def test_paintings_are_blended_by_their_weights(at, style_of, painting, photo_directory):
    both = (str(painting), str(photo_directory / "5.jpg"))
    _, evaluate, pictures = at(style=both, style_blend=(3.0, 1.0))
    first, second = (pictures.painting_at(i, 28) for i in (0, 1))
    expected = style_of(noise(), (0.75, first), (0.25, second))
    assert evaluate(noise())[0]["style"] == pytest.approx(expected, rel=1e-4)
    assert style_of(noise(), (0.25, first), (0.75, second)) != pytest.approx(expected, rel=1e-2)


# --- Regions ---


@pytest.fixture
def map_of_halves(tmp_path):
    """Writes a map of (height, width), its left half black and its right half white."""

    def write(name, size):
        rgb = np.zeros((*size, 3), "float32")
        rgb[:, size[1] // 2 :] = 1
        images.write(rgb, tmp_path / f"{name}.png")
        return str(tmp_path / f"{name}.png")

    return write


@pytest.fixture
def reds_and_blues(tmp_path):
    """Two paintings of noise."""
    for name, color in (("red", (1, 0.2, 0)), ("blue", (0, 0.2, 1))):
        images.write(noise((40, 40)) * np.float32(color), tmp_path / f"{name}.png")
    return str(tmp_path / "red.png"), str(tmp_path / "blue.png")


def test_each_region_takes_its_own_painting(at, map_of_halves, reds_and_blues):
    content_regions = map_of_halves("photo", (60, 70))
    _, evaluate, pictures = at(style=reds_and_blues, content_regions=content_regions)
    red, blue = (images.resize(painting, SIZE) for painting in pictures.paintings)
    red_then_blue, blue_then_red = (
        np.concatenate([left[:, :14], right[:, 14:]], axis=1)
        for left, right in ((red, blue), (blue, red))
    )
    right, wrong = (evaluate(image)[0]["style"] for image in (red_then_blue, blue_then_red))
    assert right < 0.2 * wrong


def test_a_region_takes_the_paintings_region_of_its_colour(
    at, map_of_halves, reds_and_blues, tmp_path
):
    red, blue = (images.read(path).rgb for path in reds_and_blues)
    images.write(np.concatenate([red, blue], axis=1), tmp_path / "both.png")
    _, evaluate, pictures = at(
        style=(str(tmp_path / "both.png"),),
        content_regions=map_of_halves("photo", (60, 70)),
        style_regions=(map_of_halves("painting", (40, 80)),),
    )
    itself = images.resize(pictures.paintings[0], SIZE)
    right, wrong = (evaluate(image)[0]["style"] for image in (itself, itself[:, ::-1]))
    assert right < 0.2 * wrong


# --- The style weight ---


def test_the_style_weight_is_calibrated_in_proportion_to_the_balance(at):
    one, twice = (at(style_balance=balance)[0]["style"] for balance in (1.0, 2.0))
    assert one > 0
    assert twice == pytest.approx(2 * one)
    assert at(style_weight=7.0, style_balance=2.0)[0]["style"] == 7


def test_where_nothing_is_kept_of_the_photo_the_style_still_counts(at):
    assert at(content_weight=0.0)[0]["style"] == 1
    assert at(style_balance=0.0)[0]["style"] == 0


def test_a_weight_that_cannot_be_calibrated_is_refused(at, tmp_path):
    images.write(np.full((20, 30, 3), 0.5, "float32"), tmp_path / "flat.png")
    for changes in (
        {"content": str(tmp_path / "flat.png")},
        {"style_layers": {"relu1_1": 0.0}},
        {"content_layers": {"relu1_1": 0.0}},
    ):
        with pytest.raises(UserError, match=r"cannot be calibrated.* give --style_weight"):
            at(**changes)
        assert at(**changes, style_weight=1.0)[0]["style"] == 1
