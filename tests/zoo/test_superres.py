import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.bicubic import rescale
from zoo.sample_photo import sample_photo
from zoo.superres import ARCHITECTURES, SuperResolutionNetwork, as_far_as_alike

TINY = 0.1
FACTORS = (2, 4, 8)


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(0)
    return {name: SuperResolutionNetwork(name, 4, TINY) for name in ARCHITECTURES}


def table(network):
    """(filters, kernel) of each convolution."""
    found = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    return [(layer.filters, layer.kernel_size[0]) for layer in found]


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_output_is_exactly_factor_times_the_input(name, factor):
    network = SuperResolutionNetwork(name, factor, TINY)
    for size in ((1, 1), (1, 6), (7, 5), (16, 18)):
        images = np.random.default_rng(0).uniform(size=(2, *size, 3)).astype(np.float32)
        output = network(images).numpy()
        assert output.shape == (2, factor * size[0], factor * size[1], 3)
        assert output.dtype == np.float32
        assert output.min() >= 0
        assert output.max() <= 1


@pytest.mark.parametrize("name", ["subpixel", "srcnn"])
def test_what_goes_over_bicubic_takes_factor_3(name):
    network = SuperResolutionNetwork(name, 3, TINY)
    assert network(np.zeros((1, 4, 5, 3), np.float32)).shape == (1, 12, 15, 3)


def test_johnson2016_sr_cannot_triple():
    with pytest.raises(ValueError, match="factor 3 is no power of two"):
        SuperResolutionNetwork("johnson2016_sr", 3)


@pytest.mark.parametrize("factor", [1, 3, 16])
def test_staged_tells_the_factors_that_it_has_stages_for(factor):
    with pytest.raises(ValueError, match=f"factor {factor} is none of 2, 4, 8"):
        SuperResolutionNetwork("staged", factor)


@pytest.mark.parametrize("factor", FACTORS)
def test_johnson2016_sr_is_the_table_of_the_paper(factor):
    network = SuperResolutionNetwork("johnson2016_sr", factor)
    doublings = {2: 1, 4: 2, 8: 3}[factor]
    assert table(network) == [(64, 9), *[(64, 3)] * 8, *[(64, 3)] * doublings, (3, 9)]
    kernels = 9 * 9 * (3 * 64 + 64 * 3) + 3 * 3 * 64 * 64 * (8 + doublings)
    norms = 4 * 64 * (9 + doublings)  # scale, offset, mean and variance
    assert network.count_params() == kernels + norms + 3
    counts = dict.fromkeys(("BatchNormalization", "ReLU", "UpSampling2D", "Add"), 0)
    for layer in network.layers:
        if type(layer).__name__ in counts:
            counts[type(layer).__name__] += 1
    blocks = 4
    assert counts == {
        "BatchNormalization": 1 + 2 * blocks + doublings,
        "ReLU": 1 + blocks + doublings,
        "UpSampling2D": doublings,
        "Add": blocks,
    }


def test_srcnn_is_the_papers():
    assert table(SuperResolutionNetwork("srcnn", 4)) == [(64, 9), (32, 1), (3, 5)]
    assert table(SuperResolutionNetwork("srcnn955", 4)) == [(64, 9), (32, 5), (3, 5)]


def test_without_hatching_a_plain_area_has_no_details(networks):
    # Whatever the weights, in which "subpixel" draws a pattern.
    image = np.full((1, 50, 50, 3), 0.4, np.float32)
    middle = (0, slice(80, 120), slice(80, 120))  # behind the borders' reach
    enlarged = {}
    for name in ("subpixel", "subpixel_hatchless", "staged"):
        keras.utils.set_random_seed(0)
        network = SuperResolutionNetwork(name, 4, TINY)
        rng = np.random.default_rng(0)
        network.set_weights([rng.normal(0, 0.3, w.shape) for w in network.get_weights()])
        enlarged[name] = network(image, training=True).numpy()[middle]
    assert np.abs(enlarged["subpixel"] - 0.4).max() > 1
    np.testing.assert_allclose(enlarged["subpixel_hatchless"], 0.4, atol=0.01)
    np.testing.assert_allclose(enlarged["staged"], 0.4, atol=0.01)


