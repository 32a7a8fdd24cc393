import numpy as np
import pytest

from trainers.coordinates import Pixels, Whitened, excess

SIZES = [(1, 1), (1, 6), (5, 8), (8, 5)]


@pytest.fixture
def noise():
    return lambda size, seed=0: np.random.default_rng(seed).standard_normal((*size, 3))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("space", [Pixels, Whitened])
def test_coordinates_and_image_are_inverse(space, size, noise):
    space, image = space(size), noise(size)
    np.testing.assert_allclose(space.image(space.coordinates(image)), image, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("space", [Pixels, Whitened])
def test_the_gradient_is_that_of_the_chain_rule(space, size, noise):
    space, coordinates, pixels = space(size), noise(size), noise(size, 1)
    # The image is linear in its coordinates, so the gradient is the adjoint.
    for seed in range(2, 5):
        direction = noise(size, seed)
        change = np.sum(pixels * (space.image(coordinates + direction) - space.image(coordinates)))
        assert np.sum(space.gradient(pixels) * direction) == pytest.approx(change)


def _gain(pattern):
    """What a step of one length in whitened coordinates changes along a pattern."""
    space = Whitened(pattern.shape[:2])
    change = space.image(space.gradient(pattern))
    return np.sum(change * pattern) / np.sum(pattern**2)


def test_coarse_patterns_change_more_than_fine_ones_by_a_power_of_their_frequency():
    columns = np.arange(64)

    def stripes(frequency):
        return np.cos(2 * np.pi * frequency * columns / 64)[None, :, None] * np.ones((64, 64, 3))

    gains = [_gain(stripes(frequency)) for frequency in (1, 2, 8, 32)]
    exponent = -2 * Whitened.spectrum_exponent
    np.testing.assert_allclose(np.divide(gains, gains[0]), np.power([1.0, 2, 8, 32], exponent))


def test_brightness_changes_more_than_hue():
    grey, hue = np.ones((4, 4, 3)), np.ones((4, 4, 3)) * [1, -1, 0]
    assert _gain(grey) > 1.5 * _gain(hue) > 0


def test_excess_is_nothing_within_0_to_1_and_a_square_beyond():
    image = np.array([[[0.0, 1.0, 0.5]], [[-0.5, 1.25, 0.25]]], "float32")
    cost, gradient = excess(image)
    assert cost == pytest.approx((0.25 + 0.0625) / 6)
    np.testing.assert_allclose(gradient, [[[0, 0, 0]], [[-1 / 6, 0.5 / 6, 0]]])
    assert excess(image.clip(0, 1))[0] == 0
