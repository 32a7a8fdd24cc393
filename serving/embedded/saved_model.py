"""One SavedModel in memory: its signatures, and running one of them."""

import os

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from serving.embedded import status, tensor_codec


class SavedModel:
    """A loaded SavedModel.

    Attributes:
        signature_defs: `SignatureDef` by name, the exporter's `__saved_model_init_op` included.
    """

    def __init__(self, path, tags=("serve",)):
        """Load it.

        Args:
            path: the version folder, which holds saved_model.pb.
            tags: of the graph to load.

        Raises:
            StatusError: whatever is wrong with it.
        """
        self.signature_defs = _signature_defs(path, set(tags))
        try:
            # The object owns the variables: a signature alone would lose them.
            self._loaded = tf.saved_model.load(path, tags=list(tags))
        except tf.errors.OpError as error:
            raise status.from_tensorflow(error) from error
        except Exception as error:
            # The loader is Python, and shows damage by whichever exception comes first.
            raise status.failed_precondition(
                f"Could not load the SavedModel at {path}: {type(error).__name__}: {error}"
            ) from error

    def can_run(self, signature_name):
        return signature_name in self._loaded.signatures

    def run(self, signature_name, inputs, outputs):
        """Call a signature.

        Args:
            signature_name: one that `can_run`.
            inputs: tensor by alias, for every input of the signature. Shapes are left to the
                graph, as TensorFlow Serving does.
            outputs: aliases of the wanted outputs.

        Returns:
            Tensor by alias, the wanted ones.

        Raises:
            StatusError: the code and words of TensorFlow.
        """
        self._check_dtypes(self.signature_defs[signature_name].inputs, inputs)
        try:
            answers = self._loaded.signatures[signature_name](**inputs)
        except tf.errors.OpError as error:
            raise status.from_tensorflow(error) from error
        return {alias: answers[alias] for alias in outputs}

    @staticmethod
    def _check_dtypes(infos, inputs):
        """Refuse wrong dtypes in the words of the session that tensorflow_model_server runs."""
        # A session numbers its feeds in the order of their tensor names.
        for i, alias in enumerate(sorted(inputs, key=lambda alias: infos[alias].name)):
            expected, given = tf.dtypes.as_dtype(infos[alias].dtype), inputs[alias].dtype
            if given != expected:
                raise status.invalid_argument(
                    f"Expects arg[{i}] to be {tensor_codec.type_name(expected)} "
                    f"but {tensor_codec.type_name(given)} is provided"
                )


def _signature_defs(path, tags):
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
        if tags == set(graph.meta_info_def.tags):
            return dict(graph.signature_def)
    raise status.not_found(
        "Could not find meta graph def matching supplied tags: "
        f"{{ {' '.join(sorted(tags))} }} in {file}"
    )
