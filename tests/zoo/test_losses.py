import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from trainers.gradients import value_and_gradient
from zoo.losses import (
    excess,
    feature_reconstruction,
    feature_reconstruction_sum,
    gatys_style,
    gram_matrix,
    prominence,
    relative_feature_reconstruction,
    relative_style,
    style_reconstruction,
    total_variation,
    unit_length,
)
from zoo.sample_photo import sample_photo
from zoo.vgg import LossNetwork

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


# --- Gatys 2016, section 2: f, p, g, a, n and m are the paper's


@pytest.fixture(scope="module")
def vgg19():
    if "ZOO_VGG19_WEIGHTS" not in os.environ:
        pytest.skip("needs trained weights: set ZOO_VGG19_WEIGHTS")
    return LossNetwork("vgg19", os.environ["ZOO_VGG19_WEIGHTS"], "caffe", pooling="average")


@pytest.fixture(params=["random", *(f"conv{block}_1" for block in range(1, 6)), "conv4_2"])
def before_relu(request):
    """What the ReLU of a layer gets, of an image and of another, each float32 [1, H, W, N]."""
    if request.param == "random":
        return some_features(1, 6, 5, 4), some_features(1, 6, 5, 4)
    model = request.getfixturevalue("vgg19").features([request.param])
    photos = (sample_photo(name)[None, 100:148, 100:164] for name in ("chelsea", "coffee"))
    return tuple(np.array(model(photo)[request.param]) for photo in photos)


def gradient_through_relu(loss, before):
    """Of a loss of features with respect to what their ReLU got."""
    gradient = value_and_gradient(lambda z: {"loss": loss(ops.relu(z))})(before[0])[1]
    return as_matrix(gradient)


def as_matrix(maps):
    """The paper's form of one image's [H, W, N]: float64 [N, M], a row for each filter."""
    return maps.reshape(-1, maps.shape[-1]).T.astype("float64")


def assert_close(found, expected):
    """In the sense of the norm: a sum of many products may be near 0 and its error is not."""
    assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)


def test_content_loss_and_gradient_are_equations_1_and_2(before_relu):
    before, other = before_relu
    f, p = (np.maximum(as_matrix(maps), 0) for maps in before_relu)
    target = ops.relu(other)
    loss = feature_reconstruction_sum(ops.relu(before), target)
    assert float(loss) == pytest.approx(np.sum((f - p) ** 2) / 2, rel=1e-5)
    gradient = gradient_through_relu(lambda f: feature_reconstruction_sum(f, target), before)
    assert 0 < np.mean(f > 0) < 1
    assert_close(gradient, np.where(f > 0, f - p, 0))


def test_style_loss_and_gradient_are_equations_3_4_and_6(before_relu):
    before, other = before_relu
    f, s = (np.maximum(as_matrix(maps), 0) for maps in before_relu)
    n, m = f.shape
    g, a = f @ f.T, s @ s.T
    target = gram_matrix(ops.relu(other))
    loss = gatys_style(gram_matrix(ops.relu(before)), target)
    assert float(loss) == pytest.approx(np.sum((g - a) ** 2) / (4 * n**2 * m**2), rel=1e-4)
    gradient = gradient_through_relu(lambda f: gatys_style(gram_matrix(f), target), before)
    assert_close(gradient, np.where(f > 0, (f.T @ (g - a)).T / (n**2 * m**2), 0))


def test_gatys_losses_are_averaged_over_images():
    features, target = some_features(3, 6, 5, 4), some_features(3, 6, 5, 4)
    grams, wanted = gram_matrix(features), gram_matrix(target)
    content = [feature_reconstruction_sum(features[i : i + 1], target[i]) for i in range(3)]
    style = [gatys_style(grams[i : i + 1], wanted[i : i + 1]) for i in range(3)]
    assert float(feature_reconstruction_sum(features, target)) == pytest.approx(np.mean(content))
    assert float(gatys_style(grams, wanted)) == pytest.approx(np.mean(style))


def test_a_painting_of_another_size_has_the_same_gatys_style():
    features = some_features(1, 6, 5, 4)
    twice = np.concatenate([features, features[:, ::-1]], axis=2)
    other = gram_matrix(some_features(1, 6, 5, 4))
    loss = float(gatys_style(other, gram_matrix(features)))
    assert float(gatys_style(other, gram_matrix(twice))) == pytest.approx(loss, rel=1e-5)


# --- Regions


