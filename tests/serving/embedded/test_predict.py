import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from serving.embedded import predict
from serving.embedded.manager import Manager
from serving.embedded.model_config import All, ModelConfig
from serving.embedded.status import StatusError


@pytest.fixture(scope="module")
def manager(models):
    manager = Manager(
        [
            ModelConfig("plus", str(models / "plus"), All(), {"stable": 1, "canary": 2}),
            ModelConfig("pair", str(models / "pair")),
            ModelConfig("guarded", str(models / "guarded")),
        ],
        poll_wait_seconds=0,
        labels_may_precede=True,
    )
    manager.load()
    yield manager
    manager.stop()


def request(model="plus", inputs=None, outputs=(), signature="", **version):
    asked = predict_pb2.PredictRequest(output_filter=outputs)
    asked.model_spec.name = model
    asked.model_spec.signature_name = signature
    if "version" in version:
        asked.model_spec.version.value = version["version"]
    if "label" in version:
        asked.model_spec.version_label = version["label"]
    for alias, value in ({"x": np.float32([1])} if inputs is None else inputs).items():
        asked.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return asked


def broken_tensor(asked):
    asked.inputs["x"].tensor_content = b"abc"
    return asked


def answer(response, alias="y"):
    return tf.make_ndarray(response.outputs[alias]).tolist()


def test_the_newest_version_answers_and_is_named(manager):
    response = predict.predict(manager, request())
    assert list(response.outputs["y"].float_val) == [3.0]
    assert response.model_spec.name == "plus"
    assert response.model_spec.version.value == 2
    assert response.model_spec.signature_name == "serving_default"


@pytest.mark.parametrize(
    ("version", "expected"),
    [({"version": 1}, 2.0), ({"version": 2}, 3.0), ({"label": "stable"}, 2.0)],
)
def test_a_version_is_chosen_by_number_or_label(manager, version, expected):
    assert answer(predict.predict(manager, request(**version))) == [expected]


def test_an_output_filter_limits_the_answer(manager):
    inputs = {"x": np.float32([2]), "w": np.float32([4])}
    assert set(predict.predict(manager, request("pair", inputs)).outputs) == {"product", "text"}
    assert list(predict.predict(manager, request("pair", inputs, ["text"])).outputs) == ["text"]


def test_an_omitted_input_takes_the_default_of_its_signature(manager):
    a = np.float32([[1, 2, 4]])
    omitted = predict.predict(manager, request("pair", {"a": a}, signature="scaled"))
    assert answer(omitted, "scaled") == [[3, 6, 12]]
    given = request("pair", {"a": a, "b": np.float32(2)}, signature="scaled")
    assert answer(predict.predict(manager, given), "scaled") == [[2, 4, 8]]


def test_an_empty_batch_gets_an_empty_answer(manager):
    assert answer(predict.predict(manager, request(inputs={"x": np.float32([])}))) == []


def test_answers_come_as_tensor_content_when_asked(manager):
    output = predict.predict(manager, request(), as_content=True).outputs["y"]
    assert output.tensor_content == np.float32([3]).tobytes()
    assert not output.float_val


PAIR = {"x": np.float32([1]), "w": np.float32([1])}


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (request(""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (request("nope"), "NOT_FOUND", "Servable not found for request: Latest(nope)"),
        (
            request(version=99),
            "NOT_FOUND",
            "Servable not found for request: Specific(plus, 99)",
        ),
        (request(label="zzz"), "INVALID_ARGUMENT", "Unrecognized servable version label: zzz"),
        (
            request(signature="bogus"),
            "FAILED_PRECONDITION",
            'Serving signature key "bogus" not found.',
        ),
        (
            request("pair", PAIR | {"z": np.float32([1])}),
            "INVALID_ARGUMENT",
            "input size does not match signature: 3!=2 len({w,x,z}) != len({w,x}). "
            "Sent extra: {z}. Missing but required: {}.",
        ),
        (
            request("pair", {"x": np.float32([1]), "c": np.float32([1])}),
            "INVALID_ARGUMENT",
            "Signature input alias: w(feed name: serving_default_w:0) not found in request and no "
            "default value provided. Inputs expected to be in the request {c,x}, or default input "
            "alias set: ",
        ),
        (
            request("pair", {"b": np.float32(1)}, signature="scaled"),
            "INVALID_ARGUMENT",
            "Signature input alias: a(feed name: scaled_a:0) not found in request and no "
            "default value provided. Inputs expected to be in the request {b}, or default input "
            "alias set: b",
        ),
        (
            request("pair", {"a": np.float32([[1]]), "z": np.float32(1)}, signature="scaled"),
            "INVALID_ARGUMENT",
            "Inputs contains invalid name. Used request inputs: a, request input: a,z",
        ),
        (
            request(inputs={"x": np.float64([1])}),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be float but double is provided",
        ),
        (
            request("pair", PAIR | {"x": np.int32([1])}),
            "INVALID_ARGUMENT",
            "Expects arg[1] to be float but int32 is provided",
        ),
        (broken_tensor(request()), "INVALID_ARGUMENT", "tensor parsing error: x"),
        (
            request("pair", PAIR, ["nope"]),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: nope "
            "Outputs expected to be in the set {product,text}.",
        ),
        (
            request("pair", PAIR, ["text", "text"]),
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: text",
        ),
        # Which check goes first.
        (
            request("nope", {}, signature="bogus"),
            "NOT_FOUND",
            "Servable not found for request: Latest(nope)",
        ),
        (
            broken_tensor(request(outputs=["nope"])),
            "INVALID_ARGUMENT",
            "tensor parsing error: x",
        ),
        (
            request(inputs={"x": np.float64([1])}, outputs=["nope"]),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: nope "
            "Outputs expected to be in the set {y}.",
        ),
    ],
)
def test_a_wrong_request_fails_as_at_the_real_server(manager, asked, code, message):
    with pytest.raises(StatusError) as caught:
        predict.predict(manager, asked)
    assert (caught.value.code.name, caught.value.message) == (code, message)


def test_an_error_of_the_graph_arrives_in_tensorflows_words(manager):
    with pytest.raises(StatusError) as caught:
        predict.predict(manager, request("guarded", {"x": np.zeros([2, 4], np.float32)}))
    assert caught.value.code.name == "INVALID_ARGUMENT"
    assert re.match(
        r"Shape of tensor .* \[2,4\] is not compatible with expected shape \[\?,3\]",
        caught.value.message,
    )


def metadata_request(model, *fields):
    spec = request(model).model_spec
    return get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=fields)


def test_metadata_holds_every_signature(manager):
    response = predict.get_model_metadata(manager, metadata_request("pair", "signature_def"))
    packed = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(packed)
    assert {"serving_default", "scaled"} <= set(packed.signature_def)
    assert set(packed.signature_def["scaled"].inputs) == {"a", "b"}
    assert (response.model_spec.name, response.model_spec.version.value) == ("pair", 1)


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (
            metadata_request("plus"),
            "INVALID_ARGUMENT",
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (
            metadata_request("nope", "foo"),
            "INVALID_ARGUMENT",
            "Metadata field foo is not supported",
        ),
        (
            metadata_request("nope", "signature_def"),
            "NOT_FOUND",
            "Servable not found for request: Latest(nope)",
        ),
    ],
)
def test_a_wrong_metadata_request_fails_as_at_the_real_server(manager, asked, code, message):
    with pytest.raises(StatusError) as caught:
        predict.get_model_metadata(manager, asked)
    assert (caught.value.code.name, caught.value.message) == (code, message)
