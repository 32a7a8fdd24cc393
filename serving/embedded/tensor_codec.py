"""`TensorProto` to TensorFlow tensors and back, with TensorFlow's own reading of the format."""

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

_INT = (tf.int8, tf.uint8, tf.int16, tf.uint16, tf.int32)
_HALF = (tf.float16, tf.bfloat16)

# Few typed values may stand for many equal ones: without a bound, a call of 60 bytes fills the
# memory. This is more than the largest image that a model of the zoo takes.
_MOST_REPEATED_BYTES = 2**28
_STRING_BYTES = 24  # of TensorFlow's tstring, without the text of a long one

# Their elements lie in tensor_content as in NumPy's memory.
_PLAIN_DTYPES = frozenset(
    dtype.as_datatype_enum for dtype in (tf.float32, tf.float64, tf.uint8, tf.int32, tf.int64)
)

# float_val, double_val and bool_val are on the wire a length and then the elements as they lie in
# memory, so an image is encoded by copying it; `extend` would take 40 times as long.
_PACKED_KEYS = {tf.float32: b"\x2a", tf.float64: b"\x32", tf.bool: b"\x5a"}


def decode(proto):
    """The tensor that a `TensorProto` stands for.

    Typed fields and tensor_content are both read; too few typed values repeat the last one, none
    at all are zeros, surplus ones are ignored.

    Raises:
        ValueError: tensor_content and shape disagree, a dimension is negative, the dtype is none,
            or few values stand for more than fits.
    """
    plain = _plain_content(proto)
    if plain is not None:
        return tf.convert_to_tensor(plain)
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
        _check_repetition(proto, dtype)
        return tf.io.parse_tensor(proto.SerializeToString(), dtype)
    except (TypeError, tf.errors.OpError) as error:
        raise ValueError(f"not a tensor: {error}") from error


def _plain_content(proto):
    """The array in a correct tensor_content of numbers, else None; this is what images are sent as.

    TensorFlow's own parser copies such content several times.
    """
    shape, content = [dim.size for dim in proto.tensor_shape.dim], proto.tensor_content
    if not content or proto.dtype not in _PLAIN_DTYPES or min(shape, default=1) < 0:
        return None
    dtype = tf.dtypes.as_dtype(proto.dtype).as_numpy_dtype
    if math.prod(shape) * np.dtype(dtype).itemsize != len(content):
        return None
    return np.frombuffer(content, dtype).reshape(shape)


def _check_repetition(proto, dtype):
    count = math.prod(dim.size for dim in proto.tensor_shape.dim)
    declared = count * (dtype.size or _STRING_BYTES)
    if declared > max(_MOST_REPEATED_BYTES, _STRING_BYTES * proto.ByteSize()):
        raise ValueError(f"not a tensor: few values stand for {declared} bytes")


def encode(tensor, as_content=False, into=None):
    """A tensor as `TensorProto`.

    Args:
        tensor: an eager `tf.Tensor`.
        into: empty `TensorProto` to fill, or None for a new one.
        as_content: whether to fill tensor_content instead of the dtype's own field (float_val,
            string_val, ...).
    """
    proto = tensor_pb2.TensorProto() if into is None else into
    dtype = tensor.dtype
    if dtype in _PACKED_KEYS and not as_content:
        values = tensor.numpy()
        proto.dtype = dtype.as_datatype_enum
        proto.tensor_shape.CopyFrom(tensor.shape.as_proto())
        if values.size:
            packed = [_PACKED_KEYS[dtype], _varint(values.nbytes), values.reshape(-1).data]
            proto.MergeFromString(b"".join(packed))
        return proto
    proto.MergeFromString(tf.io.serialize_tensor(tensor).numpy())
    if as_content and proto.string_val:
        # TensorFlow Serving packs strings too, though TensorFlow's Python cannot read them.
        proto.tensor_content = b"".join(
            [*(_varint(len(element)) for element in proto.string_val), *proto.string_val]
        )
        proto.ClearField("string_val")
    if as_content or not proto.tensor_content:
        return proto
    field = "int_val" if dtype in _INT else "half_val" if dtype in _HALF else f"{dtype.name}_val"
    if hasattr(proto, field):
        values = tensor.numpy().ravel()
        getattr(proto, field).extend((values.view("uint16") if dtype in _HALF else values).tolist())
        proto.ClearField("tensor_content")
    return proto


def type_name(dtype):
    """What TensorFlow's C++ calls a `tf.DType` in its messages."""
    return {tf.float32: "float", tf.float64: "double", tf.float16: "half"}.get(dtype, dtype.name)


def _varint(number):
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
