import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from serving import tensors
from serving.protocol import tensorflow_serving_pb2 as messages

DTYPES = [
    *("float16", "float32", "float64", "complex64", "complex128", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
]


def samples(dtype):
    """Six values, the smallest and the largest that the type holds among them."""
    if dtype == "bool":
        return np.array([[True, False, True], [False, False, True]])
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return np.array([[0, 1, 2], [limits.min, limits.max, 100]], dtype)
    array = np.array([[0, -1.5, 2.25], [np.finfo(dtype).max, np.inf, 1e-4]], dtype)
    return array * (1 + 0.5j) if np.issubdtype(dtype, np.complexfloating) else array


def to_tensorflow(proto):
    return tensor_pb2.TensorProto.FromString(proto.SerializeToString())


def from_tensorflow(proto):
    return messages.TensorProto.FromString(proto.SerializeToString())


def packed_by_tensorflow(array):
    return messages.TensorProto.FromString(tf.io.serialize_tensor(array).numpy())


def same(left, right):
    assert left.dtype == right.dtype
    np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.filterwarnings("ignore:invalid value")  # infinity times a complex number
def test_tensorflow_reads_what_is_encoded(dtype):
    array = samples(dtype)
    proto = to_tensorflow(tensors.encode(array))
    same(tf.make_ndarray(proto), array)
    assert proto.tensor_content  # not one by one


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_tensorflow_packs_into_content_is_decoded(dtype):
    array = samples(dtype)
    proto = packed_by_tensorflow(array)
    assert proto.tensor_content
    same(tensors.decode(proto), array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_typed_values_are_decoded(dtype):
    # TensorFlow's Python writes a single value into its typed field; merging joins the lists.
    whole = tensor_pb2.TensorProto()
    for value in samples(dtype).flat:
        single = tf.make_tensor_proto(value)
        assert not single.tensor_content
        same(tensors.decode(from_tensorflow(single)), np.array(value))
        whole.MergeFrom(single)
    whole.tensor_shape.CopyFrom(tf.TensorShape([2, 3]).as_proto())
    same(tensors.decode(from_tensorflow(whole)), samples(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_typed_values_that_are_too_few_repeat_the_last(dtype):
    proto = tf.make_tensor_proto(np.ones([], dtype))
    proto.tensor_shape.CopyFrom(tf.TensorShape([2, 2]).as_proto())
    same(tensors.decode(from_tensorflow(proto)), np.ones([2, 2], dtype))


@pytest.mark.parametrize("dtype", [*DTYPES, "object"])
def test_a_shape_without_any_value_means_zeros(dtype):
    name = messages.DT_STRING if dtype == "object" else tf.as_dtype(dtype).as_datatype_enum
    dims = [messages.TensorShapeProto.Dim(size=3)]
    proto = messages.TensorProto(dtype=name, tensor_shape=messages.TensorShapeProto(dim=dims))
    empty = np.array([b""] * 3, object) if dtype == "object" else np.zeros(3, dtype)
    same(tensors.decode(proto), empty)


def test_surplus_typed_values_are_ignored():
    proto = messages.TensorProto(dtype=messages.DT_FLOAT, float_val=[1, 2, 3])
    same(tensors.decode(proto), np.float32(1).reshape([]))


def test_bfloat16_arrives_as_float32_and_leaves_from_ml_dtypes():
    exact = np.array([1.5, -2.0, 0.0078125, np.inf], np.float32)
    low = tf.constant(exact, tf.bfloat16).numpy()
    encoded = tensors.encode(low)
    same(tf.make_ndarray(to_tensorflow(encoded)), low)
    same(tensors.decode(encoded), exact)
    typed = tf.make_tensor_proto(1.5, dtype=tf.bfloat16, shape=[2])
    typed.tensor_content = b""
    typed.half_val[:] = [0x3FC0]
    same(tensors.decode(from_tensorflow(typed)), np.float32([1.5, 1.5]))


@pytest.mark.parametrize("shape", [(), (0,), (0, 4, 4, 3), (1,), (2, 1, 3)])
def test_shapes_survive_even_empty_ones(shape):
    array = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    proto = tensors.encode(array)
    same(tf.make_ndarray(to_tensorflow(proto)), array)
    same(tensors.decode(proto), array)


def test_any_memory_layout_is_sent_in_order():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for odd in (array.T, array[:, ::2], array.astype(">f4"), np.asfortranarray(array)):
        decoded = tensors.decode(tensors.encode(odd))
        assert decoded.dtype == np.float32
        np.testing.assert_array_equal(decoded, odd)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"one\0file\0", np.array(b"one\0file\0", object)),
        ([b"a\0", b"", b"\xff" * 300], np.array([b"a\0", b"", b"\xff" * 300], object)),
        ("straße", np.array("straße".encode(), object)),
        (np.array([[b"ab", b"c"]]), np.array([[b"ab", b"c"]], object)),
        (np.array(["é", "f"]), np.array(["é".encode(), b"f"], object)),
    ],
)
def test_strings_keep_every_byte(value, expected):
    proto = tensors.encode(value)
    same(tf.make_ndarray(to_tensorflow(proto)), expected)
    same(tensors.decode(proto), expected)


def length_prefix(size):
    """A varint, as TensorFlow writes it before the bytes of its strings."""
    low, rest = size & 0x7F, size >> 7
    return bytes([low | 0x80]) + length_prefix(rest) if rest else bytes([low])


def test_strings_packed_into_content_are_decoded():
    strings = [b"short", b"", b"x" * 127, b"y" * 128, b"z" * 70000]
    array = np.array(strings, object).reshape(5, 1)
    proto = tf.make_tensor_proto(array)
    del proto.string_val[:]
    proto.tensor_content = b"".join([length_prefix(len(each)) for each in strings] + strings)
    # TensorFlow's kernel vouches for the layout; its make_ndarray cannot read it.
    same(tf.io.parse_tensor(proto.SerializeToString(), tf.string).numpy(), array)
    same(tensors.decode(from_tensorflow(proto)), array)


@pytest.mark.parametrize("content", [b"\x05abc", b"\x01abc", b"\x80", b"\x83"])
def test_string_content_that_does_not_add_up_is_refused(content):
    proto = messages.TensorProto(dtype=messages.DT_STRING, tensor_content=content)
    with pytest.raises(ValueError, match="string"):
        tensors.decode(proto)


def test_number_content_that_does_not_fill_the_shape_is_refused():
    proto = tensors.encode(np.zeros([2, 2], np.float32))
    proto.tensor_shape.dim[0].size = 3
    with pytest.raises(ValueError, match="4 values do not fill"):
        tensors.decode(proto)


def test_a_shape_that_is_not_known_is_refused():
    proto = tensors.encode(np.zeros(2, np.float32))
    proto.tensor_shape.dim[0].size = -1
    with pytest.raises(ValueError, match="not fully known"):
        tensors.decode(proto)
    with pytest.raises(ValueError, match="not fully known"):
        tensors.decode(messages.TensorProto(tensor_shape={"unknown_rank": True}))


def test_types_that_are_no_numbers_are_named_in_the_refusal():
    with pytest.raises(ValueError, match="DT_RESOURCE"):
        tensors.decode(messages.TensorProto(dtype=messages.DT_RESOURCE))
    with pytest.raises(ValueError, match="datetime64"):
        tensors.encode(np.array(["2020-01-01"], "datetime64[D]"))
    with pytest.raises(ValueError, match="NoneType"):
        tensors.encode(np.array([b"file", None], object))


def test_decoded_arrays_may_be_changed():
    for proto in (
        tensors.encode(np.zeros(3, np.float32)),
        messages.TensorProto(dtype=messages.DT_INT32, int_val=[1]),
    ):
        tensors.decode(proto)[...] = 1
