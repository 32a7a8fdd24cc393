import os
import re

import keras
import numpy as np
import pytest

from zoo.errors import UserError
from zoo.sample_photo import sample_photo
from zoo.vgg import LossNetwork, VGGPreprocessing

VGG16 = [
    f"relu{block}_{i}"
    for block, depth in enumerate((2, 2, 3, 3, 3), 1)
    for i in range(1, depth + 1)
]
VGG19 = [
    f"relu{block}_{i}"
    for block, depth in enumerate((2, 2, 4, 4, 4), 1)
    for i in range(1, depth + 1)
]


@pytest.fixture(scope="module")
def vgg16():
    keras.utils.set_random_seed(0)
    return LossNetwork("vgg16", weights=None, preprocessing="torch")


@pytest.fixture(scope="module")
def trained():
    """Loads the weights that a variable of the environment names."""

    def load(architecture, preprocessing):
        variable = f"ZOO_{architecture.upper()}_WEIGHTS"
        if variable not in os.environ:
            pytest.skip(f"needs trained weights: set {variable}")
        return LossNetwork(architecture, os.environ[variable], preprocessing)

    return load


def convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def test_layers_have_the_papers_names(vgg16):
    assert list(vgg16.layers) == VGG16
    assert list(LossNetwork("vgg19", weights=None).layers) == VGG19
    assert (len(VGG16), len(VGG19)) == (13, 16)


