"""The gRPC services: each method hands its request to the module that knows the rules."""

from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from serving.embedded import predict, status, transport


def _not_served(name, instead):
    def method(self, request, context):
        raise status.unimplemented(f"{name} is not served by this server: {instead}")

    return method


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """tensorflow.serving.PredictionService over a `servables.Manager`."""

    def __init__(self, manager, as_content):
        self._manager = manager
        self._as_content = as_content

    def Predict(self, request, context):  # noqa: N802
        return predict.predict(self._manager, request, self._as_content)

    def GetModelMetadata(self, request, context):  # noqa: N802
        return predict.get_model_metadata(self._manager, request)

    Classify = _not_served("Classify", "call Predict.")
    Regress = _not_served("Regress", "call Predict.")
    MultiInference = _not_served("MultiInference", "call Predict.")


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """tensorflow.serving.ModelService over a `servables.Manager`."""

    def __init__(self, manager):
        self._manager = manager

    def GetModelStatus(self, request, context):  # noqa: N802
        if not request.HasField("model_spec"):
            raise status.invalid_argument("Missing ModelSpec")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in self._manager.versions(request.model_spec):
            added = response.model_version_status.add(version=version.number, state=version.state)
            added.status.error_code = version.error.number if version.error else 0
            added.status.error_message = version.error.message if version.error else ""
        return response

    HandleReloadConfigRequest = _not_served(
        "HandleReloadConfigRequest", "restart it with another --model_config_file."
    )


def start(manager, address, threads, as_content=False):
    """Serve a loaded manager's models.

    Args:
        manager: `Manager` whose `load` has returned.
        address: "HOST:PORT"; PORT 0 takes a free one.
        threads: calls that may run at once.
        as_content: whether tensors are sent as tensor_content.

    Returns:
        (running grpc.Server, its port).

    Raises:
        StatusError: UNAVAILABLE when the address cannot be had.
    """
    server = transport.server(threads)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(manager, as_content), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(manager), server)
    port = transport.listen(server, address)
    server.start()
    return server, port
