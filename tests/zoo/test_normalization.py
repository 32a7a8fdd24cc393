import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.normalization import InstanceNormalization, _fused, _written_out, shared_statistics

EPSILON = 1e-5
GAMMA = tf.constant([1.0, 2.0, 0.5, -1.0])
BETA = tf.constant([0.0, 1.0, -2.0, 3.0])


def some_images(batch, dtype="float32"):
    """Channels of mean up to 3 and standard deviation up to 4."""
    noise = np.random.default_rng(batch).normal(size=(batch, 9, 7, 4))
    return tf.cast(noise * [1, 4, 0.2, 2] + [0, 3, -3, 1], dtype)


def in_numpy(images):
    images = tf.cast(images, "float64").numpy()
    mean = images.mean((1, 2), keepdims=True)
    variance = images.var((1, 2), keepdims=True)
    return (images - mean) / np.sqrt(variance + EPSILON) * GAMMA.numpy() + BETA.numpy()


def with_static_batch(function):
    return lambda images: function(images, GAMMA, BETA, EPSILON)


def with_unknown_batch(function):
    def signature(images):
        return tf.TensorSpec([None, None, None, 4], images.dtype)

    return lambda images: tf.function(
        lambda x: function(x, GAMMA, BETA, EPSILON), input_signature=[signature(images)]
    )(images)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("form", [_fused, _written_out])
@pytest.mark.parametrize("called", [with_static_batch, with_unknown_batch])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.05)])
def test_both_forms_are_the_formula(form, called, batch, dtype, tolerance):
    images = some_images(batch, dtype)
    normalized = called(form)(images)
    assert normalized.dtype == images.dtype
    np.testing.assert_allclose(
        tf.cast(normalized, "float64"), in_numpy(images), atol=tolerance, rtol=tolerance
    )


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("called", [with_static_batch, with_unknown_batch])
def test_both_forms_have_the_same_gradients(called, batch):
    images = some_images(batch)
    weights = tf.random.stateless_normal(images.shape, (1, 2))  # the plain sum has gradient zero
    gradients = []
    for form in (_fused, _written_out):
        with tf.GradientTape() as tape:
            tape.watch([images, GAMMA, BETA])
            loss = tf.reduce_sum(weights * called(form)(images))
        gradients.append(tape.gradient(loss, [images, GAMMA, BETA]))
    for fused, written_out in zip(*gradients, strict=True):
        np.testing.assert_allclose(fused, written_out, atol=1e-4, rtol=1e-4)
        assert np.abs(fused).max() > 0.1


def test_statistics_are_of_each_image_alone():
    images = some_images(3)
    layer = InstanceNormalization()
    alone = [layer(images[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(layer(images), alone, atol=1e-5)


def test_a_constant_channel_becomes_beta_not_noise():
    layer = InstanceNormalization()
    layer.build((None, None, None, 4))
    layer.beta.assign(BETA)
    for size in ((5, 5), (1, 1)):
        images = np.full((1, *size, 4), 0.7, np.float32)
        np.testing.assert_allclose(layer(images), np.broadcast_to(BETA, images.shape), atol=1e-3)


def test_a_large_bfloat16_image_has_float32_statistics():
    # A sum of 65536 ones stops growing at 256 in bfloat16.
    noise = np.random.default_rng(0).normal(5, 0.5, (1, 256, 256, 1))
    normalized = InstanceNormalization(dtype="mixed_bfloat16")(noise.astype(np.float32))
    assert normalized.dtype == tf.bfloat16
    values = tf.cast(normalized, "float64").numpy()
    assert abs(values.mean()) < 0.01
    assert values.std() == pytest.approx(1, abs=0.02)


def test_weights_stay_float32_under_mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = InstanceNormalization()
    layer(np.zeros((1, 2, 2, 4), np.float32))
    assert {weight.dtype for weight in layer.weights} == {"float32"}


def test_the_layer_comes_back_from_its_configuration():
    layer = InstanceNormalization(epsilon=1e-3, name="norm")
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert isinstance(copy, InstanceNormalization)
    assert (copy.epsilon, copy.name) == (1e-3, "norm")


# --- Statistics shared by several calls


def test_later_calls_are_normalised_with_the_statistics_of_the_first():
    layer = InstanceNormalization(name="norm")
    first, later = some_images(3), some_images(3)[:, 2:5, 1:4]
    layer.build(first.shape)
    layer.gamma.assign(GAMMA)
    layer.beta.assign(BETA)
    with shared_statistics():
        np.testing.assert_allclose(layer(first), in_numpy(first), atol=1e-5)
        # Of pixels of the first it makes what was made of them there.
        np.testing.assert_allclose(layer(later), in_numpy(first)[:, 2:5, 1:4], atol=1e-5)
        with shared_statistics():
            np.testing.assert_allclose(layer(later), in_numpy(later), atol=1e-5)
    np.testing.assert_allclose(layer(later), in_numpy(later), atol=1e-5)


def test_each_layer_shares_its_own_statistics():
    images = some_images(1)
    layers = [InstanceNormalization(name=name) for name in ("a", "b")]
    with shared_statistics():
        normalized = layers[1](layers[0](images) * 3 + 2)
        again = layers[1](layers[0](images) * 3 + 2)
    np.testing.assert_allclose(normalized, again, atol=1e-6)
    assert abs(np.mean(normalized)) < 1e-5


def test_one_images_statistics_do_for_a_batch():
    layer = InstanceNormalization()
    images = some_images(3)
    with shared_statistics():
        alone = layer(images[:1])
        together = layer(images)
    np.testing.assert_allclose(together[:1], alone, atol=1e-6)
    assert abs(np.mean(together[1]) - np.mean(alone)) > 1e-3
