import threading

import pytest

from benchmarks.callers import Outcome, calls_for, calls_of
from zoo.errors import UserError


def test_callers_call_at_once_and_each_once_at_least():
    together = threading.Barrier(3, timeout=20)
    outcome = calls_for(0, together.wait, 3)
    assert len(outcome.seconds) == 3
    assert outcome.failures == []
    assert outcome.per_second == pytest.approx(3 / outcome.wall)


def test_callers_go_on_until_the_time_is_over():
    calls = []
    outcome = calls_for(0.05, lambda: calls.append(0), 2)
    assert len(calls) == len(outcome.seconds) > 2
    assert outcome.wall >= 0.05


def test_each_function_is_called_once_and_failures_are_kept_apart():
    called, failure = [], UserError("no")

    def fail():
        raise failure

    functions = [lambda i=i: called.append(i) for i in range(5)]
    outcome = calls_of(iter([*functions, fail]), 2)
    assert sorted(called) == list(range(5))
    assert len(outcome.seconds) == 5
    assert outcome.failures == [failure]


def test_an_error_that_is_no_answer_ends_the_calls():
    with pytest.raises(ZeroDivisionError):
        calls_for(0, lambda: 1 / 0, 1)
    with pytest.raises(ZeroDivisionError):
        calls_of([lambda: 1 / 0], 1)


def test_percentiles_are_of_the_answers():
    outcome = Outcome(seconds=[i / 1000 for i in range(101)], wall=10.1)
    assert [outcome.milliseconds(p) for p in (0, 50, 99)] == pytest.approx([0, 50, 99])
    assert outcome.per_second == pytest.approx(10)
    assert str(Outcome().milliseconds(50)) == "nan"
