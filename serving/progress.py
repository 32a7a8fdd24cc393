"""How far a long work is, on a terminal or in a log."""

import sys
import threading
import time

_LOG_SECONDS = 10  # between two lines of a log


class Progress:
    """A line that is rewritten on a terminal; elsewhere a line now and then. Threads may share it.

    Args:
        total: pieces of work.
        unit: what they are called, in the plural.
    """

    def __init__(self, total, unit):
        self._total = total
        self._unit = unit
        self._done = 0
        self._start = self._told = time.monotonic()
        self._lock = threading.Lock()
        self._terminal = sys.stderr.isatty()

    def advance(self, problem=None):
        """One piece is done.

        Args:
            problem: text to be left on a line of its own; None for none.
        """
        with self._lock:
            self._done += 1
            if problem:
                print(f"{self._clear()}{problem}", file=sys.stderr)
            now = time.monotonic()
            if self._terminal or now - self._told > _LOG_SECONDS:
                self._told = now
                rate = self._done / max(now - self._start, 1e-9)
                line = f"{self._done} of {self._total} {self._unit}, {rate:.1f} a second"
                end = "" if self._terminal else "\n"
                print(f"{self._clear()}{line}", end=end, file=sys.stderr, flush=True)

    def close(self):
        """Leave the terminal's line clean."""
        print(self._clear(), end="", file=sys.stderr, flush=True)

    def _clear(self):
        return "\r\x1b[K" if self._terminal else ""
