"""Which calls are sent again, and when."""

import random
import time
from dataclasses import dataclass

import grpc

from serving.errors import Overloaded


@dataclass(frozen=True)
class Retries:
    """When a call that failed is sent again; until its deadline at most.

    Every call of a model server may be sent twice: none changes anything the second time. But only
    "try later" gets better with time: a server that is busy says so at once, and one that is away
    (UNAVAILABLE) may be about to start, or another address may answer.

    Attributes:
        away_seconds: how long after its beginning a call may be sent again where a server is away.
        first_pause: seconds; the longest pause before the second attempt. Each pause is random
            between 0 and a limit that doubles, so that callers do not come back all at once.
        longest_pause: seconds; the limit grows no further.
    """

    away_seconds: float = 10.0
    first_pause: float = 0.1
    longest_pause: float = 2.0

    def pause(self, error, attempts, seconds) -> float | None:
        """How long to wait before the next attempt.

        Args:
            error: `ZooError` of the last attempt.
            attempts: how many there were.
            seconds: since the first began.

        Returns:
            Seconds; None if the call is not to be sent again.
        """
        away = error.code is grpc.StatusCode.UNAVAILABLE and seconds < self.away_seconds
        if not (away or isinstance(error, Overloaded)):
            return None
        return random.uniform(0, min(self.longest_pause, self.first_pause * 2 ** (attempts - 1)))


class Deadline:
    """The end of the time that a call has, attempts and parts included.

    Attributes:
        seconds: how long it is from the beginning.
    """

    def __init__(self, seconds):
        self.seconds = seconds
        self._start = time.monotonic()

    @property
    def passed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds to the end; none or fewer when it is over."""
        return self.seconds - self.passed
