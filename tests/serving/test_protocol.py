import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2,
    predict_pb2,
    prediction_service_pb2,
)

from serving import calls
from serving.protocol import tensorflow_serving_pb2 as messages

OURS = "perceptual_zoo.tensorflow_serving."
TENSORFLOW = ("tensorflow.serving.", "tensorflow.error.", "tensorflow.")
FILE = messages.DESCRIPTOR
POOL = predict_pb2.DESCRIPTOR.pool  # holds what the imports above need, and ours


def real(full_name, find):
    """The descriptor of TensorFlow that one of ours is a subset of."""
    for prefix in TENSORFLOW:
        try:
            return find(prefix + full_name.removeprefix(OURS))
        except KeyError:
            continue
    raise AssertionError(f"TensorFlow has no {full_name}")


def all_messages(parents):
    for message in parents:
        yield message
        yield from all_messages(message.nested_types)


def all_enums():
    yield from FILE.enum_types_by_name.values()
    for message in all_messages(FILE.message_types_by_name.values()):
        yield from message.enum_types


def described(field):
    refers_to = field.message_type or field.enum_type
    name = refers_to.full_name if refers_to else None
    for prefix in (OURS, *TENSORFLOW):
        name = name and name.removeprefix(prefix)
    return {
        "name": field.name,
        "number": field.number,
        "type": field.type,
        "refers to": name,
        "repeated": field.is_repeated,
        "packed": field.is_packed,
        "oneof": field.containing_oneof and field.containing_oneof.name,
        "tells unset from default": field.has_presence,
    }


@pytest.mark.parametrize(
    "message",
    list(all_messages(FILE.message_types_by_name.values())),
    ids=lambda message: message.full_name.removeprefix(OURS),
)
def test_every_field_is_tensorflows(message):
    original = real(message.full_name, POOL.FindMessageTypeByName)
    assert message.fields or message.nested_types or not original.fields
    for field in message.fields:
        assert described(field) == described(original.fields_by_number[field.number])
    assert message.GetOptions().map_entry == original.GetOptions().map_entry


@pytest.mark.parametrize("enum", list(all_enums()), ids=lambda enum: enum.name)
def test_every_enum_value_is_tensorflows(enum):
    original = real(enum.full_name, POOL.FindEnumTypeByName)
    assert enum.values
    for value in enum.values:
        assert original.values_by_name[value.name].number == value.number


def test_a_predict_request_is_the_same_on_both_sides():
    image = np.linspace(0, 1, 24, dtype=np.float32).reshape(1, 2, 4, 3)
    theirs = predict_pb2.PredictRequest(output_filter=["image"])
    theirs.model_spec.name = "starry-night"
    theirs.model_spec.version.value = 3
    theirs.model_spec.signature_name = "serving_default"
    theirs.inputs["image"].CopyFrom(tf.make_tensor_proto(image))

    ours = messages.PredictRequest.FromString(theirs.SerializeToString())
    assert ours.model_spec.name == "starry-night"
    assert ours.model_spec.WhichOneof("version_choice") == "version"
    assert ours.model_spec.version.value == 3
    assert ours.inputs["image"].tensor_content == image.tobytes()
    assert [dim.size for dim in ours.inputs["image"].tensor_shape.dim] == [1, 2, 4, 3]
    assert predict_pb2.PredictRequest.FromString(ours.SerializeToString()) == theirs


def test_a_predict_response_is_the_same_on_both_sides():
    theirs = predict_pb2.PredictResponse()
    theirs.model_spec.name = "starry-night"
    theirs.model_spec.version_label = "stable"
    theirs.outputs["image"].dtype = tf.float32.as_datatype_enum
    theirs.outputs["image"].float_val.extend([0.25, 0.5])
    theirs.outputs["image_bytes"].CopyFrom(tf.make_tensor_proto([b"file"]))

    ours = messages.PredictResponse.FromString(theirs.SerializeToString())
    assert list(ours.outputs["image"].float_val) == [0.25, 0.5]
    assert list(ours.outputs["image_bytes"].string_val) == [b"file"]
    assert ours.model_spec.version_label == "stable"
    assert predict_pb2.PredictResponse.FromString(ours.SerializeToString()) == theirs


