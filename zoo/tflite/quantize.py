"""Smaller and faster variants of a float TFLite file, by the recipes of ai-edge-quantizer.

TensorFlow's own converter can quantise a whole model to int8 or leave it: with it, a style's norms
and sigmoid run in 8 bits, and The Starry Night comes out at 27 dB. The recipes here are selective:

- Convolutions are quantised; they are nearly all of the weights and the time.
- Depthwise ones are not: they have few weights, and in float `painters` is 1.4 dB nearer (dynamic,
  384 pixels) and takes a third less time.
- Norms, additions and the output's range stay in float: a norm stretches what an 8-bit input has of
  a flat area until its steps show.
- So do convolutions of the image itself, three channels in: the first norm stretches their outputs
  most (29 dB with them in int8, 34 dB without), and super-resolution's bicubic must be exact.
- A style's stem is computed in float from weights of 8 bits: the convolutions down to the lowest
  resolution and the one behind them. Of `painters` the worst of ten photos, at 384 pixels, has
  41.0 dB so (dynamic), 29.1 with the stem's inputs in 8 bits.
- Where features are enlarged smoothly the norm behind brings detail back, and with it the steps of
  fixed ranges: the convolutions there quantise their inputs as they come. Of `painters` the worst
  photo has 32.4 dB so (int8, 256 pixels), 25.7 with fixed ranges.
"""

import contextlib
import io
import re
import warnings

from ai_edge_litert.tools import flatbuffer_utils
from ai_edge_quantizer import quantizer, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import TFLOperationName

from zoo.tflite.convert import SIGNATURE

_WEIGHTED = (
    TFLOperationName.CONV_2D,
    TFLOperationName.DEPTHWISE_CONV_2D,
    TFLOperationName.FULLY_CONNECTED,
)
_IMAGE_CHANNELS = 3


def float16(file):
    """With weights of 16 bits, computed in float32 (on a GPU, in float16)."""
    recipe = recipe_manager.RecipeManager()
    for operation in _WEIGHTED:
        recipe.add_weight_only_config(
            regex=".*",
            operation_name=operation,
            num_bits=16,
            algorithm_key=AlgorithmName.FLOAT_CASTING,
        )
    return _quantized(file, recipe)


def dynamic(file):
    """With int8 weights, inputs of convolutions behind a stem quantised as they come."""
    recipe = recipe_manager.RecipeManager()
    recipe.add_dynamic_config(regex=".*", operation_name=TFLOperationName.CONV_2D, num_bits=8)
    return _quantized(file, _with_float_stem(recipe, file))


def int8(file, samples):
    """With int8 convolutions whose ranges are those seen on samples, but for a style's stem.

    Where features are enlarged, ranges are as they come.

    Args:
        file: bytes, of `convert.convert` with pixels="uint8".
        samples: list of {input: array} of real photos.
    """
    recipe = recipe_manager.RecipeManager()
    recipe.add_static_config(
        regex=".*",
        operation_name=TFLOperationName.CONV_2D,
        activation_num_bits=8,
        weight_num_bits=8,
    )
    for name in _enlarging(file):
        recipe.add_dynamic_config(_only(name), TFLOperationName.CONV_2D, num_bits=8)
    return _quantized(file, _with_float_stem(recipe, file), samples)


def _with_float_stem(recipe, file):
    """The recipe, but for what is computed in float: convolutions of the image, and a stem."""
    of_image = _image_convolutions(file)
    for name in _stem(file):
        if name not in of_image:
            recipe.add_weight_only_config(_only(name), TFLOperationName.CONV_2D, num_bits=8)
    for name in of_image:
        recipe.add_quantization_config(
            regex=_only(name),
            operation_name=TFLOperationName.CONV_2D,
            algorithm_key=AlgorithmName.NO_QUANTIZE,
        )
    return recipe


def _only(name):
    return f"^{re.escape(name)};?$"


def _convolutions(file):
    """(name of the output, channels in, stride) of each, in the order they are computed in."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
    graph = model.subgraphs[0]
    return [
        (
            graph.tensors[operator.outputs[0]].name.decode(),
            graph.tensors[operator.inputs[1]].shape[-1],
            operator.builtinOptions.strideW,
        )
        for operator in graph.operators
        if flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex) == "CONV_2D"
    ]


def _image_convolutions(file):
    """Names of the outputs of convolutions of three channels."""
    return [name for name, channels, _ in _convolutions(file) if channels == _IMAGE_CHANNELS]


def _stem(file):
    """Names of the outputs of convolutions up to the one behind the last with a stride."""
    found = _convolutions(file)
    strided = [i for i, (_, _, stride) in enumerate(found) if stride > 1]
    return [name for name, _, _ in found[: strided[-1] + 2]] if strided else []


def _enlarging(file):
    """Names of the outputs of convolutions whose filters are new pixels, but for the last one."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
    graph = model.subgraphs[0]
    shuffled = {
        graph.tensors[operator.inputs[0]].name.decode()
        for operator in graph.operators
        if flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex) == "DEPTH_TO_SPACE"
    }
    return [name for name, _, _ in _convolutions(file)[:-1] if name in shuffled]


def _quantized(file, recipe, samples=()):
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings(action="ignore"):
        return _run(file, recipe, samples)


def _run(file, recipe, samples):
    work = quantizer.Quantizer(bytearray(file), recipe.get_quantization_recipe())
    ranges = work.calibrate({SIGNATURE: list(samples)}) if samples else None
    result = work.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)
