"""A network as a float32 TFLite file, of built-in operations only."""

import re
import tempfile

import tensorflow as tf
from absl import logging
from ai_edge_litert.tools import flatbuffer_utils
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from zoo.errors import UserError
from zoo.tflite.lowering import lowered

SIGNATURE = "serving_default"
DEFAULT_SIDE = 256  # pixels, of files for any size, until the interpreter's input is resized


def convert(network, size=None, pixels="float32"):
    """Convert a network, one image at a time.

    Args:
        network: a `keras.Model` from image [1, H, W, 3] in [0, 1], and style_weights [1, S] if it
            has that input, to an image in [0, 1].
        size: (height, width) in pixels, or None: any, from `lowering.smallest_side` up, and
            `DEFAULT_SIDE` until told.
        pixels: of the file's images: "float32" in [0, 1], or "uint8" in [0, 255].

    Returns:
        The file's bytes: signature serving_default, whose inputs are named as the network's (image,
        style_weights) and whose output is image.

    Raises:
        UserError: it needs operations that are not built in.
    """
    converter_input = _saved_graph(lowered(network), size or (None, None), pixels)
    with converter_input as directory:
        converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=[SIGNATURE])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        level = logging.get_verbosity()
        logging.set_verbosity(logging.ERROR)
        try:
            file = converter.convert()
        except Exception as error:  # an internal class of TensorFlow's
            raise UserError(f"the network does not convert: {_needed(str(error))}") from error
        finally:
            logging.set_verbosity(level)
    return file if size else _allocatable(file)


def _allocatable(file):
    """With a default size of images: one pixel, the converter's, is too small for the border."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
    graph = model.subgraphs[0]
    for index in graph.inputs:
        tensor = graph.tensors[index]
        if tensor.shapeSignature is not None:
            tensor.shape = [DEFAULT_SIDE if s == -1 else s for s in tensor.shapeSignature]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _needed(message):
    """The operations that a conversion's error names, or its last line."""
    found = re.search(r"(?:TF Select|Custom) ops: (.*)", message)
    return f"no built-in operation does {found[1]}" if found else message.splitlines()[-1]


def _saved_graph(network, size, pixels):
    names = [tensor.name for tensor in network.inputs]
    shapes = [
        [1, *size, 3] if name == "image" else [1, *tensor.shape[1:]]
        for name, tensor in zip(names, network.inputs, strict=True)
    ]
    dtypes = [pixels if name == "image" else "float32" for name in names]
    signature = [
        tf.TensorSpec(shape, dtype, name)
        for name, shape, dtype in zip(names, shapes, dtypes, strict=True)
    ]

    def transform(*inputs):
        named = dict(zip(names, inputs, strict=True))
        if pixels == "uint8":
            named["image"] = tf.cast(named["image"], tf.float32) * (1 / 255)
        image = network([named[name] for name in names] if len(names) > 1 else named["image"])
        if pixels == "uint8":
            image = tf.cast(image * 255 + 0.5, tf.uint8)
        return image

    concrete = tf.function(transform, autograph=False).get_concrete_function(*signature)
    # With the weights as constants: the converter would keep variables as such.
    frozen = convert_variables_to_constants_v2(concrete)

    @tf.function(input_signature=signature, autograph=False)
    def serving_default(*inputs):
        return {"image": frozen(*inputs)[0]}

    directory = tempfile.TemporaryDirectory()
    functions = {SIGNATURE: serving_default}
    tf.saved_model.save(tf.Module(), directory.name, signatures=functions)
    return directory