def test_signatures_and_status_are_the_same_on_both_sides():
    signatures = get_model_metadata_pb2.SignatureDefMap()
    signature = signatures.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    signature.inputs["image"].name = "serving_default_image:0"
    signature.inputs["image"].dtype = tf.float32.as_datatype_enum
    signature.inputs["image"].tensor_shape.CopyFrom(tf.TensorShape([None, 3]).as_proto())
    ours = messages.SignatureDefMap.FromString(signatures.SerializeToString())
    again = get_model_metadata_pb2.SignatureDefMap.FromString(ours.SerializeToString())
    assert ours.signature_def["serving_default"].inputs["image"].dtype == messages.DT_FLOAT
    assert again == signatures

    status = get_model_status_pb2.GetModelStatusResponse()
    status.model_version_status.add(
        version=2,
        state="END",
        status={"error_code": "INVALID_ARGUMENT", "error_message": "broken"},
    )
    ours = messages.GetModelStatusResponse.FromString(status.SerializeToString())
    again = get_model_status_pb2.GetModelStatusResponse.FromString(ours.SerializeToString())
    assert ours.model_version_status[0].state == messages.ModelVersionStatus.END
    assert ours.model_version_status[0].status.error_code == messages.INVALID_ARGUMENT
    assert again == status


def test_a_reload_is_the_same_on_both_sides():
    theirs = model_management_pb2.ReloadConfigRequest()
    config = theirs.config.model_config_list.config.add(
        name="m", base_path="/models/m", model_platform="tensorflow"
    )
    config.model_version_policy.specific.versions.extend([1, 3])
    config.version_labels["stable"] = 1
    config.logging_config.sampling_config.sampling_rate = 0.5
    ours = messages.ReloadConfigRequest.FromString(theirs.SerializeToString())
    assert dict(ours.config.model_config_list.config[0].version_labels) == {"stable": 1}
    again = model_management_pb2.ReloadConfigRequest.FromString(ours.SerializeToString())
    assert again == theirs


def test_every_call_is_one_of_tensorflow_servings():
    services = {
        **prediction_service_pb2.DESCRIPTOR.services_by_name,
        **model_service_pb2.DESCRIPTOR.services_by_name,
    }
    for method in (calls.PREDICT, calls.METADATA, calls.STATUS, calls.RELOAD):
        _, service, name = method.path.split("/")
        original = services[service.split(".")[-1]].methods_by_name[name]
        assert original.containing_service.full_name == service
        for ours, theirs in (
            (method.request, original.input_type),
            (method.response, original.output_type),
        ):
            assert ours.DESCRIPTOR.name == theirs.name


def test_services_proto_has_the_same_calls():
    text = Path(messages.__file__).with_name("services.proto").read_text()
    found = {}
    for service, body in re.findall(r"^service (\w+) {(.*?)^}", text, re.MULTILINE | re.DOTALL):
        for name, taken, given in re.findall(r"rpc (\w+)\(([\w.]+)\)\s+returns \(([\w.]+)\)", body):
            found[f"/tensorflow.serving.{service}/{name}"] = (taken, given)
    assert found == {
        method.path: (method.request.DESCRIPTOR.full_name, method.response.DESCRIPTOR.full_name)
        for method in (calls.PREDICT, calls.METADATA, calls.STATUS, calls.RELOAD)
    }


IMPORT_OURS = "from serving.client import ZooClient; from serving.protocol import server_files_pb2"
# TensorFlow's messages are all that could clash; its own __init__ adds none, and takes seconds.
IMPORT_THEIRS = """
import importlib.util, sys, types
package = types.ModuleType("tensorflow")
package.__path__ = importlib.util.find_spec("tensorflow").submodule_search_locations
sys.modules["tensorflow"] = package
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc, predict_pb2
from tensorflow_serving.config import model_server_config_pb2
"""
BOTH = """
from serving.protocol.tensorflow_serving_pb2 import PredictRequest
ours = PredictRequest()
ours.inputs["x"].float_val.append(1.5)
theirs = predict_pb2.PredictRequest.FromString(ours.SerializeToString())
assert list(theirs.inputs["x"].float_val) == [1.5]
assert type(theirs) is not type(ours)
"""


@pytest.mark.parametrize("order", [(IMPORT_OURS, IMPORT_THEIRS), (IMPORT_THEIRS, IMPORT_OURS)])
def test_ours_and_tensorflows_live_in_one_process_whichever_comes_first(order):
    code = "\n".join([*order, BOTH])
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
