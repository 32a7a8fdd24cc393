import numpy as np
import pytest
from PIL import Image

from zoo.bicubic import keys_kernel, mirrored, rescale, resize, resize_strips, taps
from zoo.errors import UserError
from zoo.sample_photo import sample_photo

RANDOM = np.random.default_rng(0)


def keys(x):
    """Keys 1981, equation 15, a number at a time."""
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0


def by_pillow(image, size, covered=None):
    """Pillow's bicubic, in double precision, of an image mirrored beyond its edges.

    `covered` is the (height, width) from the top left that becomes the result, by default all.
    """
    margin = 4 * max(image.shape)
    (height, width), (rows, columns) = size, covered or image.shape[:2]
    padded = np.pad(image, [(margin, margin), (margin, margin), (0, 0)], mode="symmetric")
    box = (margin, margin, margin + columns, margin + rows)
    planes = [
        Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC, box=box)
        for plane in np.moveaxis(padded, -1, 0)
    ]
    return np.dstack(planes).clip(0, 1)


@pytest.mark.parametrize(
    "size",
    [(92, 130), (184, 260), (368, 520), (23, 65), (12, 17), (6, 9), (46, 65), (61, 7), (13, 200)],
)
def test_it_is_pillows_bicubic_of_the_mirrored_image(size):
    image = sample_photo()[100:146, 120:185]
    resized = resize(image, size)
    assert (resized.shape, resized.dtype) == ((*size, 3), np.float32)
    np.testing.assert_allclose(resized, by_pillow(image, size), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5, 1), (2, 3, 4)])
def test_tiny_images_are_resized_too(shape):
    image = RANDOM.uniform(size=shape).astype(np.float32)
    for size in ((1, 1), (2, 1), (5, 16), (8, 8)):
        np.testing.assert_allclose(resize(image, size), by_pillow(image, size), atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4, 8, 3, 1.5, 1 / 2, 1 / 4, 1 / 8, 1 / 3, 0.4])
def test_a_constant_stays_one(factor):
    image = np.full((24, 40, 3), [0.2, 0.5, 1.0], np.float32)
    resized = rescale(image, factor)
    np.testing.assert_allclose(resized, np.broadcast_to(image[0, 0], resized.shape), atol=2e-7)


@pytest.mark.parametrize("factor", [2, 4, 8, 1 / 2, 1 / 4, 1 / 8])
def test_a_ramp_stays_one_on_half_pixel_centres_away_from_the_edges(factor):
    ramp = np.linspace(0.1, 0.9, 160, dtype=np.float32)
    image = np.broadcast_to(ramp[:, None, None], (160, 8, 1))
    resized = rescale(image, factor)[:, 0, 0]
    centres = (np.arange(len(resized)) + 0.5) / factor - 0.5
    inside = (centres > 20) & (centres < 140)
    assert inside.sum() > 10
    expected = 0.1 + 0.8 * centres[inside] / 159
    np.testing.assert_allclose(resized[inside], expected, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_an_impulse_is_enlarged_to_the_kernel(factor):
    image = np.full((9, 9, 1), 0.5, np.float32)
    image[4, 4] = 0.9
    positions = [(i + 0.5) / factor - 0.5 for i in range(9 * factor)]
    row = np.array([keys(position - 4) for position in positions])
    expected = 0.5 + 0.4 * np.outer(row, row)
    np.testing.assert_allclose(rescale(image, factor)[..., 0], expected, atol=1e-6)
    assert row.min() < -0.05


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_an_impulse_is_shrunk_to_the_stretched_kernel(factor):
    size, centre = 8 * factor, 4 * factor + 1
    image = np.full((size, size, 1), 0.5, np.float32)
    image[centre, centre] = 1
    positions = [(i + 0.5) * factor - 0.5 for i in range(8)]
    row = np.array([keys((position - centre) / factor) / factor for position in positions])
    expected = 0.5 + 0.5 * np.outer(row, row)
    np.testing.assert_allclose(rescale(image, 1 / factor)[..., 0], expected, atol=1e-6)


def test_the_kernel_is_keys():
    x = np.linspace(-2.5, 2.5, 101)
    np.testing.assert_allclose(keys_kernel(x), [keys(value) for value in x], atol=1e-12)
    assert list(keys_kernel(np.arange(-3, 4))) == [0, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_the_weights_of_one_pixel_repeat_when_enlarging_by_a_whole_factor(factor):
    positions = (np.arange(5 * factor) + 0.5) / factor - 0.5
    indices, weights = taps(positions, factor)
    assert weights.shape == (5 * factor, 4)
    phases = taps(positions[:factor], factor)
    np.testing.assert_array_equal(weights, np.tile(phases[1], (5, 1)))
    steps = np.repeat(np.arange(5), factor)[:, None]
    np.testing.assert_array_equal(indices, np.tile(phases[0], (5, 1)) + steps)


def test_a_row_goes_on_mirrored_beyond_both_ends():
    assert list(mirrored(np.arange(-5, 8), 3)) == [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]


def test_overshoot_at_an_edge_is_clipped():
    image = np.zeros((8, 8, 1), np.float32)
    image[:, 4:] = 1
    resized = rescale(image, 4)
    assert (resized.min(), resized.max()) == (0, 1)


def test_sides_are_rounded_up_on_the_grid_from_the_top_left():
    image = RANDOM.uniform(size=(10, 7, 3)).astype(np.float32)
    # The last of the new pixels, 4 x 4 old ones each, reach beyond the image.
    expected = by_pillow(image, (3, 2), covered=(12, 8))
    np.testing.assert_allclose(rescale(image, 1 / 4), expected, atol=1e-6)
    assert np.abs(resize(image, (3, 2)) - expected).max() > 0.01
    assert rescale(np.zeros((30, 49, 1), np.float32), 0.1).shape == (3, 5, 1)
    assert rescale(np.zeros((49, 30, 1), np.float32), 1 / 49).shape == (1, 1, 1)


def test_impossible_sizes_are_refused():
    image = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(UserError, match="cannot resize to 0 x 4 pixels"):
        resize(image, (0, 4))
    for factor in (0, -2):
        with pytest.raises(UserError, match=f"by the factor {factor}: give one above zero"):
            rescale(image, factor)


@pytest.mark.parametrize("size", [(75, 45), (303, 181), (20, 33), (101, 60), (1, 1)])
def test_strip_by_strip_an_image_is_resized_as_it_is_at_once(size):
    image = np.random.default_rng(0).uniform(size=(101, 60, 3)).astype(np.float32)
    strips = [image[:1], image[1:30], image[30:33], image[33:]]
    resized = list(resize_strips(strips, 101, size))
    np.testing.assert_allclose(np.concatenate(resized), resize(image, size), atol=1e-6)
    assert len(resized) > 1 or size[0] < 10
