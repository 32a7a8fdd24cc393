import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from serving import calls
from serving.calls import Signature, TensorSpec, VersionStatus
from serving.errors import InvalidRequest, ServerError
from zoo.images import Picture


def received(message, by):
    """What another program reads of the message."""
    return by.FromString(message.SerializeToString())


def test_a_request_asks_for_a_version_a_label_or_neither():
    for version, label, expected in (
        (None, None, None),
        (0, None, "version"),
        (None, "stable", "version_label"),
    ):
        request = calls.predict_request("m", {}, version=version, label=label)
        spec = received(request, predict_pb2.PredictRequest).model_spec
        assert spec.WhichOneof("version_choice") == expected


def test_a_version_and_a_label_together_are_refused():
    picture = Picture(np.zeros([2, 2, 3], np.float32))
    for ask in (
        lambda **choice: calls.predict_request("m", {}, **choice),
        lambda **choice: calls.stylize_request(picture, "m", **choice),
        lambda **choice: calls.metadata_request("m", **choice),
    ):
        with pytest.raises(InvalidRequest, match="version 1 and label 'stable'"):
            ask(version=1, label="stable")


def test_an_input_that_no_tensor_holds_is_named():
    with pytest.raises(InvalidRequest, match=r"'m'.*input 'when': .*datetime64"):
        calls.predict_request("m", {"when": np.array(["2020-01-01"], "datetime64[D]")})


def test_a_picture_is_sent_as_a_png_file_without_its_transparency():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    picture = Picture(levels.astype(np.float32) / 255, np.zeros([16, 16], np.float32))
    request = received(calls.stylize_request(picture, "m"), predict_pb2.PredictRequest)
    assert request.model_spec.signature_name == "encoded"
    assert list(request.inputs) == ["image_bytes"]
    [file] = tf.make_ndarray(request.inputs["image_bytes"])
    image = PIL.Image.open(io.BytesIO(file))
    assert (image.format, image.mode) == ("PNG", "RGB")
    np.testing.assert_array_equal(np.asarray(image), levels)


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"image": [b"file"]},
        {"image_bytes": [b"no image"]},
        {"image_bytes": [b"two", b"files"]},
        {"image_bytes": np.zeros([1], np.float32)},
    ],
)
def test_an_answer_without_an_image_is_the_servers_error(outputs):
    picture = Picture(np.zeros([2, 2, 3], np.float32))
    request = calls.stylize_request(picture, "starry-night")
    response = predict_pb2.PredictResponse()
    for name, value in outputs.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    with pytest.raises(ServerError, match=r"'starry-night'.*'encoded'.*cannot be read"):
        calls.read_stylized(picture, request, received(response, calls.PREDICT.response))


def test_an_output_that_is_no_array_is_the_servers_error():
    response = predict_pb2.PredictResponse()
    response.outputs["table"].dtype = tf.resource.as_datatype_enum
    with pytest.raises(ServerError, match=r"output 'table'.*DT_RESOURCE"):
        calls.read_outputs(
            calls.predict_request("m", {}), received(response, calls.PREDICT.response)
        )


def test_signatures_tell_free_sizes_and_ranks_and_leave_the_loaders_own_out():
    definitions = get_model_metadata_pb2.SignatureDefMap()
    definitions.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = ""
    definition = definitions.signature_def["serving_default"]
    for infos, name, dtype, shape in (
        (definition.inputs, "image", tf.float32, [None, None, None, 3]),
        (definition.inputs, "style_weights", tf.bfloat16, [None, 5]),
        (definition.outputs, "caption", tf.string, None),
        (definition.outputs, "score", tf.half, []),
        (definition.outputs, "odd", tf.qint8, [2]),
    ):
        infos[name].dtype = dtype.as_datatype_enum
        infos[name].tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    definition.outputs["new"].dtype = types_pb2.DT_FLOAT8_E5M2
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.metadata["signature_def"].Pack(definitions)

    assert calls.read_signatures(received(response, calls.METADATA.response)) == {
        "serving_default": Signature(
            inputs={
                "image": TensorSpec("float32", (None, None, None, 3)),
                "style_weights": TensorSpec("bfloat16", (None, 5)),
            },
            outputs={
                "caption": TensorSpec("string", None),
                "new": TensorSpec("DataType 24", ()),
                "odd": TensorSpec("DT_QINT8", (2,)),
                "score": TensorSpec("float16", ()),
            },
        )
    }


def test_status_tells_every_version_newest_first():
    response = get_model_status_pb2.GetModelStatusResponse()
    broken = {"error_code": "INVALID_ARGUMENT", "error_message": "no variables"}
    for version, state, status in ((1, 30, {}), (12, 20, {}), (7, 50, broken), (3, 99, {})):
        response.model_version_status.add(version=version, state=state, status=status)
    assert calls.read_status(received(response, calls.STATUS.response)) == [
        VersionStatus(12, "LOADING"),
        VersionStatus(7, "END", "INVALID_ARGUMENT: no variables"),
        VersionStatus(3, "99"),
        VersionStatus(1, "AVAILABLE"),
    ]
