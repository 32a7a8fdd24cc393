"""The calls of TensorFlow Serving that the client makes: requests built, answers read, no I/O.

Whatever sends them, blocking or asyncio, shares these functions.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf import text_format

from serving import tensors
from serving.errors import InvalidRequest, MessageTooLarge, ServerError
from serving.protocol import tensorflow_serving_pb2 as messages
from zoo.errors import UserError

SIGNATURE = "serving_default"
_MAX_MESSAGE_BYTES = 2**31 - 2**20  # of protobuf, less what names and shapes take


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

RELOAD = Method(
    "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
    messages.ReloadConfigRequest,
    messages.ReloadConfigResponse,
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
class Metadata:
    """What one version of a model offers.

    Attributes:
        version: its number.
        signatures: by name, the loader's own left out.
    """

    version: int
    signatures: dict[str, Signature]


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
        MessageTooLarge: the inputs exceed the 2 GiB of a message.
    """
    request = messages.PredictRequest(model_spec=_model_spec(model, version, label, signature))
    arrays = {name: tensors.as_array(value) for name, value in inputs.items()}
    size = sum(map(tensors.byte_count, arrays.values()))
    if size > _MAX_MESSAGE_BYTES:
        raise MessageTooLarge(
            f"model {model!r}, signature {signature!r}: the inputs have {size / 2**30:.1f} GiB, "
            f"and a message carries 2.\n{MessageTooLarge.advice}",
            model=model,
            signature=signature,
        )
    for name, array in arrays.items():
        try:
            request.inputs[name].CopyFrom(tensors.encode(array))
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
            raise unreadable(request, f"output {name!r}: {error}") from error
    return outputs


def unreadable(request, reason) -> ServerError:
    """The error that an answer to this PredictRequest is not what it should be."""
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


def read_metadata(response) -> Metadata:
    """Read a GetModelMetadataResponse."""
    # Not Any.Unpack: the type's name is TensorFlow's there, and our own here.
    packed = response.metadata["signature_def"].value
    definitions = messages.SignatureDefMap.FromString(packed).signature_def
    signatures = {
        name: Signature(_specs(definitions[name].inputs), _specs(definitions[name].outputs))
        for name in sorted(definitions)
        if name != "__saved_model_init_op"
    }
    return Metadata(response.model_spec.version.value, signatures)


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


def reload_request(models_config):
    """Build a ReloadConfigRequest.

    Args:
        models_config: a ModelServerConfig in protobuf's text form, as models.config holds it; or
            the path of such a file, as a `pathlib.Path`.

    Raises:
        UserError: the file cannot be read, or the text is no ModelServerConfig.
    """
    text, name = models_config, "models_config"
    if isinstance(models_config, os.PathLike):
        name = os.fspath(models_config)
        try:
            text = Path(models_config).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{name}: cannot be read: {error}") from error
    try:
        config = text_format.Parse(text, messages.ModelServerConfig())
    except text_format.ParseError as error:
        raise UserError(f"{name}: no ModelServerConfig in protobuf's text form: {error}") from error
    return messages.ReloadConfigRequest(config=config)


def _failure(status):
    if status.error_code == messages.OK:
        return ""
    return f"{_enum_name(status, 'error_code')}: {status.error_message}"


def _enum_name(message, field):
    number = getattr(message, field)
    known = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return known[number].name if number in known else str(number)
