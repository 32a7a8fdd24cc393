"""Warm-up: the recorded requests that a version answers before anybody else may ask it."""

import os

import tensorflow as tf
from absl import logging
from google.protobuf import message
from tensorflow_serving.apis import prediction_log_pb2

from serving.embedded import predict, status

WARMUP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


def replay(model, path):
    """Run the Predict records of a version's warm-up file, if it has one, one after another.

    Args:
        model: the `SavedModel`; the model names in the records do not matter.
        path: its version folder.

    Raises:
        StatusError: a record failed, there are too many, or the file is no TFRecord file.
    """
    file = os.path.join(path, WARMUP_FILE)
    if not tf.io.gfile.exists(file):
        return
    try:
        for count, record in enumerate(tf.data.TFRecordDataset(file).as_numpy_iterator()):
            if count == MAX_RECORDS:
                raise status.invalid_argument(
                    f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}"
                )
            _replay(model, record, file)
    except tf.errors.DataLossError as error:
        loss = status.from_tensorflow(error)
        raise status.StatusError(
            loss.code, f"{loss.message}. Please verify your warmup data is in TFRecord format."
        ) from error


def _replay(model, record, file):
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except message.DecodeError as error:
        raise status.invalid_argument(f"Failed to parse warmup record from {file}") from error
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        predict.run(model, log.predict_log.request)
    else:
        logging.warning("%s: skipped a record of kind %s, which is not served here.", file, kind)
