import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops
from scipy.linalg import sqrtm

from trainers.gradients import value_and_gradient
from zoo.criterion import PerceptualCriterion
from zoo.losses import relative_feature_reconstruction
from zoo.sample_photo import sample_photo
from zoo.vgg import LossNetwork
from zoo.wasserstein import moments, wasserstein


def some_features(seed, *shape, mixing=0.3):
    """Correlated channels with means."""
    random = np.random.default_rng(seed)
    mixture = np.eye(shape[-1]) + mixing * random.normal(size=(shape[-1],) * 2)
    return (random.normal(0.5, 1, shape) @ mixture).astype("float32")


@pytest.fixture
def region():
    return np.random.default_rng(9).uniform(size=(6, 8)).astype("float32")


def expected_moments(features, region=None):
    """Of one image [H, W, C], in float64."""
    flat = features.reshape(-1, features.shape[-1]).astype("float64")
    weights = None if region is None else region.ravel().astype("float64")
    return np.average(flat, 0, weights), np.cov(flat.T, aweights=weights, ddof=0)


def expected_distance(features, painting, region=None):
    """The closed form for Gaussians, without a ridge, of one image [H, W, C] each."""
    mean, covariance = expected_moments(features, region)
    wanted_mean, wanted = expected_moments(painting)
    root = sqrtm(wanted).real
    between = np.trace(sqrtm(root @ covariance @ root).real)
    distance = np.sum((mean - wanted_mean) ** 2) + np.trace(covariance + wanted) - 2 * between
    return distance / (np.trace(wanted) + np.sum(wanted_mean**2))


def target_of(painting, region=None):
    """Of one painting [H, W, C], as the criterion keeps it."""
    tree = moments(ops.convert_to_tensor(painting[None]), region)
    return keras.tree.map_structure(lambda value: ops.convert_to_numpy(value)[0], tree)


def distance_and_gradient(features, target, region=None, dtype="float32"):
    """The distance of one image's features [H, W, C], and its gradient, [H, W, C]."""
    evaluate = value_and_gradient(
        lambda maps: {"loss": wasserstein(moments(ops.cast(maps, dtype), region), target)}
    )
    terms, gradient = evaluate(features)
    return terms["loss"], gradient


# --- Moments


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.01)])
@pytest.mark.parametrize("guided", [False, True])
def test_moments_are_mean_and_covariance_over_positions(dtype, tolerance, guided, region):
    region = region if guided else None
    features = some_features(0, 3, 6, 8, 5)
    found = moments(ops.cast(ops.convert_to_tensor(features), dtype), region)
    expected = [expected_moments(maps, region) for maps in features]
    for name, values in zip(("mean", "covariance"), zip(*expected, strict=True), strict=True):
        assert keras.backend.standardize_dtype(found[name].dtype) == "float32"
        value = ops.convert_to_numpy(found[name])
        np.testing.assert_allclose(value, np.stack(values), rtol=tolerance, atol=tolerance)


def test_moments_of_a_region_do_not_know_how_much_it_weighs_nor_what_is_outside(region):
    features = some_features(0, 6, 8, 5)
    region[:, 5:] = 0
    changed = features.copy()
    changed[:, 5:] += 7
    expected = target_of(features, region)
    for found in (target_of(changed, region), target_of(features, region / 50)):
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6)


def test_bfloat16_features_are_averaged_in_float32():
    features = 5 + some_features(0, 1, 250, 250, 3)  # where bfloat16 has steps of 1/32
    found = moments(ops.cast(ops.convert_to_tensor(features), "bfloat16"))
    mean, covariance = expected_moments(features[0])
    np.testing.assert_allclose(ops.convert_to_numpy(found["mean"])[0], mean, atol=0.001)
    found = ops.convert_to_numpy(found["covariance"])[0]
    np.testing.assert_allclose(found, covariance, rtol=0.01, atol=0.01)


# --- The distance


@pytest.mark.parametrize("guided", [False, True])
def test_the_distance_is_that_of_gaussians_averaged_over_images(guided, region):
    region = region if guided else None
    features, painting = some_features(0, 3, 6, 8, 5), some_features(1, 7, 9, 5)
    expected = [expected_distance(maps, painting, region) for maps in features]
    found = wasserstein(moments(ops.convert_to_tensor(features), region), target_of(painting))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert float(ops.convert_to_numpy(found)) == pytest.approx(np.mean(expected), rel=5e-3)


@pytest.mark.parametrize("magnitude", [1e-3, 1e3])
def test_k_times_the_painting_costs_k_minus_1_squared(magnitude):
    painting = magnitude * some_features(1, 7, 9, 5)
    for k in (0.5, 1.5, 3.0):
        distance, _ = distance_and_gradient(k * painting, target_of(painting))
        assert distance == pytest.approx((k - 1) ** 2, rel=5e-3)


