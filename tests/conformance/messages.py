"""Requests of the recordings as protobuf messages, and responses as the recordings write them."""

from google.protobuf import text_format
from tensorflow.core.protobuf import error_codes_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.conformance import tensors

_STATES = get_model_status_pb2.ModelVersionStatus.State


def _fill_spec(spec, request):
    """Only what the request names is set: a missing model_spec is a case of its own."""
    for key, field in (("model", "name"), ("signature", "signature_name")):
        if key in request:
            setattr(spec, field, request[key])
    if "version" in request:
        spec.version.value = request["version"]
    if "label" in request:
        spec.version_label = request["label"]


def _fill_examples(message, request):
    for features in request.get("examples", []):
        example = message.example_list.examples.add()
        for name, values in features.items():
            example.features.feature[name].float_list.value.extend(values)


def _predict(request):
    message = predict_pb2.PredictRequest(output_filter=request.get("output_filter", []))
    _fill_spec(message.model_spec, request)
    for alias, tensor in request.get("inputs", {}).items():
        message.inputs[alias].CopyFrom(tensors.from_json(tensor))
    return message


def _metadata(request):
    fields = request.get("fields", ["signature_def"])
    message = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    _fill_spec(message.model_spec, request)
    return message


def _status(request):
    message = get_model_status_pb2.GetModelStatusRequest()
    _fill_spec(message.model_spec, request)
    return message


def _reload(request):
    message = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(request.get("config", ""), message.config)
    return message


def _over_examples(kind):
    def build(request):
        message = kind()
        _fill_spec(message.model_spec, request)
        _fill_examples(message.input, request)
        return message

    return build


def _multi_inference(request):
    message = inference_pb2.MultiInferenceRequest()
    _fill_examples(message.input, request)
    for task in request.get("tasks", []):
        _fill_spec(message.tasks.add(method_name=task["method_name"]).model_spec, task)
    return message


REQUESTS = {
    "Predict": _predict,
    "GetModelMetadata": _metadata,
    "GetModelStatus": _status,
    "HandleReloadConfigRequest": _reload,
    "Classify": _over_examples(classification_pb2.ClassificationRequest),
    "Regress": _over_examples(regression_pb2.RegressionRequest),
    "MultiInference": _multi_inference,
}


def _spec_answer(spec):
    version = spec.version.value if spec.HasField("version") else None
    return {"model": spec.name, "version": version, "signature": spec.signature_name}


def _status_answer(status):
    return {
        "code": error_codes_pb2.Code.Name(status.error_code),
        "message": status.error_message,
    }


def _predict_answer(response, as_images):
    outputs = {a: tensors.to_json(tensor, as_images) for a, tensor in response.outputs.items()}
    return {"model_spec": _spec_answer(response.model_spec), "outputs": outputs}


def _infos_answer(infos):
    return {
        alias: {
            "dtype": tensors.dtype_name(info.dtype),
            "shape": None
            if info.tensor_shape.unknown_rank
            else [dim.size for dim in info.tensor_shape.dim],
        }
        for alias, info in infos.items()
    }


def _metadata_answer(response, as_images):
    metadata = {}
    for field, packed in response.metadata.items():
        signatures = get_model_metadata_pb2.SignatureDefMap()
        packed.Unpack(signatures)
        metadata[field] = {
            name: {
                "method": signature.method_name,
                "inputs": _infos_answer(signature.inputs),
                "outputs": _infos_answer(signature.outputs),
            }
            for name, signature in signatures.signature_def.items()
        }
    return {"model_spec": _spec_answer(response.model_spec), "metadata": metadata}


def _versions_answer(response, as_images=False):
    versions = [
        {
            "version": version.version,
            "state": _STATES.Name(version.state),
            "status": _status_answer(version.status),
        }
        for version in response.model_version_status
    ]
    return {"versions": versions}


def _reload_answer(response, as_images):
    return {"status": _status_answer(response.status)}


def _classes(result):
    return [
        [{"label": found.label, "score": found.score} for found in row.classes]
        for row in result.classifications
    ]


def _values(result):
    return [found.value for found in result.regressions]


def _classify_answer(response, as_images):
    spec = _spec_answer(response.model_spec)
    return {"model_spec": spec, "classifications": _classes(response.result)}


def _regress_answer(response, as_images):
    spec = _spec_answer(response.model_spec)
    return {"model_spec": spec, "regressions": _values(response.result)}


def _multi_inference_answer(response, as_images):
    results = []
    for result in response.results:
        answer = {"model_spec": _spec_answer(result.model_spec)}
        if result.HasField("classification_result"):
            answer["classifications"] = _classes(result.classification_result)
        else:
            answer["regressions"] = _values(result.regression_result)
        results.append(answer)
    return {"results": results}


ANSWERS = {
    "Predict": _predict_answer,
    "GetModelMetadata": _metadata_answer,
    "GetModelStatus": _versions_answer,
    "HandleReloadConfigRequest": _reload_answer,
    "Classify": _classify_answer,
    "Regress": _regress_answer,
    "MultiInference": _multi_inference_answer,
}


def states(response):
    """{version: state} of a GetModelStatus response."""
    return {v["version"]: v["state"] for v in _versions_answer(response)["versions"]}
