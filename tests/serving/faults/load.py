"""Callers that call a server again and again while something happens to it."""

import collections
import threading

import grpc

from serving.errors import ZooError


class Load:
    """Calls, from several threads, as long as the `with` block lasts.

    Attributes:
        answers: a `collections.Counter` of what the calls returned.
        failures: exceptions of calls that failed.
    """

    def __init__(self, call, callers=8):
        """Nothing is called yet.

        Args:
            call: a function without arguments that returns something hashable.
            callers: threads.
        """
        self.answers = collections.Counter()
        self.failures = []
        self._call = call
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(callers)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self):
        while not self._over.is_set():
            try:
                self.answers[self._call()] += 1
            except (grpc.RpcError, ZooError) as error:
                self.failures.append(error)

    def more(self, answer, count=10):
        """A condition: so many calls of this answer have returned since now."""
        enough = self.answers[answer] + count
        return lambda: self.answers[answer] >= enough
