"""The calls of TensorFlow Serving that the client makes: requests built, answers read, no I/O.

Whatever sends them, blocking or asyncio, shares these functions.
"""

import io
import json
import sys
from dataclasses import dataclass

import numpy as np

from serving import tensors
from serving.errors import InvalidRequest, ServerError
from serving.protocol import tensorflow_serving_pb2 as messages
from zoo import images

SIGNATURE = "serving_default"
ENCODED = "encoded"  # the zoo's signature that takes and gives image files
IMAGE_BYTES = "image_bytes"  # its input and its output


@dataclass(frozen=True)
class Method:
    """One RPC: its path, and the messages that it takes and gives."""

    path: str
    request: type
    response: type


PREDICT = Method(
    "/tensorflow.serving.PredictionService/Predict",
    messages.PredictRequest,
    messages.PredictResponse,
)
METADATA = Method(
    "/tensorflow.serving.PredictionService/GetModelMetadata",
    messages.GetModelMetadataRequest,
    messages.GetModelMetadataResponse,
)
STATUS = Method(
    "/tensorflow.serving.ModelService/GetModelStatus",
    messages.GetModelStatusRequest,
    messages.GetModelStatusResponse,
)

# None of the calls changes anything on the server, so each may be sent again. Both codes also
# mean "too busy, try later" in TensorFlow Serving.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [
                {"service": "tensorflow.serving.PredictionService"},
                {"service": "tensorflow.serving.ModelService"},
            ],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ]
}

CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # A request larger than this buffer (256 KiB by default) is never sent a second time.
    ("grpc.per_rpc_retry_buffer_size", 2**31 - 1),
    # Otherwise a server that starts late is looked for ever more rarely, up to every two minutes.
    ("grpc.max_reconnect_backoff_ms", 2000),
)


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a model.

    Attributes:
        dtype: numpy's name, for instance "float32"; "string" for bytes.
        shape: sizes, None where any size goes; None altogether when any rank goes.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """What one signature of a model takes and gives, by name."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


@dataclass(frozen=True)
class VersionStatus:
    """How one version of a model fares.

    Attributes:
        version: its number.
        state: "START", "LOADING", "AVAILABLE", "UNLOADING" or "END".
        error: why it failed, code first; "" if it did not.
    """

    version: int
    state: str
    error: str = ""

    def __str__(self):
        return f"version {self.version} {self.state}" + (f" ({self.error})" if self.error else "")


def _model_spec(model, version=None, label=None, signature=""):
    if version is not None and label is not None:
        raise InvalidRequest(
            f"model {model!r}: both version {version} and label {label!r} are asked for; give one.",
            model=model,
            signature=signature,
        )
    spec = messages.ModelSpec(name=model, signature_name=signature)
    if version is not None:
        spec.version.value = version  # presence counts: version 0 is a version too
    if label is not None:
        spec.version_label = label
    return spec


def predict_request(model, inputs, signature=SIGNATURE, version=None, label=None):
    """Build a PredictRequest.

    Args:
        model: the model's name.
        inputs: arrays, bytes or lists by input name; see `tensors.encode`.
        signature: name of the signature to run.
        version: number of the version to ask; None for the newest.
        label: label of the version to ask, in place of its number.

    Raises:
        InvalidRequest: an input cannot be sent, or both version and label are given.
    """
    request = messages.PredictRequest(model_spec=_model_spec(model, version, label, signature))
    for name, value in inputs.items():
        try:
            request.inputs[name].CopyFrom(tensors.encode(value))
        except ValueError as error:
            raise InvalidRequest(
                f"model {model!r}, signature {signature!r}, input {name!r}: {error}.",
                model=model,
                signature=signature,
            ) from error
    return request


def read_outputs(request, response) -> dict[str, np.ndarray]:
    """Read the arrays out of a PredictResponse, by output name; see `tensors.decode`.

    Raises:
        ServerError: an output cannot be read.
    """
    outputs = {}
    for name in sorted(response.outputs):
        try:
            outputs[name] = tensors.decode(response.outputs[name])
        except ValueError as error:
            raise _unreadable(request, f"output {name!r}: {error}") from error
    return outputs


def stylize_request(picture, model, version=None, label=None):
    """Build a PredictRequest that sends a `Picture`'s colours as a PNG file.

    Raises:
        InvalidRequest: both version and label are given.
    """
    file = io.BytesIO()
    # Level 1 is several times faster than the default and hardly larger on photographs.
    images.Picture(picture.rgb).to_pil().save(file, "PNG", compress_level=1)
    return predict_request(model, {IMAGE_BYTES: [file.getvalue()]}, ENCODED, version, label)


def read_stylized(picture, request, response):
    """Read the image file out of a PredictResponse; returns a `Picture` with `picture`'s alpha.

    Raises:
        ServerError: the answer holds no image.
    """
    files = read_outputs(request, response).get(IMAGE_BYTES)
    if files is None or files.size != 1 or files.dtype != object:
        raise _unreadable(request, f"it holds no {IMAGE_BYTES!r} with one image file")
    try:
        # A limit is for files of strangers; super-resolution may well exceed it.
        answer = images.read(files.item(), max_pixels=sys.maxsize)
    except images.ImageError as error:
        raise _unreadable(request, str(error)) from error
    return picture.with_rgb(answer.rgb)


def _unreadable(request, reason):
    model, signature = request.model_spec.name, request.model_spec.signature_name
    return ServerError(
        f"model {model!r}, signature {signature!r}: the answer cannot be read: {reason}.",
        model=model,
        signature=signature,
    )


def metadata_request(model, version=None, label=None):
    """Build a GetModelMetadataRequest for the signatures.

    Raises:
        InvalidRequest: both version and label are given.
    """
    return messages.GetModelMetadataRequest(
        model_spec=_model_spec(model, version, label), metadata_field=["signature_def"]
    )


def read_signatures(response) -> dict[str, Signature]:
    """Read a GetModelMetadataResponse; signatures by name, the loader's own left out."""
    # Not Any.Unpack: the type's name is TensorFlow's there, and our own here.
    packed = response.metadata["signature_def"].value
    definitions = messages.SignatureDefMap.FromString(packed).signature_def
    return {
        name: Signature(_specs(definitions[name].inputs), _specs(definitions[name].outputs))
        for name in sorted(definitions)
        if name != "__saved_model_init_op"
    }


def _specs(infos):
    return {
        name: TensorSpec(tensors.type_name(infos[name].dtype), _shape(infos[name].tensor_shape))
        for name in sorted(infos)
    }


def _shape(proto):
    if proto.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in proto.dim)


def status_request(model):
    """Build a GetModelStatusRequest for all versions."""
    return messages.GetModelStatusRequest(model_spec=_model_spec(model))


def read_status(response) -> list[VersionStatus]:
    """Read a GetModelStatusResponse, newest version first."""
    return [
        VersionStatus(status.version, _enum_name(status, "state"), _failure(status.status))
        for status in sorted(response.model_version_status, key=lambda each: -each.version)
    ]


def _failure(status):
    if status.error_code == messages.OK:
        return ""
    return f"{_enum_name(status, 'error_code')}: {status.error_message}"


def _enum_name(message, field):
    number = getattr(message, field)
    known = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return known[number].name if number in known else str(number)
