import keras
import numpy as np
import pytest

from zoo.enlarging_convolution import EnlargingConv2D, enlargement_taps

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("use_bias", [False, True])
def test_it_is_a_convolution_of_the_bilinear_enlargement(scale, kernel_size, use_bias):
    images = RANDOM.normal(size=(2, 12, 9, 5)).astype("float32")
    layer = EnlargingConv2D(7, kernel_size, scale, use_bias)
    enlarge = keras.layers.UpSampling2D(scale, interpolation="bilinear")
    convolution = keras.layers.Conv2D(7, kernel_size, padding="same", use_bias=use_bias)
    layer.build(images.shape)
    convolution.build(images.shape)
    weights = [RANDOM.normal(size=weight.shape) for weight in layer.get_weights()]
    layer.set_weights(weights)
    convolution.set_weights(weights)
    made, expected = layer(images), convolution(enlarge(images))
    assert made.shape == layer.compute_output_shape(images.shape) == expected.shape
    inside = slice(2 * scale, -2 * scale)
    np.testing.assert_allclose(
        made[:, inside, inside], expected[:, inside, inside], rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize(("kernel_size", "scale"), [(1, 2), (3, 2), (5, 3), (3, 4)])
def test_every_tap_sees_a_whole_pixel(kernel_size, scale):
    taps = enlargement_taps(kernel_size, scale)
    assert taps.shape[:2] == (scale, kernel_size)
    assert taps.shape[2] % 2 == 1
    np.testing.assert_allclose(taps.sum(-1), 1)
