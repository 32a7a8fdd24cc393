"""Bytes that mean nothing, clients that never read, clients that vanish; others must not notice."""

import contextlib
import random
import socket

import grpc
import numpy as np
import pytest
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tests.conformance.servers import LOOPBACK
from tests.serving.embedded.asking import SECONDS, answer, connect, request, wait_until
from tests.serving.faults.load import Load
from tests.serving.faults.relay import Relay
from tests.serving.server_process import REST_THREADS

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NOISE = random.Random(0).randbytes(100_000)
GARBAGE = {
    "nothing": b"",
    "zeros": bytes(1000),
    "noise": NOISE,
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + NOISE[:508],
    "HTTP/1 of a wrong kind": b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    "a header without an end": b"GET / HTTP/1.1\r\nX: " + b"x" * 500_000,
    "a body shorter than told": b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n{",
    "HTTP/2 frames of noise": HTTP2_PREFACE + NOISE,
    "an HTTP/2 frame too large": HTTP2_PREFACE + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + NOISE,
    "HTTP/2 headers of noise": HTTP2_PREFACE
    + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    + b"\x00\x01\x00\x01\x04\x00\x00\x00\x01"
    + NOISE[:256],
}


@contextlib.contextmanager
def nobody_else_notices(server):
    """Other callers call all the while; none of their calls may fail."""
    client = connect(server.port)
    with Load(lambda: tuple(answer(client.predict(request("plus"), timeout=SECONDS))), 4) as load:
        wait_until(load.more((2.0,)))
        yield
        wait_until(load.more((2.0,)))
    assert load.failures == []
    assert set(load.answers) == {(2.0,)}


@pytest.mark.parametrize("which", ["port", "rest_port"])
def test_garbage_on_a_port_is_of_no_consequence(server, which):
    with nobody_else_notices(server), contextlib.ExitStack() as opened:
        for garbage in GARBAGE.values():
            for closes in (True, False):  # the others stay open until the end
                connection = socket.create_connection((LOOPBACK, getattr(server, which)), SECONDS)
                opened.enter_context(connection)
                # The server may have hung up before all is sent.
                with contextlib.suppress(ConnectionError):
                    connection.sendall(garbage)
                if closes:
                    connection.close()


def connect_to(address):
    """Through a connection of its own, and without a second attempt."""
    channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
    return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict


def for_a_large_answer():
    """A request of a few bytes for one value ten million times."""
    tensor = tensor_pb2.TensorProto(dtype="DT_FLOAT", float_val=[1])
    tensor.tensor_shape.dim.add(size=10_000_000)
    asked = request("plus")
    asked.inputs["x"].CopyFrom(tensor)
    return asked


def test_clients_that_send_and_never_read_hold_nobody_up(server):
    many, deaf = request("plus", np.ones(50_000, np.float32)), []
    with nobody_else_notices(server), contextlib.ExitStack() as relays:
        while len(deaf) <= server.threads:  # were each of them to hold one, none would be left
            relay = relays.enter_context(Relay(server.port, answer_bytes=100_000))
            predict = connect_to(relay.address)
            deaf += [predict.future(asked) for asked in [many] * 7 + [for_a_large_answer()]]
            assert relay.stalled.wait(SECONDS)
    assert all(call.exception().code() is grpc.StatusCode.UNAVAILABLE for call in deaf)


def test_clients_that_send_to_rest_and_never_read_hold_nobody_up(server):
    body = b'{"instances": [' + b", ".join([b"0.25"] * 40_000) + b"]}"
    head = f"POST /v1/models/plus:predict HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with nobody_else_notices(server), contextlib.ExitStack() as opened:
        for _ in range(REST_THREADS + 1):
            deaf = opened.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect((LOOPBACK, server.rest_port))
            deaf.sendall(head.encode() + body)
        place = (LOOPBACK, server.rest_port)
        other = opened.enter_context(socket.create_connection(place, SECONDS))
        other.sendall(b"GET /v1/models/plus HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"AVAILABLE" in b"".join(iter(lambda: other.recv(65536), b""))


def all_threads_are_free(server):
    """Whether as many calls as the server has threads run at once without a refusal."""
    client = connect(server.port)
    asked = request("slow", np.float32([0.05]))
    calls = [client.predict.future(asked, timeout=SECONDS) for _ in range(server.threads)]
    return all(call.exception() is None for call in calls)


def test_clients_that_vanish_while_they_send_hold_nothing(server):
    many = request("plus", np.zeros(250_000, np.float32))
    with nobody_else_notices(server):
        for request_bytes in (10, 1000, 100_000, 900_000) * 3:
            with Relay(server.port, request_bytes) as relay:
                call = connect_to(relay.address).future(many, timeout=SECONDS)
                assert relay.broken.wait(SECONDS)
            assert call.exception().code() is grpc.StatusCode.UNAVAILABLE
    wait_until(lambda: all_threads_are_free(server))


def test_clients_that_vanish_while_their_calls_run_hold_nothing(server):
    # Of many lengths: on few processors the short one may get its turn only when some have ended.
    short, *long = (request("slow", np.float32([seconds])) for seconds in (0, 0.25, 0.5, 1, 2))
    with nobody_else_notices(server), Relay(server.port) as relay:
        predict = connect_to(relay.address)
        calls = [predict.future(each, timeout=SECONDS) for each in long]
        predict(short, timeout=SECONDS)  # its answer tells that the others have arrived
    assert any(call.exception() for call in calls)
    wait_until(lambda: all_threads_are_free(server))
