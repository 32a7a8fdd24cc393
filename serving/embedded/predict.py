"""The rules of Predict and GetModelMetadata: what is checked, in which order, in which words.

The order is that of tensorflow_model_server: model and version (`servables`), signature, number of
inputs, their names and tensors, output filter, dtypes, and last whatever the graph itself checks.
"""

import time

from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from serving.embedded import metrics, status, tensor_codec

DEFAULT_SIGNATURE = "serving_default"


def predict(manager, request, as_content=False):
    """Answer a `PredictRequest`.

    Args:
        manager: the `Manager` to ask for the model.
        request: `PredictRequest`.
        as_content: whether tensors are sent as tensor_content.

    Returns:
        `PredictResponse`, its model_spec resolved to the version and signature that ran.

    Raises:
        StatusError: in tensorflow_model_server's codes and words.
    """
    name = request.model_spec.name
    with metrics.request(name, "GRPC"):
        version, outputs = call(manager, request)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = name
        response.model_spec.version.value = version
        response.model_spec.signature_name = _signature_name(request)
        for alias, tensor in outputs.items():
            tensor_codec.encode(tensor, as_content, into=response.outputs[alias])
        return response


def call(manager, request):
    """Run what a `PredictRequest` asks for.

    Returns:
        (version number, tensor by alias).

    Raises:
        StatusError: as `predict`.
    """
    version, model = manager.find(_model_spec(request))
    started = time.monotonic()
    outputs = run(model, request)
    metrics.RUNTIME_LATENCY.labels(request.model_spec.name, "Predict", "TF1").observe(
        metrics.microseconds_since(started)
    )
    return version, outputs


def run(model, request):
    """Run what a `PredictRequest` asks for on this loaded model, whatever model it names.

    Returns:
        Tensor by alias: those of output_filter, or all.

    Raises:
        StatusError: as `predict`.
    """
    signature_name = _signature_name(request)
    if not model.can_run(signature_name):
        raise status.failed_precondition(f'Serving signature key "{signature_name}" not found.')
    signature = model.signature_defs[signature_name]
    _check_input_count(signature, request.inputs)
    inputs = _input_tensors(signature, request.inputs)
    _check_output_filter(signature, request.output_filter)
    outputs = list(request.output_filter) or sorted(signature.outputs)
    return model.run(signature_name, inputs, outputs)


def get_model_metadata(manager, request):
    """Answer a `GetModelMetadataRequest` with every signature of one version.

    Raises:
        StatusError: in tensorflow_model_server's codes and words.
    """
    spec = _model_spec(request)
    if not request.metadata_field:
        raise status.invalid_argument(
            "GetModelMetadataRequest must specify at least one metadata_field"
        )
    for field in request.metadata_field:
        if field != "signature_def":
            raise status.invalid_argument(f"Metadata field {field} is not supported")
    version, model = manager.find(spec)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = spec.name
    response.model_spec.version.value = version
    signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=model.signature_defs)
    response.metadata["signature_def"].Pack(signatures)
    return response


def _model_spec(request):
    if not request.HasField("model_spec"):
        raise status.invalid_argument("Missing ModelSpec")
    return request.model_spec


def _signature_name(request):
    return request.model_spec.signature_name or DEFAULT_SIGNATURE


def _braces(names):
    return "{" + ",".join(sorted(names)) + "}"


def _check_input_count(signature, inputs):
    sent, wanted = set(inputs), set(signature.inputs)
    if len(sent) > len(wanted) or (len(sent) < len(wanted) and not signature.defaults):
        raise status.invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(wanted)} "
            f"len({_braces(sent)}) != len({_braces(wanted)}). "
            f"Sent extra: {_braces(sent - wanted)}. "
            f"Missing but required: {_braces(wanted - sent)}."
        )


def _input_tensors(signature, inputs):
    tensors = {}
    for alias, info in sorted(signature.inputs.items()):
        proto = inputs[alias] if alias in inputs else signature.defaults.get(alias)
        if proto is None:
            raise status.invalid_argument(
                f"Signature input alias: {alias}(feed name: {info.name}) not found in request and "
                "no default value provided. Inputs expected to be in the request "
                f"{_braces(inputs)}, or default input alias set: "
                + ",".join(sorted(signature.defaults))
            )
        try:
            tensors[alias] = tensor_codec.decode(proto)
        except ValueError as error:
            raise status.invalid_argument(f"tensor parsing error: {alias}") from error
    if not set(inputs) <= set(tensors):
        raise status.invalid_argument(
            "Inputs contains invalid name. Used request inputs: "
            f"{','.join(sorted(set(inputs) & set(tensors)))}, "
            f"request input: {','.join(sorted(inputs))}"
        )
    return tensors


def _check_output_filter(signature, output_filter):
    seen = set()
    for alias in output_filter:
        if alias not in signature.outputs:
            raise status.invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_braces(signature.outputs)}."
            )
        if alias in seen:
            raise status.invalid_argument(f"duplicate output tensor alias: {alias}")
        seen.add(alias)
