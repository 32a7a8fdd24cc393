"""numpy arrays to TensorFlow's TensorProto and back, without TensorFlow."""

import math
from typing import NamedTuple

import numpy as np

from serving.protocol import tensorflow_serving_pb2 as messages


class _NumberType(NamedTuple):
    """How TensorProto holds one type of number."""

    number: int  # of the DataType
    field: str  # the repeated field of typed values
    cell: type  # the memory of one value of that field: half_val holds bits, scomplex_val parts


_NUMBER_TYPES = {
    "float16": _NumberType(messages.DT_HALF, "half_val", np.uint16),
    "bfloat16": _NumberType(messages.DT_BFLOAT16, "half_val", np.uint16),
    "float32": _NumberType(messages.DT_FLOAT, "float_val", np.float32),
    "float64": _NumberType(messages.DT_DOUBLE, "double_val", np.float64),
    "complex64": _NumberType(messages.DT_COMPLEX64, "scomplex_val", np.float32),
    "complex128": _NumberType(messages.DT_COMPLEX128, "dcomplex_val", np.float64),
    "int8": _NumberType(messages.DT_INT8, "int_val", np.int8),
    "int16": _NumberType(messages.DT_INT16, "int_val", np.int16),
    "int32": _NumberType(messages.DT_INT32, "int_val", np.int32),
    "int64": _NumberType(messages.DT_INT64, "int64_val", np.int64),
    "uint8": _NumberType(messages.DT_UINT8, "int_val", np.uint8),
    "uint16": _NumberType(messages.DT_UINT16, "int_val", np.uint16),
    "uint32": _NumberType(messages.DT_UINT32, "uint32_val", np.uint32),
    "uint64": _NumberType(messages.DT_UINT64, "uint64_val", np.uint64),
    "bool": _NumberType(messages.DT_BOOL, "bool_val", np.bool_),
}
_NAMES = {kind.number: name for name, kind in _NUMBER_TYPES.items()}


def type_name(number) -> str:
    """Name a DataType as numpy does ("float32", "string"); TensorFlow's name where numpy has none.

    Args:
        number: the DataType as TensorProto and TensorInfo hold it.
    """
    if number == messages.DT_STRING:
        return "string"
    if number in _NAMES:
        return _NAMES[number]
    known = messages.DataType.values()
    return messages.DataType.Name(number) if number in known else f"DataType {number}"


def encode(value) -> messages.TensorProto:
    """Encode numbers as `tensor_content`, strings as `string_val`.

    Args:
        value: array of numbers, booleans or strings; one bytes or str; or a list of these. Its
            dtype is kept: float64 is sent as float64. Text is sent as UTF-8.

    Raises:
        ValueError: no TensorFlow type holds the array's dtype.
    """
    array = as_array(value)
    shape = messages.TensorShapeProto(
        dim=[messages.TensorShapeProto.Dim(size=size) for size in array.shape]
    )
    if array.dtype.kind in "OSU":
        return messages.TensorProto(
            dtype=messages.DT_STRING,
            tensor_shape=shape,
            string_val=[_string(item) for item in array.flat],
        )
    kind = _NUMBER_TYPES.get(array.dtype.name)
    if kind is None:
        raise ValueError(f"an array of {array.dtype} has no TensorFlow type")
    return messages.TensorProto(
        dtype=kind.number,
        tensor_shape=shape,
        tensor_content=array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes(),
    )


def decode(proto) -> np.ndarray:
    """Decode a TensorProto, be it of typed values or of `tensor_content`.

    As in TensorFlow, typed values that are too few repeat the last one, none at all mean zeros
    (or empty strings), and surplus ones are ignored.

    Returns:
        A writable array of the tensor's shape. Strings come as an object array of bytes, bfloat16
        as float32.

    Raises:
        ValueError: the type is none of numbers or strings, the shape is not fully known, or the
            content does not fit the shape.
    """
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0:
        raise ValueError(f"the shape {shape} is not fully known")
    count = math.prod(shape)
    if proto.dtype == messages.DT_STRING:
        content = proto.tensor_content
        strings = _split_strings(content, count) if content else list(proto.string_val)
        flat = np.empty(len(strings), object)
        flat[:] = strings
        return _fit(flat, count, empty=b"").reshape(shape)
    if proto.dtype not in _NAMES:
        raise ValueError(f"values of type {type_name(proto.dtype)} cannot be decoded")
    name = _NAMES[proto.dtype]
    _, field, cell = _NUMBER_TYPES[name]
    if proto.tensor_content:
        cells = np.frombuffer(proto.tensor_content, np.dtype(cell).newbyteorder("<"))
        flat = _numbers(cells.astype(cell), name)
        if flat.size != count:
            raise ValueError(f"{flat.size} values do not fill the shape {shape}")
    else:
        cells = np.array(getattr(proto, field)).astype(cell)
        flat = _fit(_numbers(cells, name), count, empty=0)
    return flat.reshape(shape)


def as_array(value) -> np.ndarray:
    """The array that `encode` sends: strings as objects, so that they keep their zero bytes."""
    if isinstance(value, np.ndarray):
        return value
    array = np.asarray(value)
    # numpy's own string types cut trailing zero bytes off and fill every item to one length.
    return np.array(value, dtype=object) if array.dtype.kind in "SU" else array


def byte_count(array) -> int:
    """How much a message grows by an array of `as_array`, roughly."""
    if array.dtype.kind == "O":
        return sum(len(item) for item in array.flat if isinstance(item, bytes | str))
    return array.nbytes


def _string(item):
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes):
        return bytes(item)
    raise ValueError(f"an array that holds a {type(item).__name__} has no TensorFlow type")


def _numbers(cells, name):
    """Read memory cells as the numbers that they are the bits or the parts of."""
    if name == "bfloat16":  # the upper half of a float32
        return (cells.astype(np.uint32) << 16).view(np.float32)
    return cells.view(name)


def _fit(flat, count, empty):
    """Bring typed values to the tensor's element count, as TensorFlow does."""
    if flat.size >= count:
        return flat[:count]
    last = flat[-1] if flat.size else empty
    padded = np.full(count, last, flat.dtype)
    padded[: flat.size] = flat
    return padded


def _split_strings(content, count):
    """Split the strings of `tensor_content`: all lengths as varints, then all bytes."""
    lengths, at = [], 0
    for _ in range(count):
        length, at = _varint(content, at)
        lengths.append(length)
    if at + sum(lengths) != len(content):
        raise ValueError(f"{len(content)} bytes do not hold {count} strings")
    strings = []
    for length in lengths:
        strings.append(content[at : at + length])
        at += length
    return strings


def _varint(content, at):
    """Read one base-128 number from position `at`; return it and the position behind it."""
    value = shift = 0
    while True:
        if at == len(content):
            raise ValueError("the lengths of the strings are cut short")
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
