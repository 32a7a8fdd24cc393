import re
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2

from serving import server
from serving.embedded.servables import State
from serving.embedded.status import StatusError
from tests.serving.embedded.asking import (
    SECONDS,
    answer,
    connect,
    failure,
    free_port,
    publish,
    request,
    states,
    status_request,
    wait_until,
)


@pytest.fixture
def serve_one(serve):
    """`serve_one(name, folder, *flags)` returns a client of a server of one model."""

    def start(name, folder, *flags):
        folder_flags = [f"--model_name={name}", f"--model_base_path={folder}"]
        return connect(serve(*folder_flags, "--file_system_poll_wait_seconds=0.05", *flags))

    return start


# --- Calls ---


def test_answers_over_4_mib_arrive(models, serve_one):
    client = serve_one("plus", models / "plus")
    many = np.zeros(2_000_000, np.float32)
    response = client.predict(request("plus", many), timeout=SECONDS)
    assert len(response.outputs["y"].float_val) == many.size
    assert set(response.outputs["y"].float_val) == {2.0}


def test_a_long_message_is_cut(models, serve_one):
    client = serve_one("plus", models / "plus")
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
def test_bytes_and_methods_that_mean_nothing_are_refused(models, serve_one, method, code):
    call = serve_one("plus", models / "plus").channel.unary_unary(method)
    assert failure(call, b"\xff\xff\xff\xff") == (code, "")


def test_status_needs_a_model(models, serve_one):
    client = serve_one("plus", models / "plus")
    asked = get_model_status_pb2.GetModelStatusRequest()
    assert failure(client.status, asked) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_calls_beyond_the_thread_limit_are_refused_at_once(models, serve_one):
    client = serve_one("slow", models / "slow", "--grpc_max_threads=1")
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


def test_a_new_version_takes_over_without_a_failed_call(models, serve_one, tmp_path):
    publish(models / "plus/1", tmp_path / "1")
    client = serve_one("plus", tmp_path)
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


def test_a_broken_version_is_shown_and_the_old_one_goes_on(models, serve_one, tmp_path):
    publish(models / "plus/1", tmp_path / "1")
    client = serve_one("plus", tmp_path)
    (tmp_path / "2").mkdir()
    wait_until(lambda: states(client, "plus") == [(2, State.END), (1, State.AVAILABLE)])
    assert client.predict(request("plus")).model_spec.version.value == 1
    asked = status_request("plus")
    asked.model_spec.version.value = 2
    [version] = client.status(asked).model_version_status
    assert version.status.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert version.status.error_message.endswith(f"Specified file path: {tmp_path / '2'}")


def test_unloading_lets_a_running_call_end(models, serve_one, tmp_path):
    publish(models / "slow/1", tmp_path / "1")
    client = serve_one("slow", tmp_path)
    running = client.predict.future(request("slow", np.float32([2.5])))
    time.sleep(0.2)
    publish(models / "plus/2", tmp_path / "2")
    wait_until(lambda: states(client, "slow") == [(2, State.AVAILABLE), (1, State.END)])
    assert not running.done()
    assert running.result().model_spec.version.value == 1


# --- The program ---


def command(*flags):
    return [sys.executable, "-m", "serving.server", *flags]


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
    flags = ["--model_name=m", f"--model_base_path={tmp_path}", "--max_num_load_retries=0"]
    flags += ["--num_load_threads=2"]
    ended = subprocess.run(command(*flags), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 255
    assert "--num_load_threads=2 has no effect" in ended.stderr
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: m version: 1} due to error: NOT_FOUND: Specified file path does not appear"
    ) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_named(models):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        flags = ["--model_name=plus", f"--model_base_path={models / 'plus'}"]
        for flag in ("port", "rest_api_port"):
            places = [f"--port={free_port()}", f"--rest_api_port={free_port()}", f"--{flag}={port}"]
            with pytest.raises(StatusError, match=re.escape(f"cannot listen on 127.0.0.1:{port}")):
                server.start(server.parse([*flags, *places]))


def test_an_address_that_is_none_is_refused(models):
    flags = ["--model_name=plus", f"--model_base_path={models / 'plus'}"]
    with pytest.raises(StatusError, match="--listen_address=everywhere should be an IP address"):
        server.start(server.parse([*flags, "--listen_address=everywhere"]))


