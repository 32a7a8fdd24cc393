"""Hundreds of bad requests at a model of the zoo: each is refused, and the server lives on."""

import collections
import http.client
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf

from tests.conformance.servers import LOOPBACK
from tests.serving.embedded.asking import SECONDS, connect, request
from tests.serving.faults.bad_requests import bad_requests

COUNT = 500
SEED = 2026
AT_ONCE = 8


def sender(server):
    """A function of a `BadRequest` that returns the code of its answer."""
    channel = connect(server.port).channel

    def send(bad):
        if bad.place.startswith("/v1/"):
            rest = http.client.HTTPConnection(LOOPBACK, server.rest_port, timeout=SECONDS)
            rest.request("POST", bad.place, bad.content)
            return rest.getresponse().status
        try:
            channel.unary_unary(bad.place)(bad.content, timeout=SECONDS)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    return send


def test_after_bad_requests_a_good_one_is_answered_as_before(server):
    good = request("negative", np.full((1, 5, 7, 3), 0.25, np.float32), alias="image")
    predict = connect(server.port).predict
    before = predict(good, timeout=SECONDS)
    np.testing.assert_array_equal(tf.make_ndarray(before.outputs["image"]), 0.75)

    with_repetition = server.kind == "embedded"  # the real one reserves the memory
    asked = bad_requests("negative", SEED, COUNT, with_repetition)
    with futures.ThreadPoolExecutor(AT_ONCE) as pool:
        codes = list(pool.map(sender(server), asked))

    assert len(codes) == COUNT
    wrong = [
        (bad.kind, code) for bad, code in zip(asked, codes, strict=True) if code not in bad.codes
    ]
    assert collections.Counter(wrong) == {}
    assert predict(good, timeout=SECONDS) == before


def test_the_bad_requests_are_the_same_every_time():
    assert bad_requests("m", 1, 99, True) == bad_requests("m", 1, 99, True)
    assert bad_requests("m", 1, 99, True) != bad_requests("m", 2, 99, True)
