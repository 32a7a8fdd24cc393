"""One SavedModel in memory: its signatures, and running one of them."""

import os

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from serving.embedded import status

_TAG = "serve"


class SavedModel:
    """A loaded SavedModel.

    Attributes:
        signature_defs: `SignatureDef` by name, the exporter's `__saved_model_init_op` included.
    """

    def __init__(self, path):
        """Load it.

        Args:
            path: the version folder, which holds saved_model.pb.

        Raises:
            StatusError: whatever is wrong with it.
        """
        self.signature_defs = _signature_defs(path)
        try:
            # The object owns the variables: a signature alone would lose them.
            self._loaded = tf.saved_model.load(path, tags=[_TAG])
        except tf.errors.OpError as error:
            raise status.from_tensorflow(error) from error
        except Exception as error:
            # The loader is Python, and shows damage by whichever exception comes first.
            raise status.failed_precondition(
                f"Could not load the SavedModel at {path}: {type(error).__name__}: {error}"
            ) from error

    def can_run(self, signature_name):
        return signature_name in self._loaded.signatures

    def run(self, signature_name, inputs):
        """Call a signature.

        Args:
            signature_name: one that `can_run`.
            inputs: tensor by alias, for every input of the signature. Shapes are left to the
                graph, as TensorFlow Serving does.

        Returns:
            Tensor by alias, all outputs.

        Raises:
            StatusError: the code and words of TensorFlow.
        """
        self._check_dtypes(self.signature_defs[signature_name].inputs, inputs)
        try:
            return self._loaded.signatures[signature_name](**inputs)
        except tf.errors.OpError as error:
            raise status.from_tensorflow(error) from error

    @staticmethod
    def _check_dtypes(infos, inputs):
        """Refuse wrong dtypes in the words of the session that tensorflow_model_server runs."""
        # A session numbers its feeds in the order of their tensor names.
        for i, alias in enumerate(sorted(inputs, key=lambda alias: infos[alias].name)):
            expected, given = tf.dtypes.as_dtype(infos[alias].dtype), inputs[alias].dtype
            if given != expected:
                raise status.invalid_argument(
                    f"Expects arg[{i}] to be {_cpp_name(expected)} "
                    f"but {_cpp_name(given)} is provided"
                )


def _cpp_name(dtype):
    return {tf.float32: "float", tf.float64: "double", tf.float16: "half"}.get(dtype, dtype.name)


def _signature_defs(path):
    file = os.path.join(path, "saved_model.pb")
    if not tf.io.gfile.exists(file):
        raise status.not_found(
            "Specified file path does not appear to contain a SavedModel bundle (should have a "
            f"file called `saved_model.pb`)\nSpecified file path: {path}"
        )
    try:
        with tf.io.gfile.GFile(file, "rb") as opened:
            model = saved_model_pb2.SavedModel.FromString(opened.read())
    except Exception as error:  # protobuf's DecodeError, or whatever the file system says
        raise status.failed_precondition(f"Cannot read {file}: {error}") from error
    for graph in model.meta_graphs:
        if _TAG in graph.meta_info_def.tags:
            return dict(graph.signature_def)
    raise status.not_found(
        f"Could not find meta graph def matching supplied tags: {{ {_TAG} }} in {file}"
    )