def test_without_a_port_a_socket_serves(models, serve, tmp_path):
    path = tmp_path / "socket"
    folder_flags = ["--model_name=plus", f"--model_base_path={models / 'plus'}"]
    serve(*folder_flags, "--port=0", f"--grpc_socket_path={path}")
    with grpc.insecure_channel(f"unix:{path}") as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        assert call(request("plus").SerializeToString(), timeout=SECONDS)


def test_gRPC_takes_its_channel_arguments(models, serve_one):  # noqa: N802
    client = serve_one(
        "plus", models / "plus", "--grpc_channel_arguments=grpc.max_receive_message_length=9"
    )
    code, _ = failure(client.predict, request("plus"))
    assert code == "RESOURCE_EXHAUSTED"


def test_a_channel_argument_without_a_value_is_refused(models, serve_one):
    with pytest.raises(StatusError, match="'nonsense' should read NAME=VALUE"):
        serve_one("plus", models / "plus", "--grpc_channel_arguments=nonsense")


def test_only_loopback_is_listened_on(models, serve_one):
    port = free_port()
    serve_one("plus", models / "plus", f"--rest_api_port={port}")
    # Another loopback address reaches a server that listens on every interface.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=SECONDS)


# --- Batching, by the flags ---


def run_at_once(client, *asked):
    """What concurrent calls return, or their (code, message)."""
    running = [client.predict.future(one, timeout=SECONDS) for one in asked]
    outcomes = []
    for call in running:
        try:
            outcomes.append(answer(call.result()))
        except grpc.RpcError as error:
            outcomes.append((error.code().name, error.details()))
    return outcomes


SHORT, LONG = np.zeros([1, 2], np.float32), np.ones([1, 3], np.float32)


def batching_flags(folder):
    file = folder / "batching.config"
    file.write_text("max_batch_size { value: 2 } batch_timeout_micros { value: 10000000 }")
    return ["--enable_batching", f"--batching_parameters_file={file}"]


def test_an_odd_shape_fails_no_neighbour(models, serve_one, tmp_path):
    client = serve_one("plus", models / "plus", *batching_flags(tmp_path))
    outcomes = run_at_once(client, request("plus", SHORT), request("plus", LONG))
    assert outcomes == [[[2, 2]], [[3, 3, 3]]]


def test_with_the_real_servers_faults_it_fails_them_all(models, serve_one, tmp_path):
    flags = [*batching_flags(tmp_path), "--imitate_faults"]
    client = serve_one("plus", models / "plus", *flags)
    outcomes = run_at_once(client, request("plus", SHORT), request("plus", LONG))
    assert [code for code, _ in outcomes] == ["FAILED_PRECONDITION"] * 2
    assert all("Tensors with name 'serving_default_x:0'" in message for _, message in outcomes)


def test_a_version_may_bring_its_own_batching_parameters(models, serve_one, tmp_path):
    publish(models / "plus/1", tmp_path / "1")
    flags = ["--enable_batching", "--enable_per_model_batching_parameters"]
    client = serve_one("plus", tmp_path, *flags)
    two_rows = request("plus", np.float32([1, 2]))
    assert answer(client.predict(two_rows, timeout=SECONDS)) == [2, 3]
    hidden = tmp_path / "copying"
    publish(models / "plus/2", hidden)
    (hidden / "batching_params.pbtxt").write_text("max_batch_size { value: 1 }")
    hidden.rename(tmp_path / "2")
    wait_until(lambda: (2, State.AVAILABLE) in states(client, "plus"))
    assert failure(client.predict, two_rows) == (
        "INVALID_ARGUMENT",
        "Task size 2 is larger than maximum input batch size 1",
    )


# --- Reload, by the call ---


def reload_request(name, folder, versions):
    asked = model_management_pb2.ReloadConfigRequest()
    added = asked.config.model_config_list.config.add(
        name=name, base_path=str(folder), model_platform="tensorflow"
    )
    added.model_version_policy.specific.versions.extend(versions)
    return asked


def test_rolling_back_and_forth_under_load_loses_no_call(models, serve_one):
    client = serve_one("plus", models / "plus")
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
    for version in (1, 2, 1):
        client.reload(reload_request("plus", models / "plus", [version]), timeout=SECONDS)
        served = (version, State.AVAILABLE), (3 - version, State.END)
        wait_until(lambda wanted=served: set(states(client, "plus")) == set(wanted))
    wait_until(lambda: (1, 2.0) in answers)
    over.set()
    for caller in callers:
        caller.join()
    assert errors == []
    assert answers == {(1, 2.0), (2, 3.0)}
