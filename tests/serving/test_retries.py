import itertools

import grpc
import pytest

from serving.errors import DeadlineExceeded, InvalidRequest, Overloaded, Unavailable
from serving.retries import Deadline, Retries

AWAY = Unavailable("", code=grpc.StatusCode.UNAVAILABLE)
BUSY = Overloaded("", code=grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_a_server_that_is_away_is_asked_again_for_a_while_and_a_busy_one_for_ever():
    retries = Retries(away_seconds=10)
    assert retries.pause(AWAY, 3, seconds=9.9) is not None
    assert retries.pause(AWAY, 3, seconds=10.1) is None
    assert retries.pause(BUSY, 300, seconds=1000) is not None


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("", code=grpc.StatusCode.RESOURCE_EXHAUSTED),  # a message too large
        Unavailable("", code=grpc.StatusCode.RESOURCE_EXHAUSTED),  # of a reason unknown
        DeadlineExceeded("", code=grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
def test_what_time_does_not_cure_is_not_asked_again(error):
    assert Retries().pause(error, 1, seconds=0) is None


def test_pauses_are_random_below_a_limit_that_doubles():
    retries = Retries(first_pause=0.1, longest_pause=1)
    limits = [0.1, 0.2, 0.4, 0.8, 1, 1]
    for attempts, limit in zip(itertools.count(1), limits):
        pauses = [retries.pause(BUSY, attempts, 0) for _ in range(200)]
        assert 0 <= min(pauses) < limit / 4
        assert 3 * limit / 4 < max(pauses) <= limit


def test_a_deadline_counts_down():
    deadline = Deadline(5)
    assert deadline.left <= 5
    assert deadline.left + deadline.passed == pytest.approx(5, abs=0.5)
