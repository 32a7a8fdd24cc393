import dataclasses

import numpy as np
import pytest
import skimage.data

from trainers.pictures import read_pictures
from trainers.presets import Settings
from zoo import images
from zoo.errors import UserError

RED, GREEN, BLUE, WHITE = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)
CYAN, MAROON = (0, 1, 1), (0.5, 0, 0)


@pytest.fixture
def write(tmp_path):
    """Writes an array as PNG and gives its path."""

    def write(name, rgb):
        path = tmp_path / f"{name}.png"
        images.write(np.asarray(rgb, "float32"), path)
        return str(path)

    return write


@pytest.fixture
def photo(write):
    return write("photo", skimage.data.chelsea()[100:120, 100:130] / 255)


@pytest.fixture
def paintings(write):
    return (
        write("first", skimage.data.coffee()[100:124, 100:116] / 255),
        write("second", skimage.data.astronaut()[:10, :40] / 255),
    )


@pytest.fixture
def halves(write):
    """Writes a map of (height, width) whose left part has one colour and the rest another."""

    def halves(name, size, left, right, columns):
        rgb = np.empty((*size, 3))
        rgb[:, :columns], rgb[:, columns:] = left, right
        return write(name, rgb)

    return halves


def read_part(part):
    """(painting, weight, sum of its region or None)."""
    return part.painting, part.weight, None if part.region is None else part.region.sum()


# --- Whole pictures ---


def test_the_image_has_the_photos_shape_or_is_a_square(photo, paintings):
    assert read_pictures(Settings(content=photo)).size(60) == (40, 60)
    assert read_pictures(Settings(content=photo, style=paintings)).size(25) == (17, 25)
    assert read_pictures(Settings(style=paintings)).size(25) == (25, 25)


def test_pictures_are_scaled_to_what_is_asked_for(photo, paintings):
    pictures = read_pictures(Settings(content=photo, style=paintings))
    assert pictures.content_at((17, 25)).shape == (17, 25, 3)
    assert pictures.painting_at(0, 60).shape == (60, 40, 3)
    assert pictures.painting_at(1, 20).shape == (5, 20, 3)
    np.testing.assert_allclose(pictures.painting_at(0, 24), images.read(paintings[0]).rgb)


def test_one_is_enough(photo, paintings):
    pictures = read_pictures(Settings(content=photo))
    assert (pictures.paintings, pictures.parts, pictures.regions) == ([], [[]], None)
    pictures = read_pictures(Settings(style=paintings[:1]))
    assert pictures.content is pictures.content_at((5, 5)) is None
    assert [list(map(read_part, parts)) for parts in pictures.parts] == [[(0, 1.0, None)]]


@pytest.mark.parametrize(
    ("blend", "weights"), [((), (0.5, 0.5)), ((3.0, 1.0), (0.75, 0.25)), ((0.0, 2.0), (None, 1.0))]
)
def test_blend_weights_sum_to_1_and_a_painting_of_weight_0_is_left_out(paintings, blend, weights):
    (parts,) = read_pictures(Settings(style=paintings, style_blend=blend)).parts
    expected = [(i, weight, None) for i, weight in enumerate(weights) if weight]
    assert list(map(read_part, parts)) == expected


def test_a_paintings_transparency_is_white_paper(write, tmp_path):
    alpha = np.zeros((4, 6), "float32")
    images.write(images.Picture(np.zeros((4, 6, 3), "float32"), alpha), tmp_path / "clear.png")
    pictures = read_pictures(Settings(style=(str(tmp_path / "clear.png"),)))
    np.testing.assert_array_equal(pictures.paintings[0], np.ones((4, 6, 3)))


# --- The photo's colours and transparency ---


def test_a_histogram_or_covariance_of_the_photo_is_given_to_the_paintings(photo, paintings):
    rgb = images.read(photo).rgb
    plain, histogram, covariance = (
        read_pictures(Settings(content=photo, style=paintings, preserve_color=how)).paintings
        for how in ("none", "histogram", "covariance")
    )
    np.testing.assert_array_equal(plain[0], images.read(paintings[0]).rgb)
    for before, matched, moved in zip(plain, histogram, covariance, strict=True):
        assert matched.shape == moved.shape == before.shape
        medians = (np.median(picture, axis=(0, 1)) for picture in (matched, rgb))
        np.testing.assert_allclose(*medians, atol=0.02)
        np.testing.assert_allclose(moved.mean((0, 1)), rgb.mean((0, 1)), atol=0.02)
        assert np.abs(before.mean((0, 1)) - rgb.mean((0, 1))).max() > 0.1


def test_luminance_keeps_the_photos_chroma_at_any_size(photo, paintings):
    pictures = read_pictures(Settings(content=photo, style=paintings, preserve_color="luminance"))
    made = np.full((10, 15, 3), (0.5, 0.45, 0.4), "float32")
    rgb = pictures.finished(made, "luminance").rgb
    small = pictures.content_at((10, 15))
    # Red less green is the same in YIQ of equal I and Q.
    np.testing.assert_allclose(np.diff(rgb, axis=2), np.diff(small, axis=2), atol=1e-5)
    np.testing.assert_array_equal(pictures.finished(made, "none").rgb, made)


