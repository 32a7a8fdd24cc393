import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from zoo.architectures import NETWORKS
from zoo.errors import UserError
from zoo.networks import StyleNetwork
from zoo.superres import SuperResolutionNetwork
from zoo.tflite import operators
from zoo.tflite.convert import convert
from zoo.tflite.lowering import smallest_side

STYLES = [
    "johnson2016",
    "johnson2016_reflect",
    "quarter64",
    "quarter_inverted_latticeless",
    "quarter_inverted_resize",
]
SUPER_RESOLUTION = [("subpixel", 3), ("staged", 4), ("johnson2016_sr", 2), ("srcnn", 2)]


def network(name):
    keras.utils.set_random_seed(0)
    if name in NETWORKS:
        return StyleNetwork(**NETWORKS[name], width=0.1)
    return SuperResolutionNetwork(*name, width=0.1)


@pytest.mark.parametrize("name", [*STYLES, *SUPER_RESOLUTION])
@pytest.mark.parametrize("size", [(61, 70), None])
def test_a_file_computes_what_the_network_computes_in_built_in_operations(name, size, photos):
    original = network(name)
    file = convert(original, size)
    image = photos[0][None, 100:161, 100:170]
    output = Interpreter(model_content=file).get_signature_runner()(image=image)["image"]
    np.testing.assert_allclose(output, original(image), atol=1e-4)
    assert operators.custom(file) == []
    if size:
        assert operators.refused_by_gpu(file) == []


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_plain_areas_without_variance_are_normalised_alike(grey):
    original = network("quarter_inverted_resize")
    image = np.full((1, 128, 128, 3), grey, np.float32)
    output = Interpreter(model_content=convert(original, (128, 128))).get_signature_runner()(
        image=image
    )["image"]
    np.testing.assert_allclose(output, original(image), atol=1e-3)


def test_an_image_smaller_than_the_mirrored_border_converts_too(photos):
    original = network("quarter64")
    file = convert(original, (5, 7))
    image = photos[0][None, 100:105, 100:107]
    output = Interpreter(model_content=file).get_signature_runner()(image=image)["image"]
    np.testing.assert_allclose(output, original(image), atol=1e-4)


def test_the_smallest_side_of_any_size_is_just_enough(photos):
    original = network("quarter64")
    least = smallest_side(original)
    runner = Interpreter(model_content=convert(original)).get_signature_runner()
    assert runner(image=photos[0][None, :least, :least])["image"].shape == (1, least, least, 3)


def test_what_would_need_other_operations_is_refused_by_name():
    image = keras.Input((None, None, 3), name="image")
    curve = keras.ops.erfinv(image)
    with pytest.raises(UserError, match="no built-in operation does Erfinv"):
        convert(keras.Model(image, curve), (8, 8))


@pytest.mark.parametrize("size", [(32, 40), None])
def test_style_weights_are_an_input_as_in_the_savedmodel(size, photos):
    keras.utils.set_random_seed(0)
    original = StyleNetwork(**NETWORKS["quarter64"], width=0.1, styles=3)
    for variable in original.variables:  # untrained, all styles are alike
        variable.assign_add(0.1 * keras.random.normal(variable.shape))
    file = convert(original, size)
    image = photos[0][None, 100:132, 100:140]
    weights = np.array([[0.5, 0.2, 0.3]], np.float32)
    runner = Interpreter(model_content=file).get_signature_runner()
    output = runner(image=image, style_weights=weights)["image"]
    np.testing.assert_allclose(output, original([image, weights]), atol=1e-4)
    if size:
        assert operators.refused_by_gpu(file) == []
