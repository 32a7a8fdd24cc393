"""Requests that a server replays before it answers the first real one."""

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from zoo import images

FILE = "assets.extra/tf_serving_warmup_requests"


def write_warmup(version_directory, name, photo, styles=0):
    """Write one request for each signature, in TensorFlow Serving's format.

    Args:
        version_directory: `pathlib.Path` of the SavedModel.
        name: the model's.
        photo: float32 [H, W, 3] in [0, 1], sent as `image` and, as a PNG, as `image_bytes`.
        styles: how many style weights the model takes.
    """
    path = version_directory / FILE
    path.parent.mkdir(exist_ok=True)
    files = np.array([images.encode(photo)], dtype=object)
    chosen = {"style_weights": np.eye(1, styles, dtype=np.float32)} if styles else {}
    requests = [
        _request(name, "serving_default", {"image": photo[None], **chosen}),
        _request(name, "encoded", {"image_bytes": files, **chosen}),
    ]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def _request(name, signature, inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request
