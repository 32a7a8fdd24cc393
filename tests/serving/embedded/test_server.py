import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving import server
from serving.embedded import services
from serving.embedded.model_config import ModelConfig
from serving.embedded.servables import Manager, State
from serving.embedded.status import StatusError

SECONDS = 20  # Longest wait for something that should happen at once.


@pytest.fixture
def serve():
    """Start servers in this process, on free ports; they end with the test."""
    running = []

    def start(name, folder, threads=8):
        manager = Manager([ModelConfig(name, str(folder))], poll_wait_seconds=0.05)
        assert manager.load()
        grpc_server, port = services.start(manager, "127.0.0.1:0", threads)
        running.append((manager, grpc_server))
        return connect(port)

    yield start
    for manager, grpc_server in running:
        manager.stop()
        grpc_server.stop(0)


def connect(port):
    unlimited = [("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", unlimited)
    return SimpleNamespace(
        channel=channel,
        predict=prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict,
        status=model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus,
        reload=model_service_pb2_grpc.ModelServiceStub(channel).HandleReloadConfigRequest,
    )


ONE = np.float32([1])


def request(model, x=ONE, signature=""):
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = model
    asked.model_spec.signature_name = signature
    asked.inputs["x"].CopyFrom(tf.make_tensor_proto(x))
    return asked


def answer(response):
    return tf.make_ndarray(response.outputs["y"]).tolist()


def states(client, model):
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = model
    listed = client.status(asked, timeout=SECONDS).model_version_status
    return [(version.version, version.state) for version in listed]


def failure(call, *arguments):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=SECONDS)
    return caught.value.code().name, caught.value.details()


def publish(source, target):
    """A version has to appear complete."""
    hidden = target.with_name(f"copying_{target.name}")
    shutil.copytree(source, hidden)
    hidden.rename(target)


def wait_until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# --- Calls ---


def test_answers_over_4_mib_arrive(models, serve):
    client = serve("plus", models / "plus")
    many = np.zeros(2_000_000, np.float32)
    response = client.predict(request("plus", many), timeout=SECONDS)
    assert len(response.outputs["y"].float_val) == many.size
    assert set(response.outputs["y"].float_val) == {2.0}


def test_a_long_message_is_cut(models, serve):
    client = serve("plus", models / "plus")
    code, message = failure(client.predict, request("plus", signature="s" * 2000))
    assert code == "FAILED_PRECONDITION"
    assert message.endswith("s...TRUNCATED")
    assert len(message) == 1024 + len("...TRUNCATED")


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("/tensorflow.serving.PredictionService/Predict", "INTERNAL"),
        ("/tensorflow.serving.PredictionService/Nope", "UNIMPLEMENTED"),
        ("/grpc.health.v1.Health/Check", "UNIMPLEMENTED"),
    ],
)
def test_bytes_and_methods_that_mean_nothing_are_refused(models, serve, method, code):
    call = serve("plus", models / "plus").channel.unary_unary(method)
    assert failure(call, b"\xff\xff\xff\xff") == (code, "")


def test_what_is_not_served_says_so(models, serve):
    client = serve("plus", models / "plus")
    code, message = failure(client.reload, model_management_pb2.ReloadConfigRequest())
    assert code == "UNIMPLEMENTED"
    assert "--model_config_file" in message


def test_status_needs_a_model(models, serve):
    client = serve("plus", models / "plus")
    asked = get_model_status_pb2.GetModelStatusRequest()
    assert failure(client.status, asked) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_calls_beyond_the_thread_limit_are_refused_at_once(models, serve):
    client = serve("slow", models / "slow", threads=1)
    quick = request("slow", np.float32([0]))
    client.predict(quick, timeout=SECONDS)
    running = client.predict.future(request("slow", np.float32([1.5])))
    time.sleep(0.2)
    refused = []

    def is_refused():
        try:
            client.predict(quick)
        except grpc.RpcError as error:
            refused.append((error.code().name, error.details()))
        return refused

    wait_until(is_refused)
    assert refused == [("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted")]
    assert answer(running.result()) == [1.5]
    client.predict(quick, timeout=SECONDS)


