"""Flicker of stylised videos: measured, and taken away where nothing moves.

A network of style answers the noise of a still scene with strokes that differ from frame to frame.
"""

import dataclasses

import numpy as np

from zoo import any_size, bicubic, striped

_STILL = 0.04  # of 0..1: how much a frame differs from the last where something moves, not noise
_NEIGHBOURHOOD = 8  # pixels over which the difference is averaged


def stillness(frame, last):
    """1 where a frame is as the last one, towards 0 where something moves: float32 [H, W].

    Args:
        frame: float32 [H, W, 3].
        last: float32 [H, W, 3].
    """
    difference = np.abs(frame - last).mean(axis=-1, keepdims=True)
    size = difference.shape[:2]
    coarse = bicubic.resize(difference, [-(-side // _NEIGHBOURHOOD) for side in size])
    return np.exp(-np.square(bicubic.resize(coarse, size)[..., 0] / _STILL))


def flicker(outputs, frames):
    """How much the results of a video change where the video does not, in levels of 255.

    Args:
        outputs: float32 [H, W, 3] in 0..1, in order.
        frames: what they were made of, alike.

    Returns:
        The mean of absolute differences of one to the next, weighted by `stillness`.
    """
    total, weight = 0.0, 0.0
    for i in range(1, len(outputs)):
        still = stillness(frames[i], frames[i - 1])
        total += (still * np.abs(outputs[i] - outputs[i - 1]).mean(axis=-1)).sum()
        weight += still.sum()
    return float(255 * total / max(weight, 1e-9))


class Steadied:
    """A transformation of frames, one after the other, that flickers less.

    Where a frame is as the last one was, both what the network sees and what it gives are mixed
    with what they were then.

    Args:
        transform: from a `Picture` to a `StripedPicture` of its size. A frame of another size than
            the last, or with all changed, begins anew.
        strength: how much of what was before stays where nothing moves: 0 to below 1. At 0.8 the
            last five frames count.
    """

    def __init__(self, transform, strength):
        self._transform = transform
        self._strength = strength
        self._seen = self._given = None

    def __call__(self, picture):
        """The steadied result of the next frame, a `StripedPicture`."""
        seen = picture.rgb
        kept = 0.0
        if self._seen is not None and self._seen.shape == seen.shape:
            kept = self._strength * stillness(seen, self._seen)[..., None]
            seen = seen + kept * (self._seen - seen)
        result = any_size.whole(self._transform(dataclasses.replace(picture, rgb=seen)))
        given = result.rgb
        if self._given is not None and self._given.shape == given.shape:
            given = given + kept * (self._given - given)
        self._seen, self._given = seen, given
        return striped.of(dataclasses.replace(result, rgb=given))
