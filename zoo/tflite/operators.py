"""What operations a TFLite file is made of, and whether the GPU delegate takes them all."""

import collections

from ai_edge_litert.tools import flatbuffer_utils

# What LiteRT's GPU delegate parses (NewOperationParser in tflite/delegates/gpu/common/
# model_builder.cc) and our networks may use. The list in the delegate's README and in its guide is
# that of an early version: with no MEAN and no RSQRT it would allow no norm at all.
GPU_OPERATIONS = frozenset(
    {
        "ADD",
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "DEPTH_TO_SPACE",
        "DIV",
        "EXP",
        "FULLY_CONNECTED",
        "GATHER",
        "LOG",
        "LOGISTIC",
        "MAXIMUM",
        "MEAN",
        "MINIMUM",
        "MIRROR_PAD",
        "MUL",
        "NEG",
        "PAD",
        "PADV2",
        "RELU",
        "RELU6",
        "RELU_0_TO_1",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "RSQRT",
        "SLICE",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "SQRT",
        "SQUARE",
        "SQUARED_DIFFERENCE",
        "STRIDED_SLICE",
        "SUB",
        "SUM",
        "TANH",
        "TILE",
        "TRANSPOSE",
        "TRANSPOSE_CONV",
    }
)
# Besides, it takes weights of 16 bits, and runs int8 files in float.
_QUANTIZED = frozenset({"DEQUANTIZE", "QUANTIZE"})
_LARGEST_RANK = 4


def counts(file):
    """{operation: how often}, the most frequent first, of a TFLite file's bytes."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
    names = (
        flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
        for subgraph in model.subgraphs
        for operator in subgraph.operators
    )
    return dict(collections.Counter(names).most_common())


def refused_by_gpu(file):
    """Of a file of known size, what keeps the GPU delegate from taking it whole; a sorted list."""
    found = set(counts(file)) - GPU_OPERATIONS - _QUANTIZED
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
    tensors = [tensor for subgraph in model.subgraphs for tensor in subgraph.tensors]
    if any(tensor.shape is not None and len(tensor.shape) > _LARGEST_RANK for tensor in tensors):
        found.add(f"tensors of more than {_LARGEST_RANK} dimensions")
    return sorted(found)


def custom(file):
    """Operations that are not built in, as SELECT_TF_OPS would leave them; a sorted list."""
    return sorted(name for name in counts(file) if name.startswith(("CUSTOM", "Flex")))
