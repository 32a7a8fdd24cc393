import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.architectures import NETWORKS
from zoo.enlarging_convolution import EnlargingConv2D
from zoo.layers import NearestUpsampling2D
from zoo.networks import StyleNetwork
from zoo.normalization import shared_statistics
from zoo.sample_photo import sample_photo

TINY = 0.1
# One at least of each kind of stem, block, padding, norms and head.
KINDS = (
    "johnson2016",
    "johnson2016_reflect",
    "quarter",
    "quarter_inverted_latticeless",
    "quarter_inverted_resize",
    "quarter_separable",
    "quarter64_few_norms",
    "eighth",
)


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(0)
    return {name: StyleNetwork(**settings, width=TINY) for name, settings in NETWORKS.items()}


@pytest.fixture(scope="module")
def johnson2016():
    return StyleNetwork(**NETWORKS["johnson2016"])


def convolutions(network):
    return [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]


def test_johnson2016_is_the_table_of_the_paper(johnson2016):
    table = [(layer.filters, layer.kernel_size[0]) for layer in convolutions(johnson2016)]
    blocks = [(128, 3)] * 10
    assert table == [(32, 9), (64, 3), (128, 3), *blocks, (64, 3), (32, 3), (3, 9)]
    strides = [layer.strides[0] for layer in convolutions(johnson2016)]
    assert strides == [1, 2, 2] + [1] * 13
    upsampling = [
        layer.scale for layer in johnson2016.layers if isinstance(layer, NearestUpsampling2D)
    ]
    assert upsampling == [2, 2]
    assert johnson2016.get_layer("pad").padding == 40


def test_johnson2016_has_the_papers_number_of_parameters(johnson2016):
    kernels = 9 * 9 * (3 * 32 + 32 * 3)  # the first and the last convolution
    kernels += 3 * 3 * (32 * 64 + 64 * 128 + 10 * 128 * 128 + 128 * 64 + 64 * 32)
    norms = 2 * (32 + 64 + 128 + 10 * 128 + 64 + 32)
    assert johnson2016.count_params() == kernels + norms + 3


def test_residual_blocks_add_without_a_relu_behind(johnson2016):
    additions = [layer for layer in johnson2016.layers if isinstance(layer, keras.layers.Add)]
    assert len(additions) == 5
    for addition in additions:
        after = {
            type(node.operation).__name__
            for layer in johnson2016.layers
            for node in layer._inbound_nodes
            if addition.output in node.input_tensors
        }
        assert after <= {"Conv2D", "Cropping2D", "NearestUpsampling2D"}
    relus = [layer for layer in johnson2016.layers if isinstance(layer, keras.layers.ReLU)]
    assert len(relus) == 3 + 5 + 2


def test_width_scales_every_hidden_layer_and_leaves_the_picture_alone():
    half = StyleNetwork(**NETWORKS["johnson2016"], width=0.5)
    table = [layer.filters for layer in convolutions(half)]
    assert table == [16, 32, 64, *[64] * 10, 32, 16, 3]
    thinnest = StyleNetwork(**NETWORKS["quarter"], width=0.001)
    assert {layer.filters for layer in convolutions(thinnest)[:-1]} == {1}


@pytest.mark.parametrize(
    ("name", "size"),
    [(name, (17, 23)) for name in NETWORKS]
    + [(name, size) for name in KINDS for size in ((1, 1), (2, 90), (100, 64))],
)
def test_the_output_has_exactly_the_inputs_size_and_range(networks, name, size):
    images = np.random.default_rng(0).uniform(size=(2, *size, 3)).astype(np.float32)
    output = networks[name](images).numpy()
    assert output.shape == images.shape
    assert output.min() >= 0
    assert output.max() <= 1


@pytest.mark.parametrize("name", NETWORKS)
def test_the_picture_is_not_shifted(name, monkeypatch):
    # Without norms, which look everywhere, and with plain averages for kernels.
    monkeypatch.setattr("zoo.networks.InstanceNormalization", keras.layers.Identity)
    network = StyleNetwork(**NETWORKS[name], width=0.01)
    for layer in network.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, EnlargingConv2D)):
            layer.kernel.assign(tf.ones_like(layer.kernel) / np.prod(layer.kernel.shape[:3]))
    image = tf.fill((1, 160, 160, 3), 0.001)  # blocks double it, up to the sigmoid
    with tf.GradientTape() as tape:
        tape.watch(image)
        block = tf.reduce_sum(network(image)[0, 64:72, 88:96, 0])  # no stride is longer
    influence = np.abs(tape.gradient(block, image)[0]).sum(-1)
    rows, columns = np.indices(influence.shape)
    centre = [np.average(where, weights=influence) for where in (rows, columns)]
    np.testing.assert_allclose(centre, (67.5, 91.5), atol=2)  # johnson2016: 1.5, of its 3x3 strides


