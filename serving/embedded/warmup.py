"""Warm-up: the recorded requests that a version answers before anybody else may ask it."""

import os
import time

import tensorflow as tf
from google.protobuf import message
from tensorflow_serving.apis import prediction_log_pb2

from serving.embedded import metrics, predict, status

WARMUP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


def replay(model, path, iterations=1):
    """Run the Predict records of a version's warm-up file, if it has one, one after another.

    Args:
        model: what `Loader` loads; the model names in the records do not matter.
        path: its version folder.
        iterations: how often each record is run.

    Raises:
        StatusError: a record failed or is of another kind, there are too many, or the file is no
            TFRecord file.
    """
    file = os.path.join(path, WARMUP_FILE)
    if not tf.io.gfile.exists(file):
        return
    started = time.monotonic()
    try:
        _replay_file(model, file, iterations)
    except status.StatusError as error:
        _observe(path, error.code.name, started)
        raise
    _observe(path, "OK", started)


def _observe(path, code, started):
    metrics.WARMUP_LATENCY.labels(path, code).observe(metrics.microseconds_since(started))


def _replay_file(model, file, iterations):
    try:
        for count, record in enumerate(tf.data.TFRecordDataset(file).as_numpy_iterator()):
            if count == MAX_RECORDS:
                raise status.invalid_argument(
                    f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}"
                )
            for _ in range(iterations):
                _replay_record(model, record, file)
    except tf.errors.DataLossError as error:
        loss = status.from_tensorflow(error)
        raise status.StatusError(
            loss.code, f"{loss.message}. Please verify your warmup data is in TFRecord format."
        ) from error


def _replay_record(model, record, file):
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except message.DecodeError as error:
        raise status.invalid_argument(f"Failed to parse warmup record from {file}") from error
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        raise status.unimplemented(
            f"{file} holds a record of kind {kind}: this server replays predict_log only."
        )
    predict.run(model, log.predict_log.request)
