import numpy as np
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
from serving.errors import InvalidRequest, MessageTooLarge, ServerError


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
    for ask in (
        lambda **choice: calls.predict_request("m", {}, **choice),
        lambda **choice: calls.metadata_request("m", **choice),
    ):
        with pytest.raises(InvalidRequest, match="version 1 and label 'stable'"):
            ask(version=1, label="stable")


def test_an_input_that_no_tensor_holds_is_named():
    with pytest.raises(InvalidRequest, match=r"'m'.*input 'when': .*datetime64"):
        calls.predict_request("m", {"when": np.array(["2020-01-01"], "datetime64[D]")})


def test_an_output_that_is_no_array_is_the_servers_error():
    response = predict_pb2.PredictResponse()
    response.outputs["table"].dtype = tf.resource.as_datatype_enum
    with pytest.raises(ServerError, match=r"output 'table'.*DT_RESOURCE"):
        calls.read_outputs(
            calls.predict_request("m", {}), received(response, calls.PREDICT.response)
        )


def test_inputs_that_no_message_holds_are_refused_before_they_are_copied():
    row = np.broadcast_to(np.float32(0), [2**29])  # takes no memory itself
    with pytest.raises(MessageTooLarge, match=r"inputs have 2\.0 GiB"):
        calls.predict_request("m", {"image": row})


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

    response.model_spec.version.value = 3
    metadata = calls.read_metadata(received(response, calls.METADATA.response))
    assert metadata.version == 3
    assert metadata.signatures == {
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
