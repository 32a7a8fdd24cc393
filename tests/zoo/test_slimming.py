import numpy as np
import pytest

from zoo.architectures import NETWORKS
from zoo.networks import StyleNetwork
from zoo.slimming import slimmed

PHOTOS = np.random.default_rng(0).uniform(size=(3, 40, 48, 3)).astype(np.float32)


def random_network(**config):
    network = StyleNetwork(**config)
    generator = np.random.default_rng(1)
    for layer in network.layers:
        if layer.name.endswith("_norm"):  # as training leaves them: each its own
            layer.set_weights([generator.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return network


def silence(network, share, seed=2):
    """Take what a share of the channels give, the same of all layers of a width, to 0."""
    generator = np.random.default_rng(seed)
    silent = {}
    for layer in network.layers:
        # Of a norm, or of a convolution with none behind it, what is added last.
        if layer.name.endswith("_norm") or (
            getattr(layer, "use_bias", False) and layer.name != "output"
        ):
            weights = layer.get_weights()
            count = weights[0].shape[-1]
            if count not in silent:
                silent[count] = generator.permutation(count)[: round(share * count)]
            for parameter in weights:
                parameter[..., silent[count]] = 0
            layer.set_weights(weights)


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_that_give_nothing_are_what_is_taken_out(name):
    network = random_network(**NETWORKS[name])
    silence(network, 0.5)
    slim = slimmed(network, 0.5, PHOTOS)
    assert slim.count_params() < 0.4 * network.count_params()
    np.testing.assert_allclose(slim(PHOTOS), network(PHOTOS), atol=1e-4)


def test_of_many_styles_each_counts():
    network = random_network(**NETWORKS["quarter_inverted_resize"], styles=3)
    silence(network, 0.25)
    slim = slimmed(network, 0.75, PHOTOS)
    for weights in np.eye(3, dtype=np.float32):
        inputs = [PHOTOS[:1], weights[None]]
        np.testing.assert_allclose(slim(inputs), network(inputs), atol=1e-4)


def test_what_counts_more_stays():
    network = random_network(stem=((8, 3, 1),), residual_blocks=0, head=(), padding=0)
    norm = network.get_layer("stem1_norm")
    strengths = np.array([3, 1, 8, 5, 2, 7, 4, 6], np.float32)
    norm.set_weights([strengths, np.zeros(8, np.float32)])
    kernel, bias = network.get_layer("output").get_weights()
    network.get_layer("output").set_weights([np.ones_like(kernel), bias])
    slim = slimmed(network, 0.5, PHOTOS)
    assert slim.get_layer("stem1_norm").get_weights()[0].tolist() == [8, 5, 7, 6]


def test_of_the_same_width_it_is_the_same():
    network = random_network(**NETWORKS["quarter"])
    slim = slimmed(network, 1.0, PHOTOS)
    for mine, its in zip(slim.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