# --- Versions that come while calls run ---


def test_a_new_version_takes_over_without_a_failed_call(models, serve, tmp_path):
    publish(models / "plus/1", tmp_path / "1")
    client = serve("plus", tmp_path)
    answers, errors, over = set(), [], threading.Event()

    def load():
        while not over.is_set():
            try:
                response = client.predict(request("plus"), timeout=SECONDS)
                answers.add((response.model_spec.version.value, *answer(response)))
            except grpc.RpcError as error:
                errors.append(error)

    callers = [threading.Thread(target=load) for _ in range(3)]
    for caller in callers:
        caller.start()
    wait_until(lambda: (1, 2.0) in answers)
    publish(models / "plus/2", tmp_path / "2")
    wait_until(lambda: states(client, "plus") == [(2, State.AVAILABLE), (1, State.END)])
    wait_until(lambda: (2, 3.0) in answers)
    over.set()
    for caller in callers:
        caller.join()
    assert errors == []
    assert answers == {(1, 2.0), (2, 3.0)}


def test_a_broken_version_is_shown_and_the_old_one_goes_on(models, serve, tmp_path):
    publish(models / "plus/1", tmp_path / "1")
    client = serve("plus", tmp_path)
    (tmp_path / "2").mkdir()
    wait_until(lambda: states(client, "plus") == [(2, State.END), (1, State.AVAILABLE)])
    assert client.predict(request("plus")).model_spec.version.value == 1
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = "plus"
    asked.model_spec.version.value = 2
    [version] = client.status(asked).model_version_status
    assert version.status.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert version.status.error_message.endswith(f"Specified file path: {tmp_path / '2'}")


def test_unloading_lets_a_running_call_end(models, serve, tmp_path):
    publish(models / "slow/1", tmp_path / "1")
    client = serve("slow", tmp_path)
    running = client.predict.future(request("slow", np.float32([2.5])))
    time.sleep(0.2)
    publish(models / "plus/2", tmp_path / "2")
    wait_until(lambda: states(client, "slow") == [(2, State.AVAILABLE), (1, State.END)])
    assert not running.done()
    assert running.result().model_spec.version.value == 1


# --- The program ---


def command(*flags):
    return [sys.executable, "-m", "serving.server", *flags]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_sigterm_lets_the_running_call_end_and_exits_with_0(models):
    port = free_port()
    flags = ["--model_name=slow", f"--model_base_path={models / 'slow'}", f"--port={port}"]
    with subprocess.Popen(command(*flags), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == f"Serving slow/1 by gRPC on port {port}.\n"
            client = connect(port)
            client.predict(request("slow", np.float32([0])), timeout=SECONDS)
            running = client.predict.future(request("slow", np.float32([2])))
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            assert not running.done()
            assert answer(running.result()) == [2.0]
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()


def test_a_broken_model_ends_the_start_in_the_words_of_the_real_server(tmp_path):
    (tmp_path / "1").mkdir()
    flags = ["--model_name=m", f"--model_base_path={tmp_path}", "--rest_api_port=8501"]
    ended = subprocess.run(command(*flags), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 255
    assert "--rest_api_port=8501 has no effect" in ended.stderr
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: m version: 1} due to error: NOT_FOUND: Specified file path does not appear"
    ) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nothing_to_serve_is_said():
    with pytest.raises(StatusError) as caught:
        server.configured_models("", "default", "")
    assert str(caught.value) == (
        "INVALID_ARGUMENT: Both server_options.model_base_path and "
        "server_options.model_config_file are empty!"
    )


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StatusError, match=re.escape(f"cannot listen on {address}")):
            services.start(Manager([]), address, threads=1)
