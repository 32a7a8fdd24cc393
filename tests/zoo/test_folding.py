import numpy as np
import pytest

from zoo.architectures import NETWORKS
from zoo.folding import folded, with_styles
from zoo.networks import StyleNetwork
from zoo.normalization import ConditionalInstanceNormalization

STYLES = 4  # three paintings and the photo


@pytest.fixture(scope="module")
def network():
    """Of styles that are unlike each other."""
    rng = np.random.default_rng(0)
    network = StyleNetwork(**NETWORKS["quarter64"], width=0.25, styles=STYLES)
    for layer in network.layers:
        if isinstance(layer, ConditionalInstanceNormalization):
            layer.set_weights([rng.normal(1, 0.5, weight.shape) for weight in layer.get_weights()])
    return network


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(1).uniform(size=(3, 21, 30, 3)).astype(np.float32)


@pytest.mark.parametrize("style_weights", [(1, 0, 0, 0), (0, 0, 1, 0), (0.25, 0.75, 0, 0)])
def test_the_single_style_does_what_the_network_of_many_does(network, photos, style_weights):
    rows = np.tile(np.float32(style_weights), (len(photos), 1))
    expected = network([photos, rows], training=False)
    single = folded(network, style_weights)
    assert single.styles is None
    np.testing.assert_allclose(single(photos, training=False), expected, atol=1e-5)


def test_no_single_style_has_a_share_of_the_photo(network):
    with pytest.raises(ValueError, match="photo"):
        folded(network, [0.5, 0, 0, 0.5])


def test_styles_differ_and_each_image_of_a_batch_has_its_own(network, photos):
    photo = np.repeat(photos[:1], STYLES, axis=0)
    pictures = np.array(network([photo, np.eye(STYLES, dtype=np.float32)], training=False))
    for i in range(STYLES):
        alone = network([photos[:1], np.eye(STYLES, dtype=np.float32)[i : i + 1]], training=False)
        np.testing.assert_allclose(pictures[i], alone[0], atol=1e-5)
        for j in range(i):
            assert np.abs(pictures[i] - pictures[j]).mean() > 0.01


def test_the_photos_share_brings_in_the_photo(network, photos):
    rows = np.eye(STYLES, dtype=np.float32)[-1:]
    for layer in network.layers:  # so that the trunk adds nothing
        if layer.name == "output":
            kernel, bias = layer.get_weights()
            layer.set_weights([0 * kernel, 0 * bias])
    picture = np.array(network([photos[:1], rows], training=False))
    np.testing.assert_allclose(picture, np.clip(photos[:1], 1 / 255, 254 / 255), atol=1e-5)


def test_of_one_style_many_are_made_that_are_all_that_one(network, photos):
    single = folded(network, (0, 1, 0, 0))
    many = with_styles(single, 3)
    rows = np.float32([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]])
    np.testing.assert_allclose(
        many([photos, rows], training=False), single(photos, training=False), atol=1e-5
    )


def test_of_many_styles_the_paintings_mean_is_made(network, photos):
    expected = folded(network, (1 / 3, 1 / 3, 1 / 3, 0))(photos, training=False)
    np.testing.assert_allclose(
        with_styles(network, None)(photos, training=False), expected, atol=1e-6
    )
    assert with_styles(network, STYLES) is network
    with pytest.raises(ValueError, match="4 styles are not 3"):
        with_styles(network, 3)
