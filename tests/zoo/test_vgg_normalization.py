import os

import keras
import numpy as np
import pytest
import skimage.data

from zoo.vgg import POOLINGS, LossNetwork
from zoo.vgg_normalization import mean_activations, rescaled

DEAD = ("relu2_1", 5)  # a layer and its filter that no photo makes active


@pytest.fixture(scope="module")
def photos():
    """Two of unlike size and content, float32 in [0, 1]."""
    cat, cup = skimage.data.chelsea()[100:140, 100:132], skimage.data.coffee()[200:232, 300:396]
    return [photo.astype(np.float32) / 255 for photo in (cat, cup)]


@pytest.fixture(scope="module")
def weights():
    """Random ones of a VGG-16: all filters are active somewhere, but for the dead one."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    network = LossNetwork("vgg16", weights=None)
    arrays = network.features(network.layers).get_weights()
    arrays[0::2] = [kernel - kernel.mean(axis=(0, 1, 2)) for kernel in arrays[0::2]]
    arrays[1::2] = [rng.uniform(0.5, 2, bias.shape).astype(np.float32) for bias in arrays[1::2]]
    layer, channel = DEAD
    position = 2 * network.layers.index(layer)
    arrays[position][..., channel] = 0
    arrays[position + 1][channel] = -1
    return arrays


def with_weights(weights, pooling):
    network = LossNetwork("vgg16", weights=None, pooling=pooling)
    network.features(network.layers).set_weights(weights)
    return network


def activations(network, photo):
    features = network.features(network.layers)(photo[None])
    return {layer: np.array(features[layer]) for layer in network.layers}


@pytest.fixture(scope="module", params=POOLINGS)
def pooling(request):
    return request.param


@pytest.fixture(scope="module")
def original(weights, pooling):
    return with_weights(weights, pooling)


@pytest.fixture(scope="module")
def means(original, photos):
    return mean_activations(original, photos)


@pytest.fixture(scope="module")
def normalized(weights, means, pooling):
    return with_weights(rescaled(weights, means.values()), pooling)


def test_means_are_over_positions_of_all_photos_alike(original, photos, means):
    assert tuple(means) == original.layers
    of_photos = [activations(original, photo) for photo in photos]
    for layer, mean in means.items():
        maps = [features[layer] for features in of_photos]
        positions = np.concatenate([m.reshape(-1, m.shape[-1]) for m in maps])
        assert mean.dtype == np.float64
        np.testing.assert_allclose(mean, positions.astype(np.float64).mean(axis=0), rtol=1e-6)


def test_every_filter_of_the_normalised_network_has_mean_1_but_the_dead_one(normalized, photos):
    layer, channel = DEAD
    for name, mean in mean_activations(normalized, photos).items():
        expected = np.ones(mean.shape)
        if name == layer:
            expected[channel] = 0
        np.testing.assert_allclose(mean, expected, atol=1e-4)


def test_normalised_activations_are_the_original_ones_over_their_means(
    original, normalized, photos, means
):
    for photo in photos:
        before, after = activations(original, photo), activations(normalized, photo)
        for name, mean in means.items():
            np.testing.assert_allclose(
                after[name] * mean, before[name], rtol=1e-4, atol=1e-4 * mean.mean()
            )


def test_rescaling_changes_no_activation_at_all_where_floats_are_exact(
    original, weights, pooling, photos
):
    # Powers of two scale floats without rounding: values and their signs must be the very same.
    rng = np.random.default_rng(1)
    factors = [2.0 ** rng.integers(-6, 7, bias.shape) for bias in weights[1::2]]
    changed = activations(with_weights(rescaled(weights, factors), pooling), photos[0])
    before = activations(original, photos[0])
    for layer, factor in zip(original.layers, factors, strict=True):
        np.testing.assert_array_equal(changed[layer] * factor, before[layer])
        assert 0 < np.count_nonzero(before[layer]) < before[layer].size


def test_a_filter_that_is_never_active_keeps_its_scale(weights, means, original):
    layer, channel = DEAD
    position = 2 * original.layers.index(layer)
    after = rescaled(weights, means.values())
    assert means[layer][channel] == 0
    assert after[position + 1][channel] == weights[position + 1][channel] == -1
    taken_in, as_before = (arrays[position + 2][:, :, channel] for arrays in (after, weights))
    np.testing.assert_allclose(taken_in, as_before / means["relu2_2"], rtol=1e-6)


def test_rescaled_weights_keep_shapes_and_dtypes(weights):
    after = rescaled(weights, [np.full(bias.shape, 3.0) for bias in weights[1::2]])
    assert [(a.shape, a.dtype) for a in after] == [(w.shape, w.dtype) for w in weights]


def test_trained_vgg19_is_the_same_network_with_every_mean_1(photos):
    if "ZOO_VGG19_WEIGHTS" not in os.environ:
        pytest.skip("needs trained weights: set ZOO_VGG19_WEIGHTS")
    original = LossNetwork("vgg19", os.environ["ZOO_VGG19_WEIGHTS"], "caffe", "average")
    before = activations(original, photos[1])
    means = mean_activations(original, photos)
    model = original.features(original.layers)
    model.set_weights(rescaled(model.get_weights(), means.values()))
    for layer, mean in mean_activations(original, photos).items():
        np.testing.assert_allclose(mean, means[layer] > 0, atol=1e-3)
    for layer, maps in activations(original, photos[1]).items():
        scale = means[layer].mean()
        np.testing.assert_allclose(maps * means[layer], before[layer], rtol=1e-3, atol=1e-4 * scale)
