"""Asking the server under test, and publishing versions for it."""

import shutil
import socket
import time
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

SECONDS = 20  # Longest wait for something that should happen at once.
ONE = np.float32([1])


def connect(port, credentials=None):
    options = [("grpc.max_receive_message_length", -1)]
    address = f"localhost:{port}" if credentials else f"127.0.0.1:{port}"
    if credentials:
        channel = grpc.secure_channel(address, credentials, options)
    else:
        channel = grpc.insecure_channel(address, options)
    model = model_service_pb2_grpc.ModelServiceStub(channel)
    return SimpleNamespace(
        channel=channel,
        predict=prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict,
        status=model.GetModelStatus,
        reload=model.HandleReloadConfigRequest,
    )


def request(model="", x=ONE, signature="", alias="x"):
    asked = predict_pb2.PredictRequest()
    if model:
        asked.model_spec.name = model
    if signature:
        asked.model_spec.signature_name = signature
    asked.inputs[alias].CopyFrom(tf.make_tensor_proto(x))
    return asked


def answer(response):
    return tf.make_ndarray(response.outputs["y"]).tolist()


def status_request(model):
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = model
    return asked


def states(client, model):
    listed = client.status(status_request(model), timeout=SECONDS).model_version_status
    return [(version.version, version.state) for version in listed]


def failure(call, *arguments):
    """(name of the code, message) that a call fails with."""
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


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