@pytest.fixture
def region():
    return RANDOM.uniform(size=(6, 5)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_region_of_ones_changes_nothing(dtype):
    features = tf.cast(some_features(2, 6, 5, 4), dtype)
    guided = gram_matrix(features, np.ones((6, 5), np.float32))
    assert guided.dtype == tf.float32
    np.testing.assert_allclose(guided, gram_matrix(features), rtol=1e-6)


def test_the_gram_matrix_of_a_half_is_that_of_the_features_cut_out():
    features = some_features(2, 6, 8, 4)
    left = np.zeros((6, 8), np.float32)
    left[:, :4] = 1
    for region, half in ((left, features[:, :, :4]), (1 - left, features[:, :, 4:])):
        np.testing.assert_allclose(
            gram_matrix(features, region), gram_matrix(half), rtol=1e-5, atol=1e-6
        )


def test_a_regions_weights_are_squared_and_divided_by(region):
    features = some_features(2, 6, 5, 4)
    expected = np.einsum("hw,nhwc,nhwd->ncd", region**2, features, features)
    expected /= 4 * np.sum(region**2)
    np.testing.assert_allclose(gram_matrix(features, region), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.03)])
def test_the_gradient_of_a_regions_gram_matrix_is_that_of_its_formula(dtype, tolerance, region):
    features = tf.cast(some_features(2, 6, 5, 4), dtype)
    weights = some_features(2, 4, 4)
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = tf.reduce_sum(weights * gram_matrix(features, region))
    gradient = tf.cast(tape.gradient(loss, features), "float32")
    both = weights + weights.transpose(0, 2, 1)
    expected = np.einsum("hw,nhwc,ncd->nhwd", region**2, tf.cast(features, "float32"), both)
    expected /= 4 * np.sum(region**2)
    np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance / 10)


def test_a_region_without_weight_has_no_style_and_no_gradient():
    features = tf.constant(some_features(1, 6, 5, 4))
    with tf.GradientTape() as tape:
        tape.watch(features)
        gram = gram_matrix(features, np.zeros((6, 5), np.float32))
        loss = style_reconstruction(gram, np.ones((4, 4), np.float32))
    np.testing.assert_array_equal(gram, np.zeros((1, 4, 4)))
    np.testing.assert_array_equal(tape.gradient(loss, features), np.zeros((1, 6, 5, 4)))


# --- Distances


def test_feature_reconstruction_is_the_mean_squared_difference():
    features, target = some_features(2, 6, 5, 4), some_features(2, 6, 5, 4)
    expected = np.mean((features - target) ** 2)
    assert float(feature_reconstruction(features, target)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("paintings", [1, 3])
def test_style_reconstruction_is_the_squared_frobenius_norm_averaged_over_images(paintings):
    gram, target = some_features(3, 4, 4), some_features(paintings, 4, 4)
    norms = [np.linalg.norm(g - t, "fro") ** 2 for g, t in zip(gram, [*target] * 3, strict=False)]
    assert float(style_reconstruction(gram, target)) == pytest.approx(np.mean(norms), rel=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("magnitude", [1e-3, 1e3])
def test_relative_distances_are_1_for_no_features_and_do_not_know_a_layers_magnitude(
    scale, magnitude
):
    target = magnitude * some_features(1, 6, 5, 4)
    gram = gram_matrix(target)
    content = relative_feature_reconstruction(scale * target, target)
    style = relative_style(gram_matrix(scale * target), np.array(gram)[0])
    assert float(content) == pytest.approx((scale - 1) ** 2, rel=1e-5)
    assert float(style) == pytest.approx((scale**2 - 1) ** 2, rel=1e-5)


def test_relative_style_is_averaged_over_images():
    gram, target = some_features(3, 4, 4), some_features(4, 4)
    expected = np.mean(np.sum((gram - target) ** 2, axis=(1, 2))) / np.sum(target**2)
    assert float(relative_style(gram, target)) == pytest.approx(expected, rel=1e-5)


# --- Images


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


def test_prominence_is_of_all_channels_of_a_place_beside_the_whole_image():
    features = np.ones((2, 4, 4, 3), np.float32)
    features[1] *= 5  # an image's own scale tells nothing
    features[:, 1, 2] *= 3
    places = np.asarray(prominence(features))
    mean = (15 + 9) / 16
    expected = np.full((2, 4, 4), 1 / mean**0.5)
    expected[:, 1, 2] = 3 / mean**0.5
    np.testing.assert_allclose(places, expected, rtol=1e-5)


def test_each_place_is_divided_by_its_length():
    features = np.random.default_rng(0).uniform(1, 2, size=(2, 3, 4, 5)).astype(np.float32)
    features[0, 1, 2] = 0  # has none, and stays so
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    expected = features / np.maximum(lengths, 1)
    np.testing.assert_allclose(unit_length(features), expected, rtol=1e-5)
    np.testing.assert_allclose(unit_length(3 * features), expected, rtol=1e-5)


def test_places_that_a_relu_left_without_features_have_a_finite_slope():
    features = tf.Variable(np.full((1, 2, 2, 3), -1, np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(unit_length(tf.nn.relu(features)) - 1))
    np.testing.assert_array_equal(tape.gradient(loss, features), np.zeros((1, 2, 2, 3)))
