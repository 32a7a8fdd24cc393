"""The REST interface: paths, status codes and JSON bodies of tensorflow_model_server, as WSGI."""

import re
import threading
import time
from concurrent import futures

import grpc
import waitress.server
from absl import logging
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)
from waitress import wasyncore

from serving.embedded import (
    json_text,
    metrics,
    predict,
    rest_request,
    rest_response,
    services,
    status,
)

_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_CALL_PATH = re.compile(
    rf"/v1/models/(?P<model>[^/:]+){_VERSION}:(?P<method>predict|classify|regress)"
)
_MODEL_PATH = re.compile(rf"/v1/models(?:/(?P<model>[^/:]+){_VERSION}(?P<metadata>/metadata)?)?")
_API_PATH = re.compile(r"/v1/.*|/v1/models", re.IGNORECASE | re.DOTALL)

_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: "400 Bad Request",
    grpc.StatusCode.FAILED_PRECONDITION: "400 Bad Request",
    grpc.StatusCode.OUT_OF_RANGE: "400 Bad Request",
    grpc.StatusCode.UNAUTHENTICATED: "401 Unauthorized",
    grpc.StatusCode.PERMISSION_DENIED: "403 Forbidden",
    grpc.StatusCode.NOT_FOUND: "404 Not Found",
    grpc.StatusCode.ALREADY_EXISTS: "409 Conflict",
    grpc.StatusCode.ABORTED: "409 Conflict",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "429 Too Many Requests",
    grpc.StatusCode.CANCELLED: "499 Client Closed Request",
    grpc.StatusCode.UNIMPLEMENTED: "501 Not Implemented",
    grpc.StatusCode.UNAVAILABLE: "503 Service Unavailable",
    grpc.StatusCode.DEADLINE_EXCEEDED: "504 Gateway Timeout",
}
_SERVER_ERROR = "500 Internal Server Error"
_NOT_FOUND_PAGE = b"<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"
_CORS_HEADERS = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type, Authorization"),
]
_LARGEST_BODY_BYTES = 2**31 - 1
# How long the loop over the sockets sleeps without traffic; ending takes as long.
_LOOP_SECONDS = 0.1


