"""Images in overlapping tiles: how they are cut, and how the results are put together again.

A convolution's output near a tile's edge depends on pixels beyond it. So each tile is cut with a
margin of real neighbouring pixels around what is used of it: with the network's receptive field for
a margin, what is used is what the whole image would have given. Neighbouring tiles may also overlap
in what is used, where one fades into the other (`feather`).
"""

import math
from dataclasses import dataclass

import numpy as np

# For networks of style: more than the receptive field of each of ours, their norms aside, and whole
# strides, so that a tile's features lie on the same grid as the whole image's.
STYLE_MARGIN = 112
STYLE_FEATHER = 32
STYLE_MULTIPLE = 16


@dataclass(frozen=True)
class Span:
    """A tile along one axis, in pixels: [start, stop) is cut, [first, last) of that is used.

    The first and the last `fade_in` and `fade_out` pixels of what is used are shared with the
    neighbour.
    """

    start: int
    stop: int
    first: int
    last: int
    fade_in: int = 0
    fade_out: int = 0

    def weights(self, factor=1):
        """float32 [factor * (last - first)] of the used pixels; shared ones sum to 1."""
        weights = np.ones(factor * (self.last - self.first), np.float32)
        for length, end in ((self.fade_in, weights), (self.fade_out, weights[::-1])):
            length *= factor
            end[:length] = (np.arange(length, dtype=np.float32) + 0.5) / max(length, 1)
        return weights


@dataclass(frozen=True)
class Tile:
    """A rectangle of an image, `rows` by `columns`."""

    rows: Span
    columns: Span

    def cut(self, image):
        """The part of an image [H, W, ...] that the network is to see; a view."""
        return image[self.rows.start : self.rows.stop, self.columns.start : self.columns.stop]

    def used(self, output, factor=1):
        """The part of the network's output [factor * h, factor * w, ...] that is used; a view."""
        rows, columns = (
            slice(factor * (span.first - span.start), factor * (span.last - span.start))
            for span in (self.rows, self.columns)
        )
        return output[rows, columns]


def grid(size, side, margin, feather=0, multiple=1):
    """Cut an image into tiles of about equal size.

    Args:
        size: (height, width) of the image in pixels.
        side: pixels; no tile is larger, margins included.
        margin: pixels around what is used of a tile, except at the image's own edges.
        feather: pixels in which neighbours fade into each other.
        multiple: pixels; tiles begin at multiples of this, as strided networks want it.

    Returns:
        Rows from top to bottom, each a list of `Tile`s from left to right. A side of the image that
        is no longer than `side` is not cut.

    Raises:
        ValueError: `side` leaves too little between the margins.
    """
    rows, columns = (_spans(length, side, margin, feather, multiple) for length in size)
    return [[Tile(row, column) for column in columns] for row in rows]


def least_side(margin, feather=0, multiple=1):
    """The smallest `side` that `grid` takes."""
    return 2 * margin + feather + max(multiple, math.ceil(feather / multiple) * multiple)


def _spans(length, side, margin, feather, multiple):
    if length <= side:
        return [Span(0, length, 0, length)]
    if side < (least := least_side(margin, feather, multiple)):
        raise ValueError(f"side={side}: give {least} or more")
    overlap = 2 * margin + feather
    new = length - overlap  # what the tiles have to cover, a step each
    longest_step = (side - overlap) // multiple * multiple
    step = math.ceil(new / math.ceil(new / longest_step) / multiple) * multiple
    # A fading part is shared by two tiles, never by three.
    step = max(step, math.ceil(feather / multiple) * multiple)
    count = math.ceil(new / step)
    return [
        Span(
            start=i * step,
            stop=min(i * step + step + overlap, length),
            first=i * step + margin if i else 0,
            last=(i + 1) * step + margin + feather if i < count - 1 else length,
            fade_in=feather if i else 0,
            fade_out=feather if i < count - 1 else 0,
        )
        for i in range(count)
    ]


def mosaic(image, count=64, side=128):
    """A small image of patches from all over a large one, which has about its statistics.

    In place of a thumbnail: shrunk to a quarter of its pixels, an image has steeper gradients, and
    a network of style makes something else of it (33 dB from what statistics of the whole image
    give); with as many pixels in patches it is about 38 dB.

    Args:
        image: [H, W, C].
        count: patches at most.
        side: of a patch, in pixels; less if the image has less.

    Returns:
        [side * rows, side * columns, C], where it can be of about the image's shape.
    """
    height, width = image.shape[:2]
    side = min(side, height, width)
    rows = min(max(1, round(math.sqrt(count * height / width))), height // side, count)
    columns = min(count // rows, width // side)
    tops, lefts = (
        ((np.arange(number) + 0.5) * length / number - side / 2).astype(int)
        for number, length in ((rows, height), (columns, width))
    )
    return np.block(
        [[[image[top : top + side, left : left + side]] for left in lefts] for top in tops]
    )


def strips(tiles, transform, factor=1):
    """Transform tile by tile, and put the results together strip by strip, so in bounded memory.

    Args:
        tiles: rows of `Tile`s, as `grid` gives them.
        transform: from a `Tile` to the float [factor * h, factor * w, C] that the network makes of
            what it cuts; asked row by row, from left to right.
        factor: of super-resolution.

    Yields:
        float32 [h, factor * W, C], from the top of the image to its bottom.
    """
    width = factor * tiles[0][-1].columns.last
    shared = None  # what the row above has added to the first rows of this one
    for row in tiles:
        rows = row[0].rows
        band = None
        for tile in row:
            used = tile.used(transform(tile), factor)
            if band is None:
                band = np.zeros((len(used), width, used.shape[-1]), np.float32)
            start = factor * tile.columns.first
            weights = rows.weights(factor)[:, None] * tile.columns.weights(factor)
            band[:, start : start + used.shape[1]] += weights[..., None] * used
        if shared is not None:
            band[: len(shared)] += shared
        finished = len(band) - factor * rows.fade_out
        yield band[:finished]
        shared = band[finished:].copy() if rows.fade_out else None


def assembled(tiles, transform, factor=1):
    """All `strips` of an image at once: float32 [factor * H, factor * W, C]."""
    return np.concatenate(list(strips(tiles, transform, factor)))
