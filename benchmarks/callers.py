"""Callers that call at once: how many calls a second, how long each takes, what fails."""

import threading
import time
from concurrent import futures
from dataclasses import dataclass, field

import numpy as np

from zoo.errors import UserError

PERCENTILES = (50, 95, 99)


@dataclass
class Outcome:
    """What came of calls.

    Attributes:
        seconds: of each call that was answered.
        failures: the `UserError` of each that was not.
        wall: seconds from the first call's start to the last one's end.
    """

    seconds: list[float] = field(default_factory=list)
    failures: list[UserError] = field(default_factory=list)
    wall: float = 0.0

    @property
    def per_second(self):
        """Calls that were answered."""
        return len(self.seconds) / self.wall

    def milliseconds(self, percentile):
        """Within which so many percent of the answers came; NaN without an answer."""
        return 1e3 * float(np.percentile(self.seconds, percentile)) if self.seconds else np.nan


def calls_for(seconds, call, callers):
    """Let callers call without a pause until the time is over; calls that run then end.

    Args:
        seconds: of the beginning of the last calls; every caller calls once at least.
        call: function without arguments.
        callers: threads.

    Returns:
        An `Outcome`.
    """
    outcome, ready = Outcome(), threading.Barrier(callers + 1)

    def work():
        ready.wait()
        while True:
            _note(outcome, call)
            if time.perf_counter() >= end:
                return

    with futures.ThreadPoolExecutor(callers) as pool:
        running = [pool.submit(work) for _ in range(callers)]
        start = time.perf_counter()
        end = start + seconds
        ready.wait()
        for each in running:
            each.result()
    outcome.wall = time.perf_counter() - start
    return outcome


def calls_of(functions, callers):
    """Let callers call each function once, in order; returns an `Outcome`."""
    outcome, start = Outcome(), time.perf_counter()
    with futures.ThreadPoolExecutor(callers) as pool:
        list(pool.map(lambda call: _note(outcome, call), functions))
    outcome.wall = time.perf_counter() - start
    return outcome


def _note(outcome, call):
    start = time.perf_counter()
    try:
        call()
    except UserError as error:
        outcome.failures.append(error)
    else:
        outcome.seconds.append(time.perf_counter() - start)
