import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType
from ai_edge_litert.tools import flatbuffer_utils

from zoo import catalog
from zoo.architectures import NETWORKS
from zoo.errors import UserError
from zoo.networks import StyleNetwork
from zoo.tflite import convert_model, metadata, quantize
from zoo.tflite.convert import convert as convert_network
from zoo.tflite.convert_model import convert_model as convert
from zoo.tflite.convert_model import fitted, parse_size
from zoo.tflite.parity import LEAST_PSNR, psnr


@pytest.mark.parametrize("name", ["float32-dynamic", "float16-dynamic", "dynamic-96", "int8-96"])
def test_each_variant_makes_the_pictures_of_the_savedmodel(converted, name):
    file = converted[name]
    assert file.parity.least >= LEAST_PSNR[name.split("-")[0]]
    assert file.passed
    assert file.path.stat().st_size == file.bytes


def test_the_gpu_delegate_takes_all_of_a_file_of_known_size(converted):
    assert converted["dynamic-96"].refused_by_gpu == []
    assert converted["float32-dynamic"].refused_by_gpu is None


def test_int8_is_a_quarter_in_size(converted):
    assert converted["int8-96"].bytes < 0.3 * converted["float32-dynamic"].bytes
    assert converted["dynamic-96"].bytes < 0.3 * converted["float32-dynamic"].bytes


def test_of_int8_a_styles_stem_is_computed_in_float_and_the_trunk_is_not(converted):
    model = flatbuffer_utils.read_model(converted["int8-96"].path)
    graph = model.subgraphs[0]
    convolutions = [
        (operator.builtinOptions.strideW, graph.tensors[operator.inputs[0]].type)
        for operator in graph.operators
        if flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex) == "CONV_2D"
    ]
    behind = 1 + max(i for i, (stride, _) in enumerate(convolutions) if stride > 1)
    inputs = [kind for _, kind in convolutions]
    assert inputs[: behind + 1] == [TensorType.FLOAT32] * (behind + 1)
    assert set(inputs[behind + 1 :]) == {TensorType.INT8}


def test_of_int8_what_enlarges_features_smoothly_quantises_as_it_comes(photos):
    network = StyleNetwork(**NETWORKS["quarter_inverted_resize"], width=0.25)
    image = np.rint(255 * photos[0][None, :64, :64]).astype(np.uint8)
    file = quantize.int8(convert_network(network, (64, 64), "uint8"), [{"image": image}])
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
    graph = model.subgraphs[0]
    names = [flatbuffer_utils.opcode_to_name(model, each.opcodeIndex) for each in graph.operators]
    shuffled = {
        each.inputs[0]
        for each, name in zip(graph.operators, names, strict=True)
        if name == "DEPTH_TO_SPACE"
    }
    kinds = [
        (each.outputs[0] in shuffled, graph.tensors[each.outputs[0]].type)
        for each, name in zip(graph.operators, names, strict=True)
        if name == "CONV_2D"
    ]
    assert [kind for enlarges, kind in kinds if enlarges] == [TensorType.FLOAT32] * 2
    assert TensorType.INT8 in [kind for enlarges, kind in kinds if not enlarges]


def test_a_file_tells_what_it_is(converted):
    about = metadata.read(converted["int8-96"].path)
    assert about == {
        "name": "starry-night",
        "version": catalog.find("starry-night").version,
        "kind": "style",
        "factor": 1,
        "styles": None,
        "receptive_field": None,
        "variant": "int8",
        "height": 96,
        "width": 96,
        "smallest_side": 1,
        "layout": "NHWC, RGB, sRGB",
        "range": [0, 255],
        "license": "Apache-2.0",
        "psnr": round(converted["int8-96"].parity.least, 1),
    }


def test_a_file_that_is_too_far_is_not_left(monkeypatch, tmp_path, photos):
    monkeypatch.setitem(convert_model.LEAST_PSNR, "float32", 149)
    (file,) = convert(catalog.find("starry-night"), ["float32"], ["64"], tmp_path, photos[:1])
    assert not file.passed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variants", "sizes", "problem"),
    [
        (["int4"], ["64"], "no variant int4: there are float32"),
        (["int8"], ["64"], "by --calibration"),
        (["float32"], ["big"], "size 'big': give pixels"),
        (["float32"], ["1"], "sides must be 2 to 4096"),
        (["float32"], ["1x2x3"], "give pixels"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path, variants, sizes, problem):
    with pytest.raises(UserError, match=problem):
        list(convert(catalog.find("starry-night"), variants, sizes, tmp_path, []))


def test_sizes_are_width_first_as_people_say_them():
    assert parse_size("384") == (384, 384)
    assert parse_size("512x384") == (384, 512)
    assert parse_size("dynamic") is None


def test_photos_are_fitted_whole_in_one_direction():
    photo = np.zeros((100, 300, 3), np.float32)
    photo[:, 100:200] = 1
    np.testing.assert_allclose(fitted(photo, (50, 50))[:, 3:-3], 1, atol=1e-6)
    assert fitted(photo, (37, 200)).shape == (37, 200, 3)


def test_photos_are_fitted_to_levels_that_an_int8_file_can_be_given(photos):
    levels = 255 * fitted(photos[0], (50, 70))
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
    assert len(np.unique(np.rint(levels))) > 100


def test_psnr_is_of_a_peak_of_one():
    assert psnr(np.full((4, 4, 3), 0.1), np.zeros((4, 4, 3))) == pytest.approx(20)
