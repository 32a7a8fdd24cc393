"""The deployment itself, run here: the embedded server with its flags and files behind nginx."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving import configure
from serving.embedded import metrics
from tests.serving.deploy.conftest import flags_of
from tests.serving.embedded.asking import SECONDS, failure, free_port, request, wait_until
from zoo import catalog

IMAGE = np.zeros((1, 8, 9, 3), np.float32)


def ready(files, deployment, config="models.config"):
    command = ["bash", files.config / "ready.sh", files.config / config, str(deployment.rest)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_ready_once_every_model_of_the_configuration_is_available(files, deployment):
    assert ready(files, deployment).returncode == 0
    more = (files.config / "models.config").read_text().replace('"tiny"', '"other"')
    (files.config / "more.config").write_text(more)
    answer = ready(files, deployment, "more.config")
    assert (answer.returncode, answer.stderr) == (1, "other is not available\n")
    (files.config / "none.config").write_text("model_config_list {}\n")
    assert ready(files, deployment, "none.config").returncode == 1


def test_the_queue_that_the_autoscaler_follows_is_measured(deployment):
    with grpc.insecure_channel(f"127.0.0.1:{deployment.grpc}") as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        predict(request("tiny", np.repeat(IMAGE, 3, 0), alias="image"), timeout=SECONDS)
    url = f"http://127.0.0.1:{deployment.rest}{metrics.PATH}"
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        page = answer.read().decode()
    waited = ":tensorflow:serving:batching_session:queuing_latency_count{thread_pool_name="
    (line,) = [line for line in page.splitlines() if line.startswith(waited)]
    # Three rows, one by one.
    assert float(line.split()[-1]) >= 3


# --- Through the proxy


@pytest.fixture(scope="module")
def key(secrets):
    return (secrets / "keys.map").read_text().split('"')[1]


def channel(port, secrets, key=None, certificate=False):
    def pem(name):
        return (secrets / name).read_bytes()

    own = (pem("user-alice.key"), pem("user-alice.crt")) if certificate else (None, None)
    credentials = grpc.ssl_channel_credentials(pem("ca.crt"), *own)
    if key:
        token = grpc.access_token_call_credentials(key.removeprefix("Bearer "))
        credentials = grpc.composite_channel_credentials(credentials, token)
    return grpc.secure_channel(f"localhost:{port}", credentials)


def predict_call(opened):
    return prediction_service_pb2_grpc.PredictionServiceStub(opened).Predict


@pytest.mark.parametrize("by", ["key", "certificate"])
def test_a_user_may_ask(proxy, secrets, key, by):
    who = {"key": key} if by == "key" else {"certificate": True}
    with channel(proxy, secrets, **who) as opened:
        answer = predict_call(opened)(request("tiny", IMAGE, alias="image"), timeout=SECONDS)
        assert answer.model_spec.version.value == 1
        labelled = request("tiny", IMAGE, alias="image")
        labelled.model_spec.version_label = "stable"
        assert predict_call(opened)(labelled, timeout=SECONDS).outputs.keys() == {"image"}
        asked = get_model_status_pb2.GetModelStatusRequest()
        asked.model_spec.name = "tiny"
        states = model_service_pb2_grpc.ModelServiceStub(opened).GetModelStatus(asked)
        assert states.model_version_status


def test_strangers_may_not(proxy, secrets):
    for who in ({}, {"key": "Bearer guessed"}):
        with channel(proxy, secrets, **who) as opened:
            code, _ = failure(predict_call(opened), request("tiny", IMAGE, alias="image"))
            assert code == "UNAUTHENTICATED"
    with grpc.insecure_channel(f"localhost:{proxy}") as opened:
        code, _ = failure(predict_call(opened), request("tiny", IMAGE, alias="image"))
        assert code == "UNAVAILABLE"


def test_users_may_not_replace_models(proxy, secrets, key):
    with channel(proxy, secrets, key=key) as opened:
        reload = model_service_pb2_grpc.ModelServiceStub(opened).HandleReloadConfigRequest
        code, _ = failure(reload, model_management_pb2.ReloadConfigRequest())
        assert code == "PERMISSION_DENIED"


def test_a_request_larger_than_the_limit_is_refused(proxy, secrets, key):
    large = predict_pb2.PredictRequest()
    large.inputs["image_bytes"].tensor_content = bytes(65 * 2**20)
    with channel(proxy, secrets, key=key) as opened:
        code, details = failure(predict_call(opened), large)
        assert "413" in details, (code, details)
        answer = predict_call(opened)(request("tiny", IMAGE, alias="image"), timeout=SECONDS)
        assert answer.outputs.keys() == {"image"}


def rest(port, secrets, path, key=None, body=None):
    trusted = ssl.create_default_context(cafile=secrets / "ca.crt")
    asked = urllib.request.Request(f"https://localhost:{port}{path}", body)
    if key:
        asked.add_header("Authorization", key)
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS, context=trusted) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_rest_has_the_same_users_and_no_metrics(proxy, secrets, key):
    code, answer = rest(proxy, secrets, "/v1/models/tiny", key)
    assert code == 200
    assert b"AVAILABLE" in answer
    body = json.dumps({"instances": IMAGE.tolist()}).encode()
    assert rest(proxy, secrets, "/v1/models/tiny:predict", key, body)[0] == 200
    assert rest(proxy, secrets, "/v1/models/tiny")[0] == 401
    assert rest(proxy, secrets, metrics.PATH, key)[0] == 403


# --- TLS without a proxy


def test_a_server_with_ssl_config_wants_a_client_certificate(files, secrets, tmp_path):
    from serving import server

    file = tmp_path / "ssl.config"
    file.write_text(configure.ssl_config(secrets))
    port = free_port()
    base = f"--model_base_path={files.models}/tiny"
    flags = ["--model_name=tiny", base, f"--port={port}", f"--ssl_config_file={file}"]
    running = server.start(server.parse(flags))
    try:
        with channel(port, secrets, certificate=True) as opened:
            predict_call(opened)(request("tiny", IMAGE, alias="image"), timeout=SECONDS)
        with channel(port, secrets) as opened:
            code, _ = failure(predict_call(opened), request("tiny", IMAGE, alias="image"))
            assert code == "UNAVAILABLE"
    finally:
        running.stop(grace_seconds=1)


# --- Versions


def test_labels_roll_a_version_forward_and_back_without_a_restart(files, models, tmp_path):
    from serving import server

    listed = [catalog.find("plus", models)]
    config = tmp_path / "models.config"

    def configure_labels(*labels):
        texts = [f"plus:{label}" for label in labels]
        text = configure.models_config(listed, labels=configure.parse_labels(texts, listed))
        partial = tmp_path / "partial"
        partial.write_text(text)
        partial.replace(config)

    configure_labels("stable=1")
    port = free_port()
    flags = flags_of(files.config / "serve.sh")
    own = {
        "port": port,
        "rest_api_port": 0,
        "monitoring_config_file": "",
        "batching_parameters_file": files.config / "batching.config",
        "model_config_file": config,
        "model_config_file_poll_wait_seconds": 0.1,
        "file_system_poll_wait_seconds": 0.1,
    }
    flags += [f"--{name}={value}" for name, value in own.items()]
    running = server.start(server.parse(flags))
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as opened:

            def version_of(label):
                asked = request("plus")
                asked.model_spec.version_label = label
                try:
                    answer = predict_call(opened)(asked, timeout=SECONDS)
                except grpc.RpcError as error:
                    return error.code().name
                return answer.model_spec.version.value

            assert version_of("stable") == 1
            for labels in (
                {"stable": 1, "canary": 2},
                {"stable": 2, "previous": 1},
                {"stable": 1, "canary": 2},
            ):
                configure_labels(*[f"{label}={version}" for label, version in labels.items()])
                wait_until(lambda labels=labels: {k: version_of(k) for k in labels} == labels)
    finally:
        running.stop(grace_seconds=1)