def wide_spectrum(seed, shape):
    """Channels of standard deviations from 1 down to 1e-5, mixed: as of trained networks."""
    features = some_features(seed, *shape, mixing=0) * np.geomspace(1, 1e-5, shape[-1])
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(shape[-1],) * 2))[0]
    return (features @ rotation).astype("float32")


@pytest.mark.parametrize(
    "features",
    [some_features(0, 7, 9, 5), wide_spectrum(0, (16, 16, 64)), some_features(0, 2, 3, 32)],
    ids=["full rank", "wide spectrum", "fewer positions than channels"],
)
def test_what_has_the_paintings_moments_costs_nothing_and_stays(features):
    shuffled = np.random.default_rng(0).permutation(features.reshape(-1, features.shape[-1]))
    shuffled = shuffled.reshape(features.shape)
    target = target_of(features)
    distance, gradient = distance_and_gradient(shuffled, target)
    assert distance == pytest.approx(0, abs=1e-4)
    elsewhere = distance_and_gradient(1.2 * shuffled, target)[1]
    assert np.linalg.norm(gradient) < 0.03 * np.linalg.norm(elsewhere)


# --- Its gradient


@pytest.mark.parametrize("guided", [False, True])
def test_the_gradient_is_that_of_finite_differences(guided, region):
    region = region if guided else None
    features, painting = some_features(0, 6, 8, 5), some_features(1, 7, 9, 5)
    _, gradient = distance_and_gradient(features, target_of(painting), region)
    for direction in np.random.default_rng(2).normal(size=(5, *features.shape)):
        ahead, behind = (
            expected_distance(features + step * direction, painting, region)
            for step in (1e-5, -1e-5)
        )
        error = (ahead - behind) / 2e-5 - np.sum(gradient * direction)
        assert abs(error) < 0.01 * np.linalg.norm(gradient)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("shape", "painting"),
    [((1, 1), (1, 1)), ((1, 1), (6, 8)), ((6, 8), (1, 1)), ((2, 3), (2, 3)), ((2, 3), (6, 8))],
)
def test_the_gradient_is_finite_with_fewer_positions_than_channels(shape, painting, dtype):
    target = target_of(some_features(1, *painting, 16))
    distance, gradient = distance_and_gradient(some_features(0, *shape, 16), target, dtype=dtype)
    assert distance > 0
    assert np.isfinite(gradient).all()
    assert gradient.any()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_flat_features_and_a_flat_painting_have_a_distance_and_a_gradient(value):
    flat = np.full((4, 5, 6), value, "float32")
    varied = some_features(0, 4, 5, 6)
    for features, painting in ((flat, varied), (varied, flat), (flat, flat)):
        distance, gradient = distance_and_gradient(features, target_of(painting))
        assert np.isfinite(distance)
        assert np.isfinite(gradient).all()
    assert distance == pytest.approx(0, abs=1e-6)


def test_a_region_without_weight_has_no_gradient():
    nothing = np.zeros((6, 8), "float32")
    target = target_of(some_features(1, 7, 9, 5))
    distance, gradient = distance_and_gradient(some_features(0, 6, 8, 5), target, nothing)
    assert distance == pytest.approx(1, abs=0.1)  # as of no features at all, but for the ridge
    np.testing.assert_array_equal(gradient, np.zeros((6, 8, 5)))


def test_bfloat16_features_have_nearly_the_same_gradient():
    features, target = some_features(0, 16, 16, 8), target_of(some_features(1, 16, 16, 8))
    expected = distance_and_gradient(features, target)[1]
    gradient = distance_and_gradient(features, target, dtype="bfloat16")[1]
    assert np.linalg.norm(gradient - expected) < 0.03 * np.linalg.norm(expected)


def test_following_the_gradient_brings_an_image_nearer_to_a_painting():
    keras.utils.set_random_seed(0)
    criterion = PerceptualCriterion(
        LossNetwork("vgg16", weights=None),
        ["relu2_1"],
        ["relu1_1", "relu2_1"],
        relative_feature_reconstruction,
        moments,
        wasserstein,
    )
    photo, painting = sample_photo()[100:124, 100:132], sample_photo("coffee")[100:140, 100:132]
    targets = criterion.content_targets(photo[None]), criterion.style_targets(painting[None])

    def terms_of(image):
        terms = criterion(image, *targets)
        return {"loss": terms["style"], **terms}

    evaluate = value_and_gradient(terms_of)
    before, gradient = evaluate(photo)
    after, _ = evaluate(photo - 0.01 * gradient / np.abs(gradient).max())
    assert before["content"] == pytest.approx(0, abs=1e-9)
    assert 0 < after["style"] < before["style"]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="would start itself")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_all_of_this_holds_on_other_backends(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "KERAS_BACKEND": backend},
        text=True,
        capture_output=True,
    )
    assert tests.returncode == 0, tests.stdout
    assert " passed" in tests.stdout
