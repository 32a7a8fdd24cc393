import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.losses import (
    excess,
    feature_reconstruction,
    gram_matrix,
    style_reconstruction,
    total_variation,
)

RANDOM = np.random.default_rng(0)


def some_features(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def test_the_gram_matrix_is_equation_3():
    features = some_features(2, 6, 5, 4)
    expected = np.zeros((2, 4, 4))
    for n in range(2):
        for c in range(4):
            for d in range(4):
                expected[n, c, d] = np.sum(features[n, :, :, c] * features[n, :, :, d])
    expected /= 4 * 6 * 5
    np.testing.assert_allclose(gram_matrix(features), expected, rtol=1e-5, atol=1e-6)


def test_the_gram_matrix_does_not_know_where_things_are():
    features = some_features(1, 6, 6, 4)
    shuffled = RANDOM.permutation(features.reshape(1, 36, 4), axis=1).reshape(1, 4, 9, 4)
    np.testing.assert_allclose(gram_matrix(features), gram_matrix(shuffled), atol=1e-6)


def test_the_gram_matrix_takes_features_of_unknown_size():
    spec = tf.TensorSpec([None, None, None, 4], tf.float32)
    features = some_features(2, 6, 5, 4)
    traced = tf.function(gram_matrix, input_signature=[spec])(features)
    np.testing.assert_allclose(traced, gram_matrix(features), rtol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_the_gradient_of_the_gram_matrix_is_that_of_its_formula(dtype, tolerance):
    features = tf.cast(some_features(2, 6, 5, 4), dtype)
    weights = some_features(2, 4, 4)  # not symmetric, as an upstream gradient may be
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = tf.reduce_sum(weights * gram_matrix(features))
    gradient = tape.gradient(loss, features)
    assert gradient.dtype == features.dtype
    both = weights + weights.transpose(0, 2, 1)
    expected = np.einsum("nhwc,ncd->nhwd", tf.cast(features, "float32"), both) / (4 * 6 * 5)
    np.testing.assert_allclose(
        tf.cast(gradient, "float32"), expected, rtol=tolerance, atol=tolerance / 10
    )


def test_feature_reconstruction_is_the_mean_squared_difference():
    features, target = some_features(2, 6, 5, 4), some_features(2, 6, 5, 4)
    expected = np.mean((features - target) ** 2)
    assert float(feature_reconstruction(features, target)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("paintings", [1, 3])
def test_style_reconstruction_is_the_squared_frobenius_norm_averaged_over_images(paintings):
    gram, target = some_features(3, 4, 4), some_features(paintings, 4, 4)
    norms = [np.linalg.norm(g - t, "fro") ** 2 for g, t in zip(gram, [*target] * 3, strict=False)]
    assert float(style_reconstruction(gram, target)) == pytest.approx(np.mean(norms), rel=1e-5)


def test_total_variation_is_the_mean_squared_step_across_and_down():
    images = RANDOM.uniform(size=(2, 6, 5, 3)).astype(np.float32)
    expected = np.mean(np.diff(images, axis=1) ** 2) + np.mean(np.diff(images, axis=2) ** 2)
    assert float(total_variation(images)) == pytest.approx(expected, rel=1e-5)


def test_total_variation_weighs_the_same_at_every_size():
    stripes = np.zeros((1, 32, 32, 3), np.float32)
    stripes[:, ::2] = 1
    assert float(total_variation(stripes)) == pytest.approx(1)
    assert float(total_variation(stripes[:, :8, :8])) == pytest.approx(1)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_bfloat16_features_are_summed_in_float32(policy):
    keras.config.set_dtype_policy(policy)
    # 65536 ones: a bfloat16 sum stops growing at 256.
    ones = tf.ones((1, 256, 256, 2), tf.bfloat16)
    gram = gram_matrix(ones)
    content = feature_reconstruction(ones, 3 * ones)
    style = style_reconstruction(gram, gram_matrix(2 * ones))
    variation = total_variation(tf.cast(tf.constant([[[[0.0], [1.0]]] * 2]), tf.bfloat16))
    np.testing.assert_allclose(gram, np.full((1, 2, 2), 0.5))
    assert (float(content), float(style), float(variation)) == (4, 4 * 1.5**2, 1)
    assert {value.dtype for value in (gram, content, style, variation)} == {tf.float32}


def test_excess_is_what_magnitudes_exceed_the_limit_by_squared():
    features = np.zeros((1, 2, 2, 1), "float32")
    features[0, 0, 0, 0], features[0, 1, 1, 0], features[0, 0, 1, 0] = 8.0, -7.0, 6.0
    assert float(excess(features, 6.0)) == (2.0**2 + 1.0**2) / 4
