"""Calls with more rows than a server takes at once: split, and put together again."""

import itertools
import math
import re

import numpy as np

# What tensorflow_model_server says with batching on, and the zoo's own models of files and pixels.
_ROW_LIMIT = re.compile(
    r"Task size \d+ is larger than maximum input batch size (\d+)"
    r"|must have no more than (\d+) files"
)
_PIXEL_LIMIT = re.compile(r"image must have no more than (\d+) pixels")


def row_limit(words, inputs) -> int | None:
    """How many rows a refused call may have.

    Args:
        words: what the server refused it with.
        inputs: arrays of the call, by name.

    Returns:
        The limit; None if the words tell none, or no split would keep to it.
    """
    rows = row_count(inputs)
    if found := _ROW_LIMIT.search(words):
        limit = int(found[1] or found[2])
    elif (found := _PIXEL_LIMIT.search(words)) and rows:
        pixels = [math.prod(array.shape[1:3]) for array in inputs.values() if array.ndim == 4]
        limit = int(found[1]) // max(pixels) if any(pixels) else 0
    else:
        return None
    return limit if rows and 1 <= limit < rows else None


def row_count(inputs) -> int | None:
    """The rows of a call; None if its inputs do not agree on them."""
    counts = {array.shape[0] if array.ndim else None for array in inputs.values()}
    return counts.pop() if len(counts) == 1 else None


def split(inputs, limit) -> list[dict[str, np.ndarray]]:
    """Parts of at most `limit` rows, about equally many in each; views."""
    rows = row_count(inputs)
    parts = math.ceil(rows / limit)
    bounds = [rows * i // parts for i in range(parts + 1)]
    return [
        {name: array[start:stop] for name, array in inputs.items()}
        for start, stop in itertools.pairwise(bounds)
    ]


def joined(parts) -> dict[str, np.ndarray]:
    """The outputs of all parts as those of one call.

    Raises:
        ValueError: an output has no rows, or they differ in shape.
    """
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