class Application:
    """The WSGI application.

    Args:
        manager: `Manager` whose `load` has returned.
        threads: predictions that may run at once.
        timeout: seconds after which a caller is told that its prediction takes too long.
        metrics_path: path of the metrics, or None for none.
        with_cors: whether pages of other origins may call.
    """

    def __init__(self, manager, threads, timeout, metrics_path=None, with_cors=False):
        self._manager = manager
        self._timeout = timeout
        self._metrics_path = metrics_path
        self._headers = _CORS_HEADERS if with_cors else []
        self._runs = futures.ThreadPoolExecutor(threads, thread_name_prefix="rest")

    def __call__(self, environ, start_response):
        code, kind, body = self._respond(environ)
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *self._headers]
        start_response(code, headers)
        return [body]

    def _respond(self, environ):
        verb, path = environ["REQUEST_METHOD"], environ["REQUEST_URI"]
        if path == self._metrics_path:
            return "200 OK", metrics.CONTENT_TYPE, metrics.page()
        if verb == "OPTIONS" and self._headers:
            return "200 OK", "text/plain", b""
        if not _API_PATH.fullmatch(path):
            return "404 Not Found", "text/html", _NOT_FOUND_PAGE
        try:
            code, document = "200 OK", self._answer(verb, path, environ["wsgi.input"])
        except status.StatusError as error:
            code = _HTTP_STATUS.get(error.code, _SERVER_ERROR)
            document = {"error": error.message}
        except Exception as error:  # A defect of this server: the caller is told, it lives on.
            logging.exception("%s %s failed.", verb, path)
            code, document = _SERVER_ERROR, {"error": f"{type(error).__name__}: {error}"}
        return code, "application/json", json_text.text(document).encode()

    def _answer(self, verb, path, body):
        """The document that answers a call under /v1/."""
        if verb == "POST" and (found := _CALL_PATH.fullmatch(path)):
            spec = _model_spec(found)
            if found["method"] != "predict":
                raise services.not_served(found["method"].capitalize())
            return self._predict(spec, body.read())
        if verb == "GET" and (found := _MODEL_PATH.fullmatch(path)):
            if not found["model"]:
                raise status.invalid_argument("Missing model name in request.")
            return self._metadata(found) if found["metadata"] else self._status(found)
        raise status.invalid_argument(f"Malformed request: {verb} {path}")

    def _predict(self, spec, body):
        with metrics.request(spec.name, "REST"):
            request = predict_pb2.PredictRequest(model_spec=spec)
            document = json_text.parse(body)
            in_rows = rest_request.fill(document, lambda name: self._inputs(spec, name), request)
            run = self._runs.submit(predict.call, self._manager, request)
            try:
                _, outputs = run.result(self._timeout)
            except futures.TimeoutError as error:
                # The run itself cannot be stopped; only its caller waits no longer.
                raise status.deadline_exceeded("Timed out waiting for notification") from error
            return rest_response.document(outputs, in_rows)

    def _inputs(self, spec, signature_name):
        _, model = self._manager.find(spec)
        name = signature_name or predict.DEFAULT_SIGNATURE
        if name not in model.signature_defs:
            raise status.invalid_argument(
                f'Serving signature name: "{name}" not found in signature def'
            )
        return model.signature_defs[name].inputs

    def _status(self, found):
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=_model_spec(found))
        return _json(services.get_model_status(self._manager, request))

    def _metadata(self, found):
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=_model_spec(found), metadata_field=["signature_def"]
        )
        response = predict.get_model_metadata(self._manager, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        spec = response.model_spec
        return {
            "model_spec": {
                "name": spec.name,
                "signature_name": spec.signature_name,
                "version": str(spec.version.value),
            },
            "metadata": {"signature_def": _json(signatures)},
        }


def _model_spec(found):
    spec = model_pb2.ModelSpec(name=found["model"])
    if found["version"]:
        if int(found["version"]) >= 2**63:
            raise status.invalid_argument(
                f"Failed to convert version: {found['version']} to numeric."
            )
        spec.version.value = int(found["version"])
    elif found["label"]:
        spec.version_label = found["label"]
    return spec


def _json(message):
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


class Server:
    """The application on a port, in a thread of its own (Waitress)."""

    def __init__(self, application, host, port, threads):
        """Listen at once.

        Raises:
            StatusError: UNAVAILABLE when the port cannot be had.
        """
        try:
            self._server = waitress.server.create_server(
                application,
                host=host,
                port=port,
                threads=threads,
                ident=None,
                max_request_body_size=_LARGEST_BODY_BYTES,
                clear_untrusted_proxy_headers=True,
            )
        except OSError as error:
            raise status.unavailable(
                f"cannot listen on {host}:{port}: another program may hold the port; choose "
                "another --rest_api_port"
            ) from error
        self.port = self._server.effective_port
        self._stopped = threading.Event()
        self._loop = threading.Thread(target=self._run, name="rest", daemon=True)
        self._loop.start()

    def stop(self, grace_seconds):
        """Take no more connections; calls that run may take so many seconds to end."""
        end = time.monotonic() + grace_seconds
        # Sockets belong to the loop's thread: it closes them.
        self._server.trigger.pull_trigger(lambda: wasyncore.dispatcher.close(self._server))
        self._server.task_dispatcher.shutdown(timeout=grace_seconds)
        while time.monotonic() < end and self._is_sending():
            time.sleep(0.01)
        self._stopped.set()
        self._loop.join()

    def _run(self):
        sockets = self._server._map
        while not self._stopped.is_set():
            wasyncore.loop(_LOOP_SECONDS, use_poll=True, map=sockets, count=1)
        wasyncore.close_all(sockets, ignore_all=True)

    def _is_sending(self):
        channels = list(self._server.active_channels.values())
        return any(channel.total_outbufs_len for channel in channels)
