"""Batching: calls of one signature run together, as rows of one larger call.

With `Parameters.together`, calls of a batch fail together as at tensorflow_model_server. Without,
calls whose shapes or dtypes differ run apart, and if a batch fails its calls run one by one, so
that nobody pays for a neighbour; and an empty call runs by itself instead of waiting for ever.
"""

import itertools
import os
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from serving.embedded import metrics, status, text_file
from serving.embedded.batch_scheduler import Task
from serving.protocol import server_files_pb2


@dataclass(frozen=True)
class Parameters:
    """The fields of a `BatchingParameters` file, and their defaults.

    Attributes:
        max_batch_size: rows of a batch, and of a call.
        batch_timeout_micros: microseconds that a call waits for others.
        max_enqueued_batches: batches that may wait in a queue.
        num_batch_threads: batches that may run at once, over all models.
        thread_pool_name: of these threads, in the metrics.
        allowed_batch_sizes: a batch is padded to the next of these by repeating a row.
        pad_variable_length_inputs: whether smaller tensors are padded, by their first element.
        enable_large_batch_splitting: whether a call may be cut into several batches.
        max_execution_batch_size: rows of a batch then; 0 means max_batch_size.
        together: whether calls of a batch fail together; no field of the file.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    thread_pool_name: str = "batch_threads"
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0
    together: bool = False

    @property
    def execution_size(self):
        """Most rows of a batch."""
        if self.enable_large_batch_splitting and self.max_execution_batch_size:
            return self.max_execution_batch_size
        return self.max_batch_size

    def check(self):
        """Raises `StatusError`, INVALID_ARGUMENT, for sizes that contradict each other."""
        sizes = self.allowed_batch_sizes
        if any(one >= other for one, other in itertools.pairwise(sizes)):
            raise status.invalid_argument(
                "allowed_batch_sizes entries must be monotonically increasing"
            )
        if sizes and sizes[-1] != self.execution_size:
            name = "max_batch_size"
            if self.execution_size != self.max_batch_size:
                name = "max_execution_batch_size"
            raise status.invalid_argument(
                f"Last entry in allowed_batch_sizes must match {name}; "
                f"last entry was {sizes[-1]}; expected {self.execution_size}"
            )


def read(path, together=False):
    """The `Parameters` of a text file.

    Raises:
        StatusError: NOT_FOUND or INVALID_ARGUMENT.
    """
    message = text_file.read(path, server_files_pb2.BatchingParameters())
    given = {}
    for field, value in message.ListFields():
        if field.is_repeated:
            given[field.name] = tuple(value)
        else:
            given[field.name] = value.value if field.message_type else value
    return Parameters(**given, together=together)


class BatchedModel:
    """A `SavedModel` with batching queues before it: one for each signature and set of outputs."""

    def __init__(self, model, parameters, scheduler):
        """Raises `StatusError`, INVALID_ARGUMENT, for parameters that contradict each other."""
        parameters.check()
        self.signature_defs = model.signature_defs
        self.can_run = model.can_run
        self._model = model
        self._parameters = parameters
        self._scheduler = scheduler
        self._queues = {}

    def run(self, signature_name, inputs, outputs):
        """As `SavedModel.run`, in a batch.

        Raises:
            StatusError: also for calls that cannot be rows of a batch, and UNAVAILABLE when too
                many wait.
        """
        size = _rows(inputs)
        parameters = self._parameters
        if size == 0 and not parameters.together:
            return self._model.run(signature_name, inputs, outputs)
        if size > parameters.max_batch_size:
            raise status.invalid_argument(
                f"Task size {size} is larger than maximum input batch size "
                f"{parameters.max_batch_size}"
            )
        metrics.INPUT_BATCH_SIZE.observe(size)
        queue = self._queue(signature_name, tuple(sorted(outputs)))
        tasks = [
            Task(part, _rows(part)) for part in _parts(inputs, size, parameters.execution_size)
        ]
        for task in tasks:
            queue.submit(task)
        answers = [task.future.result() for task in tasks]
        return {alias: _joined([answer[alias] for answer in answers]) for alias in outputs}

    def _queue(self, signature_name, outputs):
        key = (signature_name, outputs)
        if key not in self._queues:
            parameters = self._parameters
            queue = self._scheduler.queue(
                lambda tasks: self._execute(signature_name, outputs, tasks),
                parameters.execution_size,
                parameters.batch_timeout_micros / 1e6,
                parameters.max_enqueued_batches,
            )
            # Another thread may have been first.
            self._queues.setdefault(key, queue)
        return self._queues[key]

    def _execute(self, signature_name, outputs, tasks):
        for group in [tasks] if self._parameters.together else self._alike(tasks):
            try:
                answers = self._run(signature_name, outputs, group)
            except Exception as error:
                if len(group) == 1 or self._parameters.together:
                    for task in group:
                        task.future.set_exception(error)
                else:
                    for task in group:
                        self._execute(signature_name, outputs, [task])
            else:
                for task, answer in zip(group, answers, strict=True):
                    task.future.set_result(answer)

    def _alike(self, tasks):
        """The tasks in groups that fit into one tensor for each input."""
        groups = {}
        for task in tasks:
            shapes = tuple(
                (tensor.dtype, tensor.shape.rank if self._pads else tuple(tensor.shape[1:]))
                for _, tensor in sorted(task.payload.items())
            )
            groups.setdefault(shapes, []).append(task)
        return groups.values()

    @property
    def _pads(self):
        return self._parameters.pad_variable_length_inputs

    def _run(self, signature_name, outputs, tasks):
        """Run tasks as one batch; a list of each one's outputs."""
        sizes = [task.size for task in tasks]
        total = sum(sizes)
        padding = self._padding(total)
        infos = self._model.signature_defs[signature_name].inputs
        inputs = {}
        for alias in tasks[0].payload:
            tensors = [task.payload[alias] for task in tasks]
            tensors = self._fitting(tensors, infos[alias].name)
            inputs[alias] = _joined([*tensors, *[tensors[-1][:1]] * padding])
        metrics.BATCH_RUNS.inc()
        metrics.PADDING_SIZE.observe(padding)
        metrics.PROCESSED_BATCH_SIZES.labels("", "", total + padding).inc()
        answers = self._model.run(signature_name, inputs, outputs)
        for tensor in answers.values():
            _check_output(tensor, total + padding)
        parts = {
            alias: tf.split(tensor, [*sizes, padding]) if len(tasks) > 1 or padding else [tensor]
            for alias, tensor in answers.items()
        }
        return [{alias: parts[alias][i] for alias in parts} for i in range(len(tasks))]

    def _padding(self, rows):
        sizes = [size for size in self._parameters.allowed_batch_sizes if size >= rows]
        return sizes[0] - rows if sizes else 0

    def _fitting(self, tensors, name):
        if len({tensor.dtype for tensor in tensors}) > 1:
            raise status.internal(
                "Tensor concat operation failed: the calls of a batch sent different dtypes."
            )
        if len({tuple(tensor.shape[1:]) for tensor in tensors}) == 1:
            return tensors
        if self._pads and len({tensor.shape.rank for tensor in tensors}) == 1:
            largest = np.max([tensor.shape[1:] for tensor in tensors], axis=0)
            return [_padded(tensor, largest) for tensor in tensors]
        raise status.failed_precondition(
            f"Tensors with name '{name}' from different tasks have different shapes and padding "
            "is turned off. Set pad_variable_length_inputs to true, or ensure that all tensors "
            "with the same name have equal dimensions starting with the first dim."
        )


