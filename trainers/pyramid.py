"""Sizes of an image that is optimised from coarse to fine."""


def size_to_fit(size, long_side):
    """(height, width) of the same shape as `size`, the longer one `long_side` pixels."""
    scale = long_side / max(size)
    return tuple(max(1, round(scale * side)) for side in size)


def long_sides(first, last):
    """Long sides in pixels from about `first` to `last`, growing by the square root of 2.

    `first` 0, or no smaller than `last`, gives the last alone.
    """
    sides = [last]
    while first and (coarser := round(last / 2 ** (len(sides) / 2))) >= first:
        sides.append(coarser)
    return sides[::-1]
