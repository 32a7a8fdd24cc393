"""Colours under transparent pixels, where they bleed into what is seen."""

import numpy as np


def filled(rgb, alpha):
    """Give fully transparent pixels the colours of visible ones near them.

    What enlarges a picture mixes neighbours: with the black that most files hold there, cut-outs
    would get dark edges.

    Args:
        rgb: float32 [H, W, 3].
        alpha: float32 [H, W], 0..1.

    Returns:
        float32 [H, W, 3]; visible pixels are as they were. Without any visible one all is.
    """
    return _filled(rgb, (alpha > 0).astype(np.float32)[..., None])


def _filled(rgb, visible):
    if visible.all() or not visible.any():
        return rgb
    # Half the size, of visible pixels alone, and that filled likewise: near ones come first.
    height, width = visible.shape[:2]
    even = ((0, height % 2), (0, width % 2), (0, 0))
    shape = ((height + 1) // 2, 2, (width + 1) // 2, 2, -1)
    counts = np.pad(visible, even).reshape(shape).sum((1, 3))
    sums = np.pad(rgb * visible, even).reshape(shape).sum((1, 3))
    small = _filled(sums / np.maximum(counts, 1), np.minimum(counts, 1))
    return np.where(visible, rgb, small.repeat(2, 0).repeat(2, 1)[:height, :width])
