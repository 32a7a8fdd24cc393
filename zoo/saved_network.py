"""The Keras network inside an exported model, for programs that need more than its graph.

A SavedModel holds the graph that is served, guards and all. What the graph was made from is kept
beside it in assets.extra/network.json, Keras's own description; the weights are the SavedModel's.
"""

from pathlib import Path

from zoo.errors import UserError
from zoo.quiet import import_keras, import_tensorflow

FILE = "assets.extra/network.json"


def write_description(network, path):
    """Write what `load` needs besides the weights into the SavedModel at `path`."""
    file = Path(path) / FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(network.to_json(indent=2) + "\n")


def load(path):
    """The `keras.Model` that was exported to the SavedModel at `path`, with its weights.

    Raises:
        UserError: the SavedModel has no description of its network, a damaged one, or other
            weights than the description needs.
    """
    import_tensorflow()
    keras = import_keras()
    # They register what the description names.
    import zoo.networks
    import zoo.superres  # noqa: F401

    file = Path(path) / FILE
    try:
        description = file.read_text()
    except OSError as error:
        raise UserError(
            f"{path} does not tell of which network it is made: it has no {FILE}; export it again"
        ) from error
    try:
        network = keras.models.model_from_json(description)
        paths = {variable.path for variable in network.variables}
    except Exception as error:  # Keras raises many kinds
        raise UserError(f"{file} is damaged: {error}") from error
    values = _variables(path)
    if missing := paths - set(values):
        raise UserError(f"{path} has no weights {', '.join(sorted(missing))}, which {FILE} needs")
    for variable in network.variables:
        variable.assign(values[variable.path])
    return network


def _variables(path):
    """{name: array} of a SavedModel, without loading its graph."""
    import tensorflow as tf
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    reader = tf.train.load_checkpoint(str(Path(path) / "variables" / "variables"))
    graph = TrackableObjectGraph.FromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
    return {
        attribute.full_name: reader.get_tensor(attribute.checkpoint_key)
        for node in graph.nodes
        for attribute in node.attributes
    }
