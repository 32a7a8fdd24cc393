import numpy as np
import pytest

from serving import batches

TASK_SIZE = "Task size 9 is larger than maximum input batch size 4"
FILES = "assertion failed: [image_bytes must have no more than 32 files]"
PIXELS = "assertion failed: [image must have no more than 300 pixels]"


def rows(count, *shape):
    return np.arange(count * int(np.prod(shape)), dtype=np.float32).reshape(count, *shape)


@pytest.mark.parametrize(
    ("words", "inputs", "limit"),
    [
        (TASK_SIZE, {"x": rows(9), "w": rows(9, 2)}, 4),
        (TASK_SIZE, {"x": rows(9), "w": rows(3)}, None),  # rows that do not belong together
        (TASK_SIZE, {"x": np.float32(1)}, None),
        (FILES, {"image_bytes": rows(40)}, 32),
        (PIXELS, {"image": rows(9, 10, 10, 3)}, 3),
        (PIXELS, {"image": rows(9, 20, 20, 3)}, None),  # not even one
        (PIXELS, {"image": rows(3, 10, 10, 3)}, None),  # it was something else
        ("Expects arg[0] to be float", {"x": rows(9)}, None),
        (PIXELS, {}, None),
    ],
)
def test_the_limit_is_read_from_the_servers_words(words, inputs, limit):
    assert batches.row_limit(words, inputs) == limit


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
def test_parts_keep_to_the_limit_and_join_to_the_whole(limit):
    inputs = {"x": rows(7, 2), "name": np.array([b"a", b"b\0"] * 3 + [b"c"], object)}
    parts = batches.split(inputs, limit)
    counts = [len(part["x"]) for part in parts]
    assert max(counts) <= limit
    assert max(counts) - min(counts) <= 1
    joined = batches.joined(parts)
    for name, array in inputs.items():
        np.testing.assert_array_equal(joined[name], array)


def test_outputs_without_rows_cannot_be_joined():
    with pytest.raises(ValueError, match="dimension"):
        batches.joined([{"sum": np.float32(1)}, {"sum": np.float32(2)}])
