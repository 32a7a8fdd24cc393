"""The gRPC services: each method hands its request to the module that knows the rules."""

from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from serving.embedded import model_config, predict, status

HEALTH_SERVICES = ("", "ModelService", "PredictionService")


def not_served(name):
    """The `StatusError` for the calls over tf.train.Example."""
    return status.unimplemented(
        f"{name} is not served here: it takes tf.train.Examples, which no image model reads. "
        "Call Predict."
    )


def _not_served(name):
    def method(self, request, context):
        raise not_served(name)

    return method


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """tensorflow.serving.PredictionService over a `Manager`."""

    def __init__(self, manager, as_content):
        self._manager = manager
        self._as_content = as_content

    def Predict(self, request, context):  # noqa: N802
        return predict.predict(self._manager, request, self._as_content)

    def GetModelMetadata(self, request, context):  # noqa: N802
        return predict.get_model_metadata(self._manager, request)

    Classify = _not_served("Classify")
    Regress = _not_served("Regress")
    MultiInference = _not_served("MultiInference")


def get_model_status(manager, request):
    """Answer a `GetModelStatusRequest`: versions, newest first.

    Raises:
        StatusError: in tensorflow_model_server's codes and words.
    """
    if not request.HasField("model_spec"):
        raise status.invalid_argument("Missing ModelSpec")
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in manager.versions(request.model_spec):
        added = response.model_version_status.add(version=version.number, state=version.state)
        added.status.error_code = version.error.number if version.error else 0
        added.status.error_message = version.error.message if version.error else ""
    return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """tensorflow.serving.ModelService over a `Manager`."""

    def __init__(self, manager):
        self._manager = manager

    def GetModelStatus(self, request, context):  # noqa: N802
        return get_model_status(self._manager, request)

    def HandleReloadConfigRequest(self, request, context):  # noqa: N802
        if request.config.WhichOneof("config") != "model_config_list":
            raise status.invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
                "ModelConfigList is currently supported"
            )
        self._manager.reload(model_config.from_proto(request.config))
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response


class HealthService(health.HealthServicer):
    """grpc.health.v1.Health, under the names that tensorflow_model_server knows."""

    def __init__(self):
        super().__init__()
        for name in HEALTH_SERVICES:
            self.set(name, health_pb2.HealthCheckResponse.SERVING)

    def Check(self, request, context):  # noqa: N802
        if request.service not in HEALTH_SERVICES:
            raise status.not_found("service name unknown")
        return super().Check(request, context)


def add(grpc_server, manager, as_content=False, with_health=False):
    """Put the services on a `grpc.Server` that is not started yet.

    Args:
        grpc_server: of `transport.server`.
        manager: `Manager` whose `load` has returned.
        as_content: whether tensors are sent as tensor_content.
        with_health: whether the health service is one of them.
    """
    prediction = PredictionService(manager, as_content)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction, grpc_server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(manager), grpc_server)
    if with_health:
        health_pb2_grpc.add_HealthServicer_to_server(HealthService(), grpc_server)
