import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.bicubic import rescale
from zoo.bicubic_layers import BicubicDownsampling, BicubicUpsampling

RANDOM = np.random.default_rng(0)


def some_images(height, width):
    return RANDOM.uniform(size=(2, height, width, 3)).astype(np.float32)


def assert_rescaled(resized, images, factor):
    expected = np.stack([rescale(image, factor) for image in images])
    assert resized.shape == expected.shape
    np.testing.assert_allclose(np.clip(resized, 0, 1), expected, atol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (17, 12)])
def test_upsampling_is_the_fields_bicubic(size, factor):
    images = some_images(*size)
    resized = BicubicUpsampling(factor)(images).numpy()
    assert_rescaled(resized, images, factor)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (7, 5)])
def test_downsampling_is_the_fields_bicubic(size, factor):
    images = some_images(*(factor * side for side in size))
    resized = BicubicDownsampling(factor)(images).numpy()
    assert_rescaled(resized, images, 1 / factor)


def test_overshoot_is_left_to_the_network():
    edge = np.zeros((1, 8, 8, 3), np.float32)
    edge[:, :, 4:] = 1
    resized = BicubicUpsampling(4)(edge).numpy()
    assert resized.min() < -0.02
    assert resized.max() > 1.02


@pytest.mark.parametrize("layer", [BicubicUpsampling(4), BicubicDownsampling(2)])
def test_sizes_may_be_unknown(layer):
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    function = tf.function(layer, input_signature=[spec])
    for size in ((2, 2), (10, 14)):
        images = some_images(*size)
        np.testing.assert_allclose(function(images), layer(images), atol=1e-6)


@pytest.mark.parametrize("layer", [BicubicUpsampling(4), BicubicDownsampling(2)])
def test_shapes_are_told_beforehand(layer):
    images = some_images(6, 10)
    assert layer.compute_output_shape(images.shape) == layer(images).shape
    unknown = layer.compute_output_shape((None, None, 10, 3))
    assert unknown == (None, None, layer(images).shape[2], 3)


@pytest.mark.parametrize("layer", [BicubicUpsampling, BicubicDownsampling])
def test_float32_is_kept_under_mixed_bfloat16(layer):
    keras.config.set_dtype_policy("mixed_bfloat16")
    images = some_images(8, 8)
    resized = layer(4)(images)
    assert resized.dtype == tf.float32
    factor = 4 if layer is BicubicUpsampling else 1 / 4
    assert_rescaled(resized.numpy(), images, factor)


@pytest.mark.parametrize("layer", [BicubicUpsampling(4), BicubicDownsampling(8)])
def test_layers_come_back_from_their_configuration(layer):
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    assert layer.trainable_variables == []