def _rows(inputs):
    if any(tensor.shape.rank == 0 for tensor in inputs.values()):
        raise status.invalid_argument(
            "Batching Run() input tensors must have at least one dimension"
        )
    rows = {tensor.shape[0] for tensor in inputs.values()}
    if len(rows) > 1:
        raise status.invalid_argument(
            "Batching Run() input tensors must have equal 0th-dimension size"
        )
    return rows.pop() if rows else 0


def _parts(inputs, size, largest):
    """The call itself, or cut into calls of at most `largest` rows."""
    if size <= largest:
        return [inputs]
    starts = range(0, size, largest)
    return [
        {alias: tensor[start : start + largest] for alias, tensor in inputs.items()}
        for start in starts
    ]


def _joined(tensors):
    return tf.concat(tensors, axis=0) if len(tensors) > 1 else tensors[0]


def _padded(tensor, inner_shape):
    """Larger behind, filled with the tensor's first element, as the real server does."""
    values = tensor.numpy()
    shape = (values.shape[0], *inner_shape)
    filled = np.full(shape, values.ravel()[0] if values.size else 0, values.dtype)
    filled[tuple(slice(size) for size in values.shape)] = values
    return tf.constant(filled, tensor.dtype)


def _check_output(tensor, rows):
    if tensor.shape.rank == 0:
        raise status.failed_precondition("Batched output tensor has 0 dimensions")
    if tensor.shape[0] != rows:
        raise status.failed_precondition(
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension "
            "sizes of the input tensors"
        )
