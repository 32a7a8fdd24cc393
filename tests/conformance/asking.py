"""Asking a running server the cases: one connection, and the folders that the cases change."""

import base64
import http.client
import json
import shutil
import time

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from tests.conformance import messages, recordings, tensors

# Longest wait for versions to reach their states.
AWAIT_SECONDS = 30
CALL_SECONDS = 10


class Place:
    """The models' folder and the scratch folder, and the placeholders that stand for them.

    `pace` is how long a pause is, as a fraction of the recorded one.
    """

    def __init__(self, models, work, pace=1.0):
        self.models = models
        self.work = work
        self._pace = pace

    def expand(self, value):
        return self._replaced(value, {"{models}": str(self.models), "{work}": str(self.work)})

    def shorten(self, value):
        return self._replaced(value, {str(self.work): "{work}", str(self.models): "{models}"})

    def _replaced(self, value, texts):
        if isinstance(value, str):
            for old, new in texts.items():
                value = value.replace(old, new)
            return value
        if isinstance(value, list):
            return [self._replaced(element, texts) for element in value]
        if isinstance(value, dict):
            return {key: self._replaced(element, texts) for key, element in value.items()}
        return value

    def write(self, name, text):
        """Files appear and disappear at once: a server must never see half of one."""
        new = self.work / f"{name}.new"
        new.write_text(self.expand(text))
        new.replace(self.work / name)

    def copy(self, source, target):
        target = self.work / target
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden = target.with_name(f"copying_{target.name}")
        shutil.copytree(self.models / source, hidden)
        hidden.rename(target)

    def make(self, name):
        (self.work / name).mkdir(parents=True)

    def remove(self, name):
        gone = (self.work / name).with_name("removing")
        (self.work / name).rename(gone)
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()

    def act(self, action, client=None):
        """One `before` action: write, copy, make, remove, await or pause."""
        [(verb, what)] = action.items()
        match verb:
            case "write":
                self.write(*what)
            case "copy":
                self.copy(*what)
            case "make":
                self.make(what)
            case "remove":
                self.remove(what)
            case "await":
                client.wait_for(what["model"], what["states"])
            case "pause":
                time.sleep(what * self._pace)


class Client:
    """Asks the server at `grpc_address` and `rest_address` ("HOST:PORT" both)."""

    def __init__(self, grpc_address, rest_address):
        self._rest_address = rest_address
        unlimited = [("grpc.max_receive_message_length", -1)]
        self._channel = grpc.insecure_channel(grpc_address, unlimited)
        self._limited = grpc.insecure_channel(grpc_address)
        self._stubs = {
            "prediction": prediction_service_pb2_grpc.PredictionServiceStub(self._channel),
            "model": model_service_pb2_grpc.ModelServiceStub(self._channel),
        }
        self._limited_stub = prediction_service_pb2_grpc.PredictionServiceStub(self._limited)

    def close(self):
        self._channel.close()
        self._limited.close()

    def answer(self, case, request):
        """The answer to a case, in the form of the recordings.

        Args:
            case: one of `recordings.CASES`.
            request: its request with the placeholders filled in.
        """
        if case["service"] == "rest":
            return self._rest_answer(case, request)
        options = {"timeout": request.get("timeout", CALL_SECONDS)}
        if "compression" in request:
            options["compression"] = grpc.Compression[request["compression"]]
        try:
            if case["service"] == "raw":
                call = self._channel.unary_unary(case["method"])
                response = call(base64.b64decode(request["b64"]), **options)
                return {"code": "OK", "b64": base64.b64encode(response).decode()}
            stub = self._stubs[case["service"]]
            if request.get("receive_limit") == "default":
                stub = self._limited_stub
            message = messages.REQUESTS[case["method"]](request)
            response = getattr(stub, case["method"])(message, **options)
        except grpc.RpcError as error:
            text = recordings.message_answer(error.details() or "", case)
            return {"code": error.code().name, "message": text}
        as_images = case.get("match") == "images"
        return {"code": "OK"} | messages.ANSWERS[case["method"]](response, as_images)

    def _rest_answer(self, case, request):
        status, kind, body = self.http(case["method"], request["path"], request.get("body"))
        answer = {"status": status, "content_type": kind}
        if kind != "application/json":
            # Pages for people, and metrics: only that there is one, and of which kind.
            return answer
        body = _without_tensor_names(json.loads(body))
        if isinstance(body, dict) and set(body) == {"error"}:
            body = {"error": recordings.message_answer(body["error"], case)}
        return answer | {"body": body}

    def http(self, verb, path, body=None):
        """(status, content type, bytes of the body)."""
        connection = http.client.HTTPConnection(self._rest_address, timeout=30)
        try:
            connection.request(verb, path, None if body is None else body.encode())
            response = connection.getresponse()
            return response.status, response.getheader("Content-Type"), response.read()
        finally:
            connection.close()

    def wait_for(self, model, states):
        wanted = {int(version): state for version, state in states.items()}
        request = messages.REQUESTS["GetModelStatus"]({"model": model})
        seen, end = None, time.monotonic() + AWAIT_SECONDS
        while seen != wanted:
            assert time.monotonic() < end, f"{model} should become {wanted}, it is {seen}"
            time.sleep(0.05)
            try:
                seen = messages.states(self._stubs["model"].GetModelStatus(request, timeout=5))
            except grpc.RpcError as error:
                seen = error.details()


def _without_tensor_names(value):
    """Names of graph tensors in REST metadata are the exporter's, not the server's."""
    if isinstance(value, dict):
        is_info = {"dtype", "tensor_shape", "name"} <= value.keys()
        return {
            key: "*" if is_info and key == "name" else _without_tensor_names(element)
            for key, element in value.items()
        }
    if isinstance(value, list):
        return [_without_tensor_names(element) for element in value]
    return tensors.plain_number(value)
