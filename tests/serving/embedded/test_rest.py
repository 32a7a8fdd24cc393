"""What the recorded conversations do not hold; the rest is in tests/conformance."""

import http.client
import json
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from serving.embedded import json_text, manager, rest_request, rest_response
from serving.embedded.status import StatusError
from tests.serving.embedded.asking import SECONDS, connect, failure, free_port, request


@pytest.fixture
def serve_rest(serve):
    """`serve_rest(name, folder, *flags)` returns (gRPC port, REST port)."""

    def start(name, folder, *flags):
        port = free_port()
        folder_flags = [f"--model_name={name}", f"--model_base_path={folder}"]
        return serve(*folder_flags, f"--rest_api_port={port}", *flags), port

    return start


def ask(port, verb, path, body=None):
    """(status, headers, body as bytes)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(verb, path, body)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_a_prediction_that_takes_too_long_is_told_so(models, serve_rest):
    _, port = serve_rest("slow", models / "slow", "--rest_api_timeout_in_ms=200")
    body = json.dumps({"instances": [1.5]})
    status, _, answer = ask(port, "POST", "/v1/models/slow:predict", body)
    assert status == 504
    assert json.loads(answer) == {"error": "Timed out waiting for notification"}


@pytest.mark.parametrize("allowed", [True, False])
def test_pages_of_other_origins_may_call_only_when_asked(models, serve_rest, allowed):
    flag = f"--rest_api_enable_cors_support={allowed}"
    _, port = serve_rest("plus", models / "plus", flag)
    _, headers, _ = ask(port, "GET", "/v1/models/plus")
    assert headers.get("Access-Control-Allow-Origin") == ("*" if allowed else None)
    assert (ask(port, "OPTIONS", "/v1/models/plus:predict")[0] == 200) == allowed


def test_the_port_of_gRPC_is_not_taken_for_REST(models, serve, capfd):  # noqa: N802
    port = free_port()
    flags = ["--model_name=plus", f"--model_base_path={models / 'plus'}", f"--port={port}"]
    serve(*flags, f"--rest_api_port={port}")
    assert connect(port).predict(request("plus"), timeout=SECONDS)


def test_a_version_that_is_no_int64_is_refused(models, serve_rest):
    _, port = serve_rest("plus", models / "plus")
    status, _, body = ask(port, "GET", f"/v1/models/plus/versions/{2**63}")
    assert status == 400
    assert json.loads(body) == {"error": f"Failed to convert version: {2**63} to numeric."}


def test_metrics_count_what_is_asked(models, serve_rest, tmp_path):
    config = tmp_path / "monitoring.config"
    config.write_text('prometheus_config { enable: true path: "/numbers" }')
    port, rest_port = serve_rest("pair", models / "pair", f"--monitoring_config_file={config}")

    def value(line):
        _, headers, page = ask(rest_port, "GET", "/numbers")
        assert headers["Content-Type"] == "text/plain"
        found = [row for row in page.decode().splitlines() if row.startswith(f"{line} ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    def counts():
        latency = ":tensorflow:serving:request_latency_count"
        return (
            value(':tensorflow:serving:request_count{model_name="pair",status="OK"}'),
            value(':tensorflow:serving:request_count{model_name="nope",status="NOT_FOUND"}'),
            value(f'{latency}{{API="Predict",entrypoint="GRPC",model_name="pair"}}'),
            value(f'{latency}{{API="Predict",entrypoint="REST",model_name="pair"}}'),
        )

    before = np.array(counts())
    asked = request("pair")
    asked.inputs["w"].CopyFrom(asked.inputs["x"])
    client = connect(port)
    client.predict(asked, timeout=SECONDS)
    client.predict(asked, timeout=SECONDS)
    body = '{"instances": [{"x": 1, "w": 2}]}'
    assert ask(rest_port, "POST", "/v1/models/pair:predict", body)[0] == 200
    assert ask(rest_port, "POST", "/v1/models/nope:predict", body)[0] == 404
    assert (np.array(counts()) - before).tolist() == [3, 1, 2, 1]
    types = {
        ":tensorflow:serving:request_count": "counter",
        ":tensorflow:serving:runtime_latency": "histogram",
        ":tensorflow:cc:saved_model:load_latency": "counter",
    }
    page = ask(rest_port, "GET", "/numbers")[2].decode().splitlines()
    for name, kind in types.items():
        assert f"# TYPE {name} {kind}" in page


def test_sigterm_lets_a_running_prediction_end(models):
    port = free_port()
    command = [sys.executable, "-m", "serving.server", "--model_name=slow", "--port=0"]
    command += [f"--model_base_path={models / 'slow'}", f"--rest_api_port={port}"]
    command += [f"--grpc_socket_path={models / 'slow-socket'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().endswith(f"and by REST on port {port}.\n")
            answers = []
            body = json.dumps({"instances": [2.0]})
            path = "/v1/models/slow:predict"
            call = threading.Thread(
                target=lambda: answers.append(ask(port, "POST", path, body)[::2])
            )
            call.start()
            call.join(0.7)
            process.send_signal(signal.SIGTERM)
            assert answers == []
            call.join(SECONDS)
            assert answers[0][0] == 200
            assert json.loads(answers[0][1]) == {"predictions": [2.0]}
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()


# --- JSON ---


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a": 1} x', "The document root must not be followed by other values. at offset: 9"),
        (b'{"a": 1e999}', "Number too big to be stored in double. at offset: 6"),
        (b"\xff", "Invalid value. at offset: 0"),
    ],
)
def test_text_that_is_no_json_fails_where_it_does(body, message):
    with pytest.raises(StatusError) as caught:
        json_text.parse(body)
    assert caught.value.message.startswith("JSON Parse error: ")
    if body[0] < 128:
        assert caught.value.message == f"JSON Parse error: {message}"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.5, "1.5"), (2.0, "2.0"), (0.1 + 0.2, "0.30000000000000004"), ("a", '"a"'), (None, "null")],
)
def test_values_are_shown_exactly(value, text):
    assert json_text.shown(value) == text


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("float32", 2**24 + 1, "Cannot convert JSON value: 16777217 to float without loss of"),
        ("float32", 1e39, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ("float32", True, "JSON Value: true Type: True is not of expected type: float"),
        ("int32", 2**31, "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
        ("uint32", -1, "JSON Value: -1 Type: Number is not of expected type: uint32"),
        ("string", {"b": "x"}, "does not have named input: b"),
        ("float16", 1.0, "Conversion of JSON Value: 1.0 to type: half"),
    ],
)
def test_a_value_that_a_dtype_cannot_hold_is_refused(dtype, value, message):
    infos = {"x": meta_graph_pb2.TensorInfo(dtype=tf.as_dtype(dtype).as_datatype_enum)}
    with pytest.raises(StatusError) as caught:
        rest_request.fill({"instances": [value]}, lambda name: infos, request())
    assert message in caught.value.message


def test_float32_goes_out_with_six_digits_or_nine():
    values = np.float32([0.1, 1 / 3, 123456792, 1e-20, 3e38])
    document = rest_response.document({"y": tf.constant(values)}, in_rows=True)
    assert document == {"predictions": [0.1, 0.333333343, 123456792.0, 1e-20, 3e38]}
    assert np.float32(document["predictions"]).tolist() == values.tolist()


def test_outputs_of_other_row_counts_cannot_be_rows():
    outputs = {"a": tf.zeros([2]), "b": tf.zeros([3])}
    with pytest.raises(StatusError, match="b has inconsistent batch size: 3 expecting: 2"):
        rest_response.document(outputs, in_rows=True)


def test_a_list_nested_without_end_is_refused(models, serve_rest):
    _, port = serve_rest("plus", models / "plus")
    for depth in (300, 900, 100_000):
        body = '{"instances": ' + "[" * depth + "]" * depth + "}"
        status, _, answer = ask(port, "POST", "/v1/models/plus:predict", body)
        assert status == 400
        assert "error" in json.loads(answer)


def test_a_defect_of_the_server_is_told_to_the_caller(models, serve_rest, monkeypatch):
    port, rest_port = serve_rest("plus", models / "plus")

    def broken(self, spec):
        raise KeyError("a defect")

    monkeypatch.setattr(manager.Manager, "find", broken)
    monkeypatch.setattr(manager.Manager, "versions", broken)
    told = "KeyError: 'a defect'"
    status, _, answer = ask(rest_port, "GET", "/v1/models/plus")
    assert (status, json.loads(answer)) == (500, {"error": told})
    assert failure(connect(port).predict, request("plus")) == ("INTERNAL", told)
