"""From a version folder to a model that can be called: load, batch, warm up."""

import os
import time
from dataclasses import dataclass, field

import tensorflow as tf

from serving.embedded import batching, metrics, status, warmup
from serving.embedded.batch_scheduler import Scheduler
from serving.embedded.saved_model import SavedModel

PARAMETERS_FILE = "batching_params.pbtxt"


@dataclass(frozen=True)
class Loader:
    """How versions are loaded.

    Attributes:
        tags: of the graph to load from the SavedModel.
        warm_up: whether recorded requests are replayed first.
        warm_up_iterations: how often each of them is.
        scheduler: `Scheduler`, or None for no batching.
        parameters: `batching.Parameters` of every model.
        per_model_parameters: whether each version folder's batching_params.pbtxt is used instead,
            and a model without one is not batched.
    """

    tags: tuple[str, ...] = ("serve",)
    warm_up: bool = True
    warm_up_iterations: int = 1
    scheduler: Scheduler | None = None
    parameters: batching.Parameters = field(default_factory=batching.Parameters)
    per_model_parameters: bool = False

    def load(self, path):
        """The model of a version folder, ready for calls: `SavedModel` or `BatchedModel`.

        Raises:
            StatusError: whatever is wrong with it, or with its warm-up requests.
        """
        started = time.monotonic()
        try:
            model = self._batched(SavedModel(path, self.tags), path)
        except status.StatusError:
            metrics.LOAD_ATTEMPTS.labels(path, "fail").inc()
            raise
        metrics.LOAD_ATTEMPTS.labels(path, "success").inc()
        metrics.LOAD_LATENCY.labels(path).inc(metrics.microseconds_since(started))
        if self.warm_up:
            warmup.replay(model, path, self.warm_up_iterations)
        return model

    def _batched(self, model, path):
        parameters = self.parameters
        if self.per_model_parameters:
            file = os.path.join(path, PARAMETERS_FILE)
            has_file = tf.io.gfile.exists(file)
            parameters = batching.read(file, self.parameters.together) if has_file else None
        if self.scheduler is None or parameters is None:
            return model
        return batching.BatchedModel(model, parameters, self.scheduler)
