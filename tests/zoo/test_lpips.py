import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import UserError
from zoo.lpips import CHANNELS, LAYERS, LPIPS
from zoo.sample_photo import sample_photo
from zoo.vgg import LossNetwork, VGGPreprocessing

PHOTO = sample_photo()[None, 40:136, 80:208]
HEADS = [np.random.default_rng(c).uniform(0, 1, (1, 1, c, 1)) for c in CHANNELS]


def noisy(images, strength):
    noise = np.random.default_rng(0).normal(size=images.shape)
    return (images + strength * noise).clip(0, 1).astype(np.float32)


@pytest.fixture
def write_heads(tmp_path):
    def write(heads=HEADS):
        np.savez(tmp_path / "heads.npz", **{f"lin{i}/kernel": h for i, h in enumerate(heads)})
        return tmp_path / "heads.npz"

    return write


@pytest.fixture(scope="module")
def vgg16():
    keras.utils.set_random_seed(0)
    return LossNetwork("vgg16", weights=None, preprocessing="torch")


@pytest.fixture(scope="module")
def trained():
    for variable in ("ZOO_VGG16_WEIGHTS", "ZOO_LPIPS_HEADS"):
        if variable not in os.environ:
            pytest.skip(f"needs trained weights: set {variable}")
    network = LossNetwork("vgg16", os.environ["ZOO_VGG16_WEIGHTS"], "torch")
    return LPIPS(network, os.environ["ZOO_LPIPS_HEADS"])


def test_the_packages_own_scaling_is_torchvisions_preprocessing():
    images = np.random.default_rng(0).uniform(size=(1, 4, 5, 3)).astype(np.float32)
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    scaled = ((2 * images - 1) - shift) / scale
    np.testing.assert_allclose(VGGPreprocessing("torch")(images), scaled, atol=1e-5)


def test_it_is_zhangs_formula(vgg16, write_heads):
    images = np.concatenate([PHOTO, PHOTO[:, ::-1]])
    others = noisy(images, 0.1)
    expected = np.zeros(2)
    ours, theirs = (vgg16.features(LAYERS)(batch) for batch in (images, others))
    for layer, head in zip(LAYERS, HEADS, strict=True):
        a, b = (np.array(features[layer], np.float64) for features in (ours, theirs))
        a /= np.linalg.norm(a, axis=-1, keepdims=True) + 1e-10
        b /= np.linalg.norm(b, axis=-1, keepdims=True) + 1e-10
        expected += ((a - b) ** 2 @ head.reshape(-1)).mean(axis=(1, 2))
    distances = LPIPS(vgg16, write_heads())(images, others)
    assert (distances.shape, distances.dtype) == ((2,), tf.float32)
    np.testing.assert_allclose(distances, expected, rtol=1e-4)
    assert expected.min() > 0


def test_where_there_are_no_features_the_distance_and_its_gradient_are_finite(write_heads):
    network = LossNetwork("vgg16", weights=None, preprocessing="torch")
    model = network.features(LAYERS)
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    distance = LPIPS(network, write_heads())
    images = tf.constant(PHOTO)
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = distance(images, 1 - images)
    assert np.array(value) == [0]
    assert np.isfinite(tape.gradient(value, images)).all()


def test_it_runs_inside_a_graph_of_unknown_size(vgg16, write_heads):
    distance = LPIPS(vgg16, write_heads())
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    traced = tf.function(distance, input_signature=[spec, spec])
    other = noisy(PHOTO, 0.1)
    np.testing.assert_allclose(traced(PHOTO, other), distance(PHOTO, other), rtol=1e-4)


def test_heads_that_are_not_vgg16s_are_refused(vgg16, write_heads, tmp_path):
    with pytest.raises(UserError, match="do not fit VGG-16"):
        LPIPS(vgg16, write_heads([np.ones((1, 1, c, 1)) for c in (64, 192, 384, 256, 256)]))
    (tmp_path / "text.npz").write_text("no archive")
    for path in (write_heads(HEADS[:4]), tmp_path / "text.npz", tmp_path / "missing.npz"):
        with pytest.raises(UserError, match=rf"cannot read LPIPS heads from {path}"):
            LPIPS(vgg16, path)


def test_images_that_cannot_be_compared_are_refused(vgg16, write_heads):
    distance = LPIPS(vgg16, write_heads())
    with pytest.raises(UserError, match="differ in size"):
        distance(PHOTO, PHOTO[:, :-1])
    with pytest.raises(UserError, match="needs sides of 16 pixels"):
        distance(PHOTO[:, :15], PHOTO[:, :15])
    assert distance(PHOTO[:, :16, :16], PHOTO[:, :16, :16]) == 0


def test_equal_images_have_no_distance(trained):
    assert trained(PHOTO, PHOTO) == 0


def test_the_distance_grows_with_noise(trained):
    strengths = (0.01, 0.03, 0.1, 0.3)
    distances = [float(trained(noisy(PHOTO, strength), PHOTO)[0]) for strength in strengths]
    assert distances == sorted(distances)
    assert 0 < distances[0] < 0.1
    assert 0.5 < distances[-1] < 1.5


def test_blur_is_farther_than_brightness_of_the_same_error(trained):
    blurred = np.mean([np.roll(PHOTO, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)], 0)
    offset = np.sqrt(np.mean((blurred - PHOTO) ** 2))
    brighter = (PHOTO + offset).clip(0, 1)
    assert trained(blurred, PHOTO) > 2 * trained(brighter, PHOTO)
