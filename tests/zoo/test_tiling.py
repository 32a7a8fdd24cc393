import subprocess
import sys

import numpy as np
import pytest

from zoo import tiling
from zoo.tiling import assembled, grid, least_side, mosaic, strips

SIZES = [(1, 1), (40, 300), (100, 101), (128, 64), (257, 190)]
GEOMETRIES = [
    {"side": 64, "margin": 7},
    {"side": 64, "margin": 8, "feather": 8, "multiple": 4},
    {"side": 80, "margin": 16, "feather": 12, "multiple": 8},
    {"side": 50, "margin": 8, "feather": 16, "multiple": 16},
    {"side": 9, "margin": 4},
]
each_geometry = pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
each_size = pytest.mark.parametrize("size", SIZES, ids=str)


def some_image(size):
    return np.random.default_rng(0).uniform(size=(*size, 3)).astype(np.float32)


@each_size
@each_geometry
def test_what_comes_back_unchanged_is_the_image(size, geometry):
    image = some_image(size)
    np.testing.assert_allclose(
        assembled(grid(size, **geometry), lambda t: t.cut(image)), image, 1e-6
    )


@each_size
@each_geometry
def test_tiles_keep_to_their_side_and_begin_at_multiples(size, geometry):
    for row in grid(size, **geometry):
        for tile in row:
            for span, length in zip((tile.rows, tile.columns), size, strict=True):
                assert 0 <= span.start < span.stop <= min(span.start + geometry["side"], length)
                assert span.start % geometry.get("multiple", 1) == 0


@each_size
@each_geometry
def test_each_used_pixel_has_its_margin_of_real_pixels(size, geometry):
    for row in grid(size, **geometry):
        for tile in row:
            for span, length in zip((tile.rows, tile.columns), size, strict=True):
                assert span.start == max(0, span.first - geometry["margin"])
                assert span.stop == min(length, span.last + geometry["margin"])


def test_a_margin_of_the_receptive_field_gives_what_the_whole_image_gives():
    image = some_image((90, 130))

    def blur(image):  # 11 x 11, the edge repeated: reaches 5 pixels
        padded = np.pad(image, ((5, 5), (5, 5), (0, 0)), "edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (11, 11), (0, 1))
        return windows.mean((-2, -1))

    tiles = grid(image.shape[:2], side=40, margin=5)
    assert len(tiles) * len(tiles[0]) == 3 * 4
    tiled = assembled(tiles, lambda tile: blur(tile.cut(image)))
    np.testing.assert_allclose(tiled, blur(image), atol=1e-6)
    short = assembled(grid(image.shape[:2], side=40, margin=4), lambda tile: blur(tile.cut(image)))
    assert np.abs(short - blur(image)).max() > 1e-3


def test_neighbours_fade_into_each_other():
    tiles = grid((20, 100), side=60, margin=4, feather=10)
    shades = iter((0.0, 1.0))

    def flat(tile):
        return np.full((*tile.cut(np.empty((20, 100))).shape, 1), next(shades))

    row = assembled(tiles, flat)[0, :, 0]
    fading = (row > 0) & (row < 1)
    np.testing.assert_allclose(row[fading], np.arange(0.05, 1, 0.1), atol=1e-6)
    assert (np.diff(row) >= 0).all()


def test_an_enlarged_image_is_put_together_in_its_place():
    image = some_image((70, 45))

    def nearest(tile):
        return tile.cut(image).repeat(3, 0).repeat(3, 1)

    for geometry in ({"margin": 5}, {"margin": 2, "feather": 6}):
        enlarged = assembled(grid((70, 45), side=32, **geometry), nearest, factor=3)
        np.testing.assert_allclose(enlarged, image.repeat(3, 0).repeat(3, 1), 1e-6)


def test_strips_come_before_the_next_row_is_asked_for():
    asked = []

    def note(tile):
        asked.append(tile.rows.start)
        return np.zeros((tile.rows.stop - tile.rows.start, 10, 3))

    tiles = grid((100, 10), side=40, margin=4, feather=4)
    finished = 0
    for row, strip in zip(tiles, strips(tiles, note), strict=True):
        assert asked[-1] == row[0].rows.start
        finished += len(strip)
    assert finished == 100


@each_geometry
def test_the_least_side_is_the_smallest_that_is_taken(geometry):
    geometry = dict(geometry)
    del geometry["side"]
    least = least_side(**geometry)
    assert len(grid((500, 10), least, **geometry)) > 1
    with pytest.raises(ValueError, match=f"give {least} or more"):
        grid((500, 10), least - 1, **geometry)


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((2048, 2048), (1024, 1024)),
        ((1000, 3000), (640, 1536)),
        ((200, 20000), (128, 8192)),
        ((20000, 130), (8192, 128)),
        ((50, 300), (50, 300)),
    ],
)
def test_a_mosaic_has_at_most_64_patches_in_about_the_images_shape(size, small):
    assert mosaic(np.zeros((*size, 3))).shape == (*small, 3)


def test_a_mosaic_is_of_the_images_own_pixels_from_everywhere():
    rows, columns = np.indices((300, 200))
    pixels = mosaic(np.dstack([rows, columns]), count=12, side=40)
    assert pixels.shape == (160, 120, 2)
    for patch in (pixels[:40, :40], pixels[120:, 80:]):
        np.testing.assert_array_equal(np.ptp(patch, axis=(0, 1)), (39, 39))
        assert (np.diff(patch[..., 0], axis=0) == 1).all()
    np.testing.assert_allclose(pixels.mean((0, 1)), (149.5, 99.5), atol=1)
    assert pixels.min(axis=(0, 1)).max() < 40
    assert (pixels.max(axis=(0, 1)) > (260, 160)).all()


def test_a_client_without_tensorflow_can_tile():
    code = "import sys, zoo.tiling; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_geometry_for_style_is_one():
    margins = (tiling.STYLE_MARGIN, tiling.STYLE_FEATHER, tiling.STYLE_MULTIPLE)
    assert all(length % tiling.STYLE_MULTIPLE == 0 for length in margins)
    assert least_side(*margins) <= 512