def test_torch_preprocessing_is_torchvisions():
    pixel = VGGPreprocessing("torch")(np.array([[[[0.0, 0.5, 1.0]]]], np.float32))
    expected = [(0 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(np.ravel(pixel), expected, rtol=1e-5)


def test_caffe_preprocessing_is_oxfords():
    pixel = VGGPreprocessing("caffe")(np.array([[[[0.0, 0.5, 1.0]]]], np.float32))
    blue_green_red = [255 - 103.939, 127.5 - 116.779, 0 - 123.68]
    np.testing.assert_allclose(np.ravel(pixel), blue_green_red, rtol=1e-5)


def test_preprocessing_stays_float32_under_mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    # A level of 8 bits, which bfloat16 would round away.
    levels = VGGPreprocessing("caffe")(np.full((1, 1, 1, 3), 254 / 255, np.float32))
    np.testing.assert_allclose(np.ravel(levels), [150.061, 137.221, 130.32], rtol=1e-5)


def test_preprocessing_comes_back_from_its_configuration():
    copy = keras.layers.deserialize(keras.layers.serialize(VGGPreprocessing("torch")))
    assert copy.mode == "torch"


@pytest.mark.parametrize(
    ("layers", "depth"), [(["relu1_2"], 2), (["relu2_2"], 4), (["relu4_3", "relu1_1"], 10)]
)
def test_features_are_computed_no_deeper_than_needed(vgg16, layers, depth):
    model = vgg16.features(layers)
    assert len(convolutions(model)) == depth
    assert set(model(np.zeros((1, 32, 32, 3), np.float32))) == set(layers)


def test_features_are_those_after_the_relu_and_before_the_pooling(vgg16):
    features = vgg16.features(["relu1_2", "relu2_1"])(sample_photo()[None, :64, :48])
    assert features["relu1_2"].shape == (1, 64, 48, 64)
    assert features["relu2_1"].shape == (1, 32, 24, 128)
    for maps in features.values():
        assert np.min(maps) == 0
        assert np.max(maps) > 0


def test_features_can_be_those_before_the_relu(vgg16):
    photo = sample_photo()[None, :32, :32]
    features = vgg16.features(["conv2_2", "relu2_2"])(photo)
    before, after = np.array(features["conv2_2"]), np.array(features["relu2_2"])
    assert before.min() < 0
    np.testing.assert_array_equal(np.maximum(before, 0), after)
    assert len(convolutions(vgg16.features(["conv2_2"]))) == 4
    assert vgg16.smallest_side(["conv2_2"]) == 2
    assert vgg16.features_per_pixel(["conv2_2"]) == vgg16.features_per_pixel(["relu2_2"])


def test_features_have_the_policys_compute_dtype():
    keras.config.set_dtype_policy("mixed_bfloat16")
    features = LossNetwork("vgg16", weights=None).features(["relu1_1"])
    assert features(np.zeros((1, 8, 8, 3), np.float32))["relu1_1"].dtype == "bfloat16"


def test_average_pooling_halves_by_means_between_the_same_convolutions(vgg16):
    average = LossNetwork("vgg16", weights=None, preprocessing="torch", pooling="average")
    assert average.layers == vgg16.layers
    model = average.features(["relu1_2", "relu2_1"])
    model.set_weights(vgg16.features(["relu1_2", "relu2_1"]).get_weights())
    features = {k: np.array(v) for k, v in model(sample_photo()[None, :33, :48]).items()}
    before, after = features["relu1_2"][0], features["relu2_1"][0]
    assert after.shape == (16, 24, 128)  # an odd last row is dropped, as by max pooling
    pooled = before[:32].reshape(16, 2, 24, 2, 64).mean(axis=(1, 3))
    kernel, bias = model.get_weights()[-2:]
    middle = sum(pooled[5 + y - 1, 7 + x - 1] @ kernel[y, x] for y in range(3) for x in range(3))
    np.testing.assert_allclose(after[5, 7], np.maximum(middle + bias, 0), rtol=1e-4, atol=1e-6)


def test_the_smallest_side_is_the_first_at_which_the_features_have_pixels(vgg16):
    assert vgg16.smallest_side([]) == vgg16.smallest_side(["relu1_2"]) == 1
    for layers, side in ((["relu2_1"], 2), (["relu4_3", "relu1_1"], 8), (["relu5_1"], 16)):
        assert vgg16.smallest_side(layers) == side
        model = vgg16.features(layers)
        assert all(0 not in maps.shape for maps in model(np.zeros((1, side, side, 3))).values())
        with pytest.raises(ValueError, match="output size would be zero"):
            model.compute_output_spec(keras.KerasTensor((1, side - 1, side, 3)))
    with pytest.raises(UserError, match="vgg16 has no layer 'relu6_1'"):
        vgg16.smallest_side(["relu6_1"])


@pytest.mark.parametrize("deepest", [[], ["relu1_1"], ["relu4_3", "relu1_2"], ["relu5_3"]])
def test_features_per_pixel_are_those_of_every_convolution_on_the_way(vgg16, deepest):
    way = vgg16.layers[: max((vgg16.layers.index(layer) + 1 for layer in deepest), default=0)]
    maps = vgg16.features(way)(np.zeros((1, 32, 48, 3), np.float32)) if way else {}
    assert vgg16.features_per_pixel(deepest) == sum(np.size(m) for m in maps.values()) / (32 * 48)


def test_features_per_pixel_refuse_an_unknown_layer(vgg16):
    with pytest.raises(UserError, match="vgg16 has no layer 'relu6_1'"):
        vgg16.features_per_pixel(["relu1_1", "relu6_1"])


def test_the_loss_network_is_frozen(vgg16):
    model = vgg16.features(["relu2_2"])
    assert model.trainable_weights == []
    assert len(model.weights) == 8


def test_an_unknown_layer_is_refused_with_the_choices(vgg16):
    with pytest.raises(UserError, match=r"vgg16 has no layer 'relu9_1'; it has relu1_1, .*relu5_3"):
        vgg16.features(["relu1_1", "relu9_1"])
    with pytest.raises(UserError, match="relu3_4"):
        vgg16.features(["relu3_4"])  # only VGG-19 has it


def test_an_unknown_preprocessing_is_refused_with_the_choices():
    with pytest.raises(UserError, match="'tf': caffe or torch"):
        LossNetwork("vgg16", weights=None, preprocessing="tf")


def test_an_unknown_pooling_is_refused_with_the_choices():
    with pytest.raises(UserError, match="'median': max or average"):
        LossNetwork("vgg16", weights=None, pooling="median")


def test_a_weight_file_that_cannot_be_used_is_refused_by_name(tmp_path):
    other = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    other.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "text.weights.h5").write_text("no weights")
    vgg19 = keras.applications.VGG19(include_top=False, weights=None)
    vgg19.save_weights(tmp_path / "vgg19.weights.h5")
    for name in ("missing.weights.h5", "text.weights.h5", "other.weights.h5", "vgg19.weights.h5"):
        path = str(tmp_path / name)
        with pytest.raises(UserError, match=re.escape(f"cannot load vgg16 weights '{path}'")):
            LossNetwork("vgg16", path)


def test_trained_vgg16_sees_a_photo_in_a_sane_range(trained):
    features = trained("vgg16", "torch").features(["relu1_2", "relu2_2", "relu3_3", "relu4_3"])
    for maps in features(sample_photo()[None]).values():
        assert 0.05 < np.mean(maps) < 5
        assert 0.1 < np.mean(np.array(maps) > 0) < 0.9


def test_trained_vgg19_sees_a_photo_in_the_range_of_0_to_255(trained):
    features = trained("vgg19", "caffe").features(["relu1_1", "relu2_1", "relu3_1", "relu4_1"])
    for maps in features(sample_photo()[None]).values():
        assert 5 < np.mean(maps) < 500
        assert 0.1 < np.mean(np.array(maps) > 0) < 0.9


def test_preprocessings_give_different_features(trained):
    photo = sample_photo()[None, :96, :96]
    torch, caffe = (
        trained("vgg16", mode).features(["relu2_2"])(photo)["relu2_2"]
        for mode in ("torch", "caffe")
    )
    assert np.abs(torch - caffe).mean() > np.mean(torch)
