"""Which calls share a batch, and when it runs (TensorFlow's SharedBatchScheduler).

A queue gathers calls into its newest batch. A batch is due once it is full, or another one was
begun behind it, or its oldest call has waited the timeout; then the next free thread runs it. While
no thread is free, a due batch still takes calls.
"""

import collections
import threading
import time
from concurrent import futures
from dataclasses import dataclass, field

from serving.embedded import metrics, status


@dataclass
class Task:
    """One call in a queue.

    Attributes:
        payload: what the queue's `execute` needs of it.
        size: its rows.
        future: gets what the call returns.
    """

    payload: object
    size: int
    future: futures.Future = field(default_factory=futures.Future)
    enqueued: float = field(default_factory=time.monotonic)


class _Batch:
    def __init__(self):
        self.tasks = []
        self.opened = time.monotonic()

    @property
    def size(self):
        return sum(task.size for task in self.tasks)


class Queue:
    """Calls that may share a batch; made by `Scheduler.queue`."""

    def __init__(self, scheduler, execute, max_size, timeout, max_batches):
        self.execute = execute
        self.batches = collections.deque()
        self._scheduler = scheduler
        self._max_size = max_size
        self._timeout = timeout
        self._max_batches = max_batches

    def submit(self, task):
        """Have `execute` settle the task's future, sooner or later.

        Raises:
            StatusError: UNAVAILABLE when the queue is full.
        """
        self._scheduler.submit(self, task)

    def add(self, task):
        if not self.batches or self.batches[-1].size + task.size > self._max_size:
            if len(self.batches) >= self._max_batches:
                raise status.unavailable(
                    "The batch scheduling queue to which this task was submitted is full; "
                    f"currently {len(self.batches)} batches enqueued and max_enqueued_batches is "
                    f"{self._max_batches}"
                )
            self.batches.append(_Batch())
        self.batches[-1].tasks.append(task)

    def due_at(self):
        """When the oldest batch is due, in seconds of `time.monotonic`; None for never."""
        oldest = self.batches[0]
        if len(self.batches) > 1 or oldest.size >= self._max_size:
            return 0.0
        # A batch without rows waits until a call with rows joins it.
        return oldest.opened + self._timeout if oldest.size else None


class Scheduler:
    """The threads that run the batches of all models.

    Args:
        threads: batches that may run at once.
        name: of the threads.
    """

    def __init__(self, threads, name="batch_threads"):
        self.name = name
        self._changed = threading.Condition()
        self._waiting = collections.deque()  # queues that hold a batch, next one first
        self._stopped = False
        for _ in range(threads):
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def queue(self, execute, max_size, timeout, max_batches):
        """A new `Queue`.

        Args:
            execute: takes a list of `Task`s and settles their futures; it must not raise.
            max_size: rows of a batch.
            timeout: seconds that a call waits for others.
            max_batches: batches that may wait, the one that gathers calls included.
        """
        return Queue(self, execute, max_size, timeout, max_batches)

    def submit(self, queue, task):
        with self._changed:
            if self._stopped:
                raise status.unavailable("The server is shutting down.")
            queue.add(task)
            if queue not in self._waiting:
                self._waiting.append(queue)
            self._changed.notify()

    def stop(self):
        """Run no further batch; calls that wait get UNAVAILABLE."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            for queue in self._waiting:
                for batch in queue.batches:
                    for task in batch.tasks:
                        error = status.unavailable("The server is shutting down.")
                        task.future.set_exception(error)
            self._waiting.clear()

    def _work(self):
        while True:
            with self._changed:
                queue, batch = self._next_batch()
            if batch is None:
                return
            for task in batch.tasks:
                waited = metrics.microseconds_since(task.enqueued)
                metrics.QUEUING_LATENCY.labels(self.name).observe(waited)
            queue.execute(batch.tasks)

    def _next_batch(self):
        while not self._stopped:
            now = time.monotonic()
            due = [(queue.due_at(), queue) for queue in self._waiting]
            for at, queue in due:
                if at is not None and at <= now:
                    return queue, self._taken(queue)
            pauses = [at - now for at, _ in due if at is not None]
            self._changed.wait(min(pauses, default=None))
        return None, None

    def _taken(self, queue):
        """The queue's oldest batch; the queue goes to the end of the line."""
        self._waiting.remove(queue)
        batch = queue.batches.popleft()
        if queue.batches:
            self._waiting.append(queue)
            self._changed.notify()
        return batch
