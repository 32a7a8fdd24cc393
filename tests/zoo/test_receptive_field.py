import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import tiling
from zoo.architectures import NETWORKS
from zoo.networks import StyleNetwork
from zoo.receptive_field import receptive_field
from zoo.superres import ARCHITECTURES, SuperResolutionNetwork


def measured(network, factor, side):
    """The largest distance, in input pixels, from which one pixel's output is influenced."""
    keras.utils.set_random_seed(0)
    for weight in network.weights:  # no ReLU is dead, and nothing cancels
        fan_in = max(1, np.prod(weight.shape[:-1]))
        weight.assign(tf.random.uniform(weight.shape, 0.5, 1.5) / fan_in)
    unclipped = keras.Model(network.input, network.get_layer("range").input)
    image, centre = tf.fill((1, side, side, 3), 0.5), side // 2
    with tf.GradientTape() as tape:
        tape.watch(image)
        block = unclipped(image)[0, factor * centre :, factor * centre :][:factor, :factor]
        total = tf.reduce_sum(block)
    gradient = np.abs(tape.gradient(total, image)[0]).sum(-1)
    return np.abs(np.argwhere(gradient) - centre).max()


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("subpixel", 2),
        ("subpixel_hatchless", 8),
        ("staged", 8),
        *[(name, 4) for name in ARCHITECTURES],
    ],
)
def test_it_is_how_far_a_network_for_super_resolution_looks(name, factor):
    network = SuperResolutionNetwork(name, factor, width=0.05)
    radius = receptive_field(network)
    # Bicubic's 5 x 5 is 4 x 4 for each sub-pixel, and stages look less far than whole old pixels.
    spare = 1 if name in ("srcnn", "srcnn955", "staged") else 0
    assert radius - spare <= measured(network, factor, 2 * radius + 9) <= radius


@pytest.mark.parametrize("name", ["quarter", "eighth"])
def test_it_is_how_far_a_network_for_style_looks_its_norms_aside(name, monkeypatch):
    radius = receptive_field(StyleNetwork(**NETWORKS[name], width=0.01))
    monkeypatch.setattr("zoo.networks.InstanceNormalization", keras.layers.Identity)
    network = StyleNetwork(**NETWORKS[name], width=0.01)
    assert radius - 8 <= measured(network, 1, 2 * radius + 9) <= radius  # a stride is 8 at most


@pytest.mark.parametrize("name", NETWORKS)
def test_the_margin_for_style_is_more_than_any_network_looks(name):
    radius = receptive_field(StyleNetwork(**NETWORKS[name], width=0.01))
    assert 0 < radius <= tiling.STYLE_MARGIN


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_for_style_begin_at_whole_strides(name):
    strides = np.prod([stride for _, _, stride in NETWORKS[name].get("stem", [(0, 0, 4)])])
    assert tiling.STYLE_MULTIPLE % strides == 0


def test_a_kind_of_layer_that_is_not_known_is_told():
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, keras.layers.MaxPooling2D(3, 1, "same")(inputs))
    with pytest.raises(ValueError, match="reach of a MaxPooling2D is not known"):
        receptive_field(network)