@pytest.mark.parametrize("name", KINDS)
def test_an_images_output_does_not_depend_on_its_batch(networks, name):
    photo = sample_photo()[:48, :40]
    alone = networks[name](photo[None])[0]
    batch = networks[name](np.stack([photo, 1 - photo, photo[::-1]]))
    np.testing.assert_allclose(batch[0], alone, atol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_network_gives_the_same_pictures(networks, name, tmp_path):
    networks[name].save(tmp_path / "network.keras")
    copy = keras.saving.load_model(tmp_path / "network.keras")
    photo = sample_photo()[None, :40, :50]
    np.testing.assert_array_equal(copy(photo), networks[name](photo))
    assert copy.name == networks[name].name


@pytest.mark.parametrize("name", KINDS)
def test_a_network_saved_in_bfloat16_loads_as_float32_and_back(name, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = StyleNetwork(**NETWORKS[name], width=TINY)
    photo = sample_photo()[None, :40, :50]
    assert network(photo).dtype == tf.float32
    network.save(tmp_path / "network.keras")
    keras.config.set_dtype_policy("float32")
    copy = keras.saving.load_model(tmp_path / "network.keras")
    assert {layer.compute_dtype for layer in copy.layers} == {"float32"}
    assert np.abs(copy(photo) - network(photo)).mean() < 0.03


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_learns(networks, name):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(networks[name](sample_photo()[None, :48, :48])))
    gradients = tape.gradient(loss, networks[name].trainable_weights)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_a_fresh_subpixel_network_draws_no_checkerboard(networks):
    output = networks["quarter"](sample_photo()[None, :64, :64]).numpy()
    blocks = output.reshape(32, 2, 32, 2, 3)
    np.testing.assert_allclose(blocks, np.broadcast_to(blocks[:, :1, :, :1], blocks.shape))


def test_an_upsampling_of_no_known_kind_is_refused():
    with pytest.raises(ValueError, match="upsampling='bilinear': nearest, latticeless or smooth"):
        StyleNetwork(upsampling="bilinear")


@pytest.mark.parametrize("stage", ["1", "2"])
@pytest.mark.parametrize(
    ("name", "layer"),
    [("quarter_inverted_latticeless", "lattice"), ("quarter_inverted_resize", "blur")],
)
def test_features_that_alternate_from_pixel_to_pixel_draw_nothing(name, layer, stage):
    network = StyleNetwork(**NETWORKS[name], width=TINY)
    trunk = network.get_layer(f"head{stage}_{layer}").input
    head = keras.Model(trunk, network.get_layer(f"head{stage}_convolution").output)
    rows, columns = np.indices((32, 32))  # the head may crop
    alternating = ((-1.0) ** rows + (-1.0) ** columns)[None, ..., None] * np.ones(trunk.shape[-1])
    drawn = head(alternating.astype("float32")).numpy()
    assert np.abs(drawn[:, 8:-8, 8:-8]).max() < 1e-5
    once = np.where((rows == 16) & (columns == 16), 1.0, 0.0)[None, ..., None]
    assert np.abs(head((once * np.ones(trunk.shape[-1])).astype("float32"))).max() > 1e-3


def test_a_padding_that_the_blocks_eat_up_is_refused():
    with pytest.raises(ValueError, match="padding=39: 5 blocks eat 40 pixels"):
        StyleNetwork(padding=39)
    assert StyleNetwork(padding=8, residual_blocks=1, width=TINY).count_params() > 0


@pytest.mark.parametrize("size", [(64, 48), (61, 47)])
def test_of_the_border_the_default_head_sees_what_reaches_the_picture(size):
    settings = NETWORKS["quarter_inverted_latticeless"]
    network = StyleNetwork(**settings, width=TINY)
    whole = StyleNetwork(**{**settings, "head_padding": None}, width=TINY)
    whole.set_weights(network.get_weights())
    photo = sample_photo()[None, : size[0], : size[1]]
    with shared_statistics():  # or those of the head's norms differ with what it sees
        pictures = [each(photo) for each in (whole, network)]
    np.testing.assert_allclose(*pictures, atol=1e-5)


@pytest.mark.parametrize(
    "cut",
    [{"head_padding": 16, "trunk_padding": "same"}, {"trunk_padding": "valid"}],
)
def test_skips_past_a_border_that_is_cut_are_refused(cut):
    with pytest.raises(ValueError, match="skips need the whole border"):
        StyleNetwork(padding=48, skips=True, **cut)


@pytest.mark.parametrize("head_padding", [41, 38, 52])
def test_a_head_padding_that_cannot_be_cut_is_refused(head_padding):
    with pytest.raises(ValueError, match=f"head_padding={head_padding}: not 48 or less by a mult"):
        StyleNetwork(padding=48, head_padding=head_padding, residual_blocks=0)
