"""Tensors as the recordings write them, to `TensorProto` and back, byte for byte.

{dtype, shape, values | b64 | fill, encoding}: `shape` null is an unknown rank, and values and shape
need not agree; `b64` is raw tensor_content, or of strings the list of elements; `fill` is one value
for all elements. `encoding` is "typed" (float_val and so on) or "tensor_content".
"""

import base64
import io
import math

import numpy as np
import PIL.Image
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

HALVES = ("float16", "bfloat16")
SMALL_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32")
# Longer answers of one value are recorded as that value and a count.
LONGEST_LIST = 1000


def numpy_type(name):
    return tf.as_dtype(name).as_numpy_dtype


def dtype_name(enum):
    return tf.as_dtype(enum).name if enum else "invalid"


def typed_field(name):
    if name in HALVES:
        return "half_val"
    if name in SMALL_INTEGERS:
        return "int_val"
    return {"float32": "float_val", "float64": "double_val"}.get(name, f"{name}_val")


def from_json(spec):
    name, shape = spec["dtype"], spec["shape"]
    proto = tensor_pb2.TensorProto()
    if shape is None:
        proto.tensor_shape.unknown_rank = True
    else:
        proto.tensor_shape.SetInParent()
        for size in shape:
            proto.tensor_shape.dim.add(size=size)
    if name == "invalid":
        return proto
    proto.dtype = tf.as_dtype(name).as_datatype_enum
    if name == "string":
        _fill_strings(proto, spec)
    elif "b64" in spec:
        proto.tensor_content = base64.b64decode(spec["b64"])
    elif "fill" in spec:
        proto.tensor_content = np.full(shape, spec["fill"], numpy_type(name)).tobytes()
    elif "values" in spec:
        values = np.array([_number(value) for value in spec["values"]], numpy_type(name))
        if spec.get("encoding") == "tensor_content":
            proto.tensor_content = values.tobytes()
        else:
            bits = values.view(np.uint16) if name in HALVES else values
            getattr(proto, typed_field(name)).extend(bits.tolist())
    return proto


def _fill_strings(proto, spec):
    strings = [base64.b64decode(text) for text in spec.get("b64", [])]
    strings += [text.encode() for text in spec.get("values", [])]
    if spec.get("encoding") == "tensor_content":
        proto.tensor_content = b"".join([*(_varint(len(text)) for text in strings), *strings])
    else:
        proto.string_val.extend(strings)


def to_json(proto, as_images=False):
    name = dtype_name(proto.dtype)
    shape = None if proto.tensor_shape.unknown_rank else [d.size for d in proto.tensor_shape.dim]
    packed = proto.tensor_content
    answer = {
        "dtype": name,
        "shape": shape,
        "encoding": "tensor_content" if packed else "typed",
    }
    if name == "string":
        strings = _unpacked(packed, math.prod(shape)) if packed else list(proto.string_val)
        return answer | _strings_to_json(strings, as_images)
    if packed:
        values = np.frombuffer(packed, numpy_type(name))
    elif name in HALVES:
        values = np.array(proto.half_val, np.uint16).view(numpy_type(name))
    else:
        values = np.array(getattr(proto, typed_field(name)), numpy_type(name))
    if values.size > LONGEST_LIST and (values == values[0]).all():
        return answer | {"fill": plain_number(values[0].item()), "count": values.size}
    values = values.astype(np.float32) if name in HALVES else values
    return answer | {"values": [plain_number(value) for value in values.tolist()]}


def _strings_to_json(strings, as_images):
    if as_images:
        return {"images": [_image_to_json(string) for string in strings]}
    try:
        return {"values": [string.decode() for string in strings]}
    except UnicodeDecodeError:
        return {"b64": [base64.b64encode(string).decode() for string in strings]}


def _image_to_json(contents):
    """Encoders may differ in bytes: only format, size and pixels count."""
    with PIL.Image.open(io.BytesIO(contents)) as picture:
        kind, pixels = picture.format, np.asarray(picture.convert("RGB"))
    return {"format": kind, "shape": list(pixels.shape), "pixels": pixels.ravel().tolist()}


def _number(value):
    return float(value["number"]) if isinstance(value, dict) else value


def plain_number(value):
    """JSON knows neither NaN nor infinities: {"number": "nan"}."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    return value


def _varint(number):
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _unpacked(packed, count):
    """String tensor_content: all lengths as varints, then all bytes."""
    at, lengths = 0, []
    for _ in range(count):
        length = shift = 0
        while True:
            byte, at = packed[at], at + 1
            length, shift = length | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        lengths.append(length)
    strings = []
    for length in lengths:
        strings.append(packed[at : at + length])
        at += length
    return strings
