import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from serving.embedded import tensor_codec

NUMBERS = [
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "bool",
]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_go_into_the_field_of_their_type_and_come_back(dtype):
    tensor = tf.cast(tf.constant([[0, 1, 7], [100, 0, 1]]), dtype)
    proto = tensor_codec.encode(tensor)
    assert not proto.tensor_content
    np.testing.assert_array_equal(tf.make_ndarray(proto), tensor.numpy())
    np.testing.assert_array_equal(tensor_codec.decode(proto).numpy(), tensor.numpy())


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_go_into_tensor_content_when_asked(dtype):
    tensor = tf.cast(tf.constant([3, 0, 5]), dtype)
    proto = tensor_codec.encode(tensor, as_content=True)
    assert proto.tensor_content == tensor.numpy().tobytes()
    np.testing.assert_array_equal(tensor_codec.decode(proto).numpy(), tensor.numpy())


@pytest.mark.parametrize("as_content", [False, True])
def test_strings_of_any_bytes_and_length_survive(as_content):
    strings = [b"", b"\xff\x00", b"x" * 300]
    proto = tensor_codec.encode(tf.constant(strings), as_content)
    assert bool(proto.tensor_content) == as_content
    assert tensor_codec.decode(proto).numpy().tolist() == strings


def test_an_empty_tensor_keeps_its_shape():
    proto = tensor_codec.encode(tf.zeros([0, 4, 3]))
    assert tensor_codec.decode(proto).shape == (0, 4, 3)


@pytest.mark.parametrize(
    ("given", "read"), [([], [0, 0, 0]), ([5, 6], [5, 6, 6]), ([1, 2, 3, 4], [1, 2, 3])]
)
def test_a_typed_list_of_another_length_is_filled_or_cut(given, read):
    proto = tensor_pb2.TensorProto(dtype="DT_FLOAT", float_val=given)
    proto.tensor_shape.dim.add(size=3)
    assert tensor_codec.decode(proto).numpy().tolist() == read


@pytest.mark.parametrize(
    "proto",
    [
        tensor_pb2.TensorProto(),
        tensor_pb2.TensorProto(dtype="DT_FLOAT", tensor_content=b"abc"),
        tensor_pb2.TensorProto(dtype=999),
    ],
)
def test_what_is_no_tensor_is_refused(proto):
    with pytest.raises(ValueError, match="not a tensor"):
        tensor_codec.decode(proto)


@pytest.mark.parametrize(
    ("dtype", "sizes", "values"),
    [
        ("DT_FLOAT", [1, 100_000, 100_000, 3], {"float_val": [0.5]}),
        ("DT_FLOAT", [2**14, 2**14], {}),
        ("DT_STRING", [10**9], {"string_val": [b"x"]}),
    ],
)
def test_few_values_that_stand_for_more_than_fits_are_refused(dtype, sizes, values):
    proto = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    with pytest.raises(ValueError, match="few values stand for"):
        tensor_codec.decode(proto)


def test_as_many_typed_values_as_the_shape_says_are_never_too_many(monkeypatch):
    monkeypatch.setattr(tensor_codec, "_MOST_REPEATED_BYTES", 100)
    for array in (np.zeros(500, np.float32), np.zeros(500, np.int64), np.full(500, b"", object)):
        proto = tensor_codec.encode(tf.constant(array))
        assert tensor_codec.decode(proto).shape == (500,)
