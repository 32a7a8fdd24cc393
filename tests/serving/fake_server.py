"""A model server in this process, which speaks TensorFlow Serving's own messages.

Its models turn pictures into negatives. It notes what it is asked, and fails when it is told to.
"""

import io
import json
import threading
from collections import deque
from concurrent import futures
from dataclasses import dataclass

import grpc
import numpy as np
import PIL.Image
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

BUSY = "The batch scheduling queue to which this task was submitted is full"


@dataclass
class Model:
    """What the fake serves under a name."""

    kind: str = "style"
    factor: int = 1
    styles: tuple = ()
    max_pixels: int = 10**8
    receptive_field: int | None = None
    tells: bool = False  # has the signature "about"
    takes_tiles: bool = False
    versions: tuple = (1,)

    def specs(self):
        """Inputs by signature: name, dtype, shape."""
        weights = [("style_weights", tf.float32, [None, len(self.styles)])] if self.styles else []
        image = ("image", tf.float32, [None, None, None, 3])
        found = {
            "serving_default": [image, *weights],
            "encoded": [("image_bytes", tf.string, [None]), *weights],
        }
        if self.tells:
            found["about"] = [("request", tf.string, [None])]
        if self.takes_tiles:
            parts = [(name, *image[1:]) for name in ("tile", "thumbnail")]
            found["tile"] = [*parts, *weights]
        return found

    def about(self, name, version):
        said = {"name": name, "version": version, "styles": list(self.styles) or None}
        for key in ("kind", "factor", "max_pixels", "receptive_field"):
            said[key] = getattr(self, key)
        return json.dumps(said).encode()


class FakeServer(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    def __init__(self):
        self.models = {
            "inverter": Model(),
            "doubler": Model(factor=2),
            "sr-x2": Model("superres", 2, tells=True, receptive_field=3),
            "painters": Model(styles=("wave", "scream", "photo"), tells=True),
            "sleeper": Model(),  # a call of it waits for `released`
        }
        self.predicts, self.others = [], []  # the requests that arrived; "about" is of the others
        self.failures = deque()  # (code, words) of the next answers, but of metadata
        self.states = deque()  # of the next status answers; the last one stays
        self.released = threading.Event()
        self.abandoned = threading.Event()  # by a caller of "sleeper"
        self.max_batch_size = None

    def Predict(self, request, context):  # noqa: N802
        spec = request.model_spec
        about = spec.signature_name == "about"
        (self.others if about else self.predicts).append(request)
        if not about:
            self._fail(context)
        model, version = self._model(spec, context)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = version
        inputs = {name: tf.make_ndarray(each) for name, each in request.inputs.items()}
        if about:
            text = model.about(spec.name, version)
            response.outputs["model_json"].CopyFrom(tf.make_tensor_proto([text]))
            return response
        rows = len(next(iter(inputs.values()), ()))
        if self.max_batch_size and rows > self.max_batch_size:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Task size {rows} is larger than maximum input batch size {self.max_batch_size}",
            )
        if spec.name == "sleeper":
            ended = threading.Event()
            context.add_callback(ended.set)
            if self._first_of(ended, self.released) is ended:
                self.abandoned.set()
        elif "image_bytes" in inputs:
            files = [negative_file(each, model.factor) for each in inputs["image_bytes"]]
            response.outputs["image_bytes"].CopyFrom(tf.make_tensor_proto(files))
        elif "image" in inputs or "tile" in inputs:
            negative = 1 - inputs.get("image", inputs.get("tile"))
            if model.factor > 1:
                negative = negative.repeat(model.factor, 1).repeat(model.factor, 2)
            output = response.outputs["image"]
            output.CopyFrom(tf.make_tensor_proto(negative))
            output.tensor_content = b""
            output.float_val.extend(negative.ravel())  # as TensorFlow Serving does by default
        return response

    def GetModelMetadata(self, request, context):  # noqa: N802
        self.others.append(request)
        model, version = self._model(request.model_spec, context)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        for signature, inputs in model.specs().items():
            for name, dtype, shape in inputs:
                info = definitions.signature_def[signature].inputs[name]
                info.dtype = dtype.as_datatype_enum
                info.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.version.value = version
        response.metadata["signature_def"].Pack(definitions)
        return response

    def GetModelStatus(self, request, context):  # noqa: N802
        self.others.append(request)
        self._fail(context)
        name = request.model_spec.name
        if name not in self.models:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}")
        states = [(version, "AVAILABLE", {}) for version in self.models[name].versions]
        if self.states:
            states = self.states.popleft() if len(self.states) > 1 else self.states[0]
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state, status in states:
            response.model_version_status.add(version=version, state=state, status=status)
        return response

    def HandleReloadConfigRequest(self, request, context):  # noqa: N802
        self.others.append(request)
        self._fail(context)
        return model_management_pb2.ReloadConfigResponse()

    @staticmethod
    def _first_of(*events):
        for _ in range(2000):  # no test takes twenty seconds
            for event in events:
                if event.wait(0.005):
                    return event
        return None

    def _fail(self, context):
        if self.failures:
            context.abort(*self.failures.popleft())

    def _model(self, spec, context):
        """The model and the version that a request is for."""
        if spec.name not in self.models:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})"
            )
        versions = self.models[spec.name].versions
        version = spec.version.value if spec.HasField("version") else versions[-1]
        if version not in versions:
            words = f"Servable not found for request: Specific({spec.name}, {version})"
            context.abort(grpc.StatusCode.NOT_FOUND, words)
        if spec.version_label not in ("", "stable"):
            words = f"Unrecognized servable version label: {spec.version_label}"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, words)
        return self.models[spec.name], version


def negative_file(file, factor):
    image = np.asarray(PIL.Image.open(io.BytesIO(file)).convert("RGB"))
    return file_of(PIL.Image.fromarray(255 - image.repeat(factor, 0).repeat(factor, 1)))


def file_of(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def start(fake, address="127.0.0.1:0", credentials=None, threads=8):
    """Start gRPC's server around the fake; returns it and its port."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(threads), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(fake, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(fake, server)
    if credentials:
        port = server.add_secure_port(address, credentials)
    else:
        port = server.add_insecure_port(address)
    server.start()
    return server, port