@pytest.mark.parametrize("name", ["srcnn", "srcnn955"])
def test_srcnn_begins_as_bicubic(name):
    photo = sample_photo()[:12, :15]
    enlarged = SuperResolutionNetwork(name, 4, TINY)(photo[None])[0]
    np.testing.assert_allclose(enlarged, rescale(photo, 4), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "factor"), [("subpixel_hatchless", 8), ("staged", 8), ("staged", 2)]
)
def test_a_network_begins_with_the_layers_that_it_shares_with_another(networks, name, factor):
    known = networks["subpixel"]
    network = as_far_as_alike(known, {"architecture": name, "factor": factor, "width": TINY})
    for layer in known.layers:
        if layer.weights and layer.name != "output":
            shared = network.get_layer(layer.name).get_weights()
            np.testing.assert_array_equal(shared[0], layer.get_weights()[0], layer.name)
    assert network.config == {"architecture": name, "factor": factor, "width": TINY}


def test_networks_of_other_widths_or_layers_share_none(networks):
    with pytest.raises(ValueError, match="shape"):
        as_far_as_alike(networks["subpixel"], {**networks["staged"].config, "width": 0.2})
    with pytest.raises(ValueError, match="no layer"):
        as_far_as_alike(networks["srcnn"], networks["staged"].config)


@pytest.mark.parametrize("factor", FACTORS)
def test_ours_has_less_than_a_million_parameters(factor):
    for name in ("subpixel", "staged"):
        assert SuperResolutionNetwork(name, factor).count_params() < 1_000_000


@pytest.mark.parametrize("factor", FACTORS)
def test_ours_begins_near_bicubic_and_without_a_checkerboard(factor):
    keras.utils.set_random_seed(0)
    network = SuperResolutionNetwork("subpixel", factor)
    photo = sample_photo()[:24, :30]
    details = network(photo[None], training=True).numpy()[0] - network.get_layer("bicubic")(
        photo[None]
    )
    blocks = np.reshape(details, (24, factor, 30, factor, 3))
    np.testing.assert_allclose(blocks, np.broadcast_to(blocks[:, :1, :, :1], blocks.shape), 0, 1e-6)
    assert np.abs(details).max() > 1e-3
    np.testing.assert_allclose(network(photo[None])[0], rescale(photo, factor), atol=0.2)


@pytest.mark.parametrize("name", ["subpixel", "srcnn"])
def test_training_sees_what_lies_outside_of_the_range(name):
    network = SuperResolutionNetwork(name, 2, TINY)
    output = network.get_layer("output" if name == "subpixel" else "reconstruction")
    output.bias.assign(tf.fill(output.bias.shape, 3.0))
    photo = sample_photo()[None, :8, :8]
    assert network(photo, training=True).numpy().min() > 1
    assert network(photo).numpy().max() == 1


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_picture_is_not_shifted(networks, name):
    # What flips does to the output, flipped kernels do as well.
    network = networks[name]
    image = tf.constant(np.random.default_rng(0).uniform(size=(1, 24, 24, 3)), tf.float32)
    copy = SuperResolutionNetwork(name, 4, TINY)
    copy.set_weights(network.get_weights())
    for layer in copy.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(layer.kernel[::-1, ::-1])
    if name == "subpixel":  # sub-pixels of one old pixel turn about with it
        layer = copy.get_layer("output")
        kernel = np.reshape(layer.kernel, (3, 3, -1, 4, 4, 3))[:, :, :, ::-1, ::-1]
        layer.kernel.assign(kernel.reshape(layer.kernel.shape))
    turned = copy(image[:, ::-1, ::-1])[:, ::-1, ::-1]
    np.testing.assert_allclose(turned, network(image), atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_images_output_does_not_depend_on_its_batch(networks, name):
    photo = sample_photo()[:20, :18]
    alone = networks[name](photo[None])[0]
    batch = networks[name](np.stack([photo, 1 - photo, photo[::-1]]))
    np.testing.assert_allclose(batch[0], alone, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_saved_in_bfloat16_loads_as_float32_and_back(name, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = SuperResolutionNetwork(name, 2, TINY)
    photo = sample_photo()[None, :20, :18]
    assert network(photo).dtype == tf.float32
    network.save(tmp_path / "network.keras")
    keras.config.set_dtype_policy("float32")
    copy = keras.saving.load_model(tmp_path / "network.keras")
    assert {layer.compute_dtype for layer in copy.layers} == {"float32"}
    assert copy.config == network.config
    np.testing.assert_allclose(copy(photo), network(photo), atol=0.05)
    for now, then in zip(copy.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_weight_learns(networks, name):
    with tf.GradientTape() as tape:
        output = networks[name](sample_photo()[None, :24, :24], training=True)
        loss = tf.reduce_mean(tf.square(output - 0.2))
    gradients = tape.gradient(loss, networks[name].trainable_weights)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)