def test_the_photos_transparency_comes_back_at_the_images_size(photo, tmp_path):
    alpha = np.zeros((20, 30), "float32")
    alpha[:, 10:] = 1
    path = tmp_path / "clear.png"
    images.write(images.Picture(images.read(photo).rgb, alpha), path)
    pictures = read_pictures(Settings(content=str(path)))
    finished = pictures.finished(np.full((40, 60, 3), 0.25, "float32"), "none")
    assert finished.rgb.shape == (40, 60, 3)
    np.testing.assert_array_equal(finished.alpha[:, :15], 0)
    np.testing.assert_array_equal(finished.alpha[:, 25:], 1)


def test_without_a_photo_the_image_is_opaque(paintings):
    pictures = read_pictures(Settings(style=paintings))
    assert pictures.finished(np.zeros((5, 5, 3), "float32"), "none").alpha is None


# --- Regions ---


@pytest.mark.parametrize(
    ("left", "right", "darker"),
    [
        (RED, WHITE, "left"),
        (WHITE, BLUE, "right"),
        (GREEN, RED, "right"),  # the eye's lightness, by which the three differ
        (RED, BLUE, "right"),
        (CYAN, MAROON, "right"),  # as a number cyan comes first
    ],
)
def test_the_darker_region_takes_the_first_painting(photo, paintings, halves, left, right, darker):
    content_regions = halves("map", (20, 30), left, right, 10)
    settings = Settings(content=photo, style=paintings, content_regions=content_regions)
    pictures = read_pictures(settings)
    takes = {
        region.sum(): [read_part(part) for part in parts]
        for region, parts in zip(pictures.regions, pictures.parts, strict=True)
    }
    first, second = (200, 400) if darker == "left" else (400, 200)
    assert takes == {first: [(0, 1.0, None)], second: [(1, 1.0, None)]}


def test_maps_of_the_paintings_go_colour_to_colour(photo, paintings, halves):
    settings = Settings(
        content=photo,
        style=paintings,
        style_blend=(1.0, 3.0),
        content_regions=halves("map", (20, 30), RED, BLUE, 10),
        style_regions=(
            halves("first_map", (24, 16), BLUE, RED, 4),
            halves("second_map", (10, 40), RED, BLUE, 5),
        ),
    )
    pictures = read_pictures(settings)
    assert [region.sum() for region in pictures.regions] == [400, 200]  # blue, red
    blue, red = (list(map(read_part, parts)) for parts in pictures.parts)
    assert blue == [(0, 0.25, 24 * 4), (1, 0.75, 10 * 35)]
    assert red == [(0, 0.25, 24 * 12), (1, 0.75, 10 * 5)]


# --- What is refused ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content": None, "style": ()}, "give --content, --style or both"),
        ({"content": "/nowhere.jpg"}, r"/nowhere\.jpg: .*No such file"),
        ({"style": ("/nowhere.jpg",)}, r"/nowhere\.jpg: .*No such file"),
        ({"style_blend": (1.0,)}, "--style_blend has 1 weights for 2 paintings"),
        ({"style_blend": (0.0, 0.0)}, "--style_blend: weights are 0 or more, and not all 0"),
        ({"style_blend": (2.0, -1.0)}, "--style_blend: weights are 0 or more"),
        ({"style_blend": (1.0, float("nan"))}, "--style_blend: weights are 0 or more"),
        ({"style": (), "style_blend": (1.0,)}, "has 1 weights for 0 paintings"),
        ({"content": None, "preserve_color": "luminance"}, "--preserve_color without --content"),
    ],
)
def test_what_does_not_go_together_is_named(photo, paintings, changes, message):
    settings = Settings(content=photo, style=paintings)
    with pytest.raises(UserError, match=message):
        read_pictures(dataclasses.replace(settings, **changes))


def test_regions_that_do_not_match_are_named(photo, paintings, halves):
    whole = halves("whole", (20, 30), RED, RED, 10)
    two = halves("two", (20, 30), RED, BLUE, 10)
    small = halves("small", (10, 30), RED, BLUE, 10)
    first, second = halves("a", (24, 16), RED, WHITE, 3), halves("b", (10, 40), RED, BLUE, 3)
    for changes, message in (
        ({"style_regions": (two, two)}, "--style_regions without --content_regions"),
        ({"content": None, "content_regions": two}, "--content_regions without --content"),
        ({"content_regions": small}, r"small\.png: .* 30 x 10 pixels and its picture 30 x 20"),
        ({"content_regions": whole}, r"whole\.png has 1 regions for 2 paintings"),
        ({"style": (), "content_regions": two}, r"two\.png has 2 regions for 0 paintings"),
        ({"content_regions": two, "style_regions": (two,)}, "names 1 maps for 2 paintings"),
        ({"content_regions": two, "style_regions": (second, first)}, r"b\.png: .*40 x 10 pixels"),
        (
            {"content_regions": two, "style_regions": (first, second)},
            r"a\.png: no region of colour #0000ff, which .*two\.png has",
        ),
        ({"content_regions": two, "style_blend": (1.0, 2.0)}, "each region takes one painting"),
    ):
        settings = Settings(content=photo, style=paintings)
        with pytest.raises(UserError, match=message):
            read_pictures(dataclasses.replace(settings, **changes))
