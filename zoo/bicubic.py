"""The field's bicubic: MATLAB's `imresize`, which super-resolution is measured with and against.

Keys' kernel (1981, "Cubic convolution interpolation for digital image processing", a = -0.5),
stretched when it shrinks so that it antialiases, on half-pixel centres; beyond its edge the image
goes on mirrored, the edge pixel first. Pillow has this kernel but cuts it off at the edges; OpenCV
and TensorFlow (a = -0.75 or no antialiasing) and scikit-image (splines) have other ones.
"""

import math

import numpy as np

from zoo.errors import UserError


def keys_kernel(distance):
    """Keys' cubic of distances in pixels: 1 at 0, 0 at every other whole number and from 2 on."""
    x = np.abs(distance)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def taps(positions, scale):
    """Which pixels of a row make up the pixels of a resized one, and with what weights.

    Enlarging by a whole factor repeats the weights of the first `factor` positions.

    Args:
        positions: float [P], where the new pixels' centres lie in the row, pixel i's being at i.
        scale: new size over old; below 1 the kernel is stretched by 1 / scale.

    Returns:
        int [P, K] indices, consecutive in a row of this table, some of them outside of the row of
        pixels, and float32 [P, K] weights that sum to 1; K = 4 when enlarging.
    """
    stretch = max(1.0, 1 / scale)
    first = np.floor(positions - 2 * stretch).astype(int) + 1
    indices = first[:, None] + np.arange(math.ceil(4 * stretch))
    weights = keys_kernel((positions[:, None] - indices) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    return indices, weights.astype(np.float32)


def mirrored(indices, size):
    """Indices outside of a row of `size` pixels folded into it: -1 is 0, `size` is `size` - 1."""
    indices = indices % (2 * size)
    return np.minimum(indices, 2 * size - 1 - indices)


def resize(image, size):
    """Resize an image to a size, as `imresize(image, [height width])`.

    Args:
        image: float32 [H, W, C] in [0, 1].
        size: (height, width) in pixels.

    Returns:
        float32 [height, width, C], clipped to [0, 1], which the kernel overshoots at edges.

    Raises:
        UserError: a side is below one pixel.
    """
    scales = [new / old for new, old in zip(size, image.shape[:2], strict=True)]
    return _resize(image, size, scales)


def rescale(image, factor):
    """Resize an image by a factor, as `imresize(image, factor)`: sides are rounded up.

    Where the factor makes no whole number of pixels of a side, the new pixels' grid is laid from
    the top left, and `resize` to the same size is not the same.

    Args:
        image: float32 [H, W, C] in [0, 1].
        factor: above 1 enlarges, below 1 shrinks.

    Returns:
        float32 [ceil(factor * H), ceil(factor * W), C], clipped to [0, 1].

    Raises:
        UserError: the factor is not above zero.
    """
    if factor <= 0:
        raise UserError(f"cannot resize by the factor {factor}: give one above zero")
    # Products such as 0.1 * 30 = 3.0000000000000004 are whole numbers.
    size = [math.ceil(round(side * factor, 6)) for side in image.shape[:2]]
    return _resize(image, size, (factor, factor))


def resize_strips(strips, height, size):
    """As `resize`, of an image that comes strip by strip, in bounded memory.

    Args:
        strips: of float32 [h, W, C] in [0, 1], from top to bottom.
        height: the sum of h.
        size: (height, width) of the result in pixels.

    Yields:
        float32 [h', width, C], from top to bottom.
    """
    positions = (np.arange(size[0]) + 0.5) * height / size[0] - 0.5
    indices, weights = taps(positions, size[0] / height)
    indices = mirrored(indices, height)
    kept, first, done = None, 0, 0  # rows that later ones need, the first's number, rows yielded
    for strip in strips:
        strip = _resize_axis(strip, 1, size[1], size[1] / strip.shape[1])
        kept = strip if kept is None else np.concatenate([kept, strip])
        late = indices[done:].max(axis=1) >= first + len(kept)
        ready = done + (int(np.argmax(late)) if late.any() else len(late))
        if ready > done:
            yield _weighted(kept, 0, indices[done:ready] - first, weights[done:ready]).clip(0, 1)
            done = ready
            unused = (indices[done:].min() if done < size[0] else first + len(kept)) - first
            kept, first = kept[unused:].copy(), first + unused


def _resize(image, size, scales):
    if min(size) < 1:
        raise UserError(f"cannot resize to {size[0]} x {size[1]} pixels")
    for axis in np.argsort(scales):  # the order that leaves less to do for the second
        image = _resize_axis(image, int(axis), size[axis], scales[axis])
    return image.clip(0, 1)


def _resize_axis(image, axis, size, scale):
    positions = (np.arange(size) + 0.5) / scale - 0.5
    indices, weights = taps(positions, scale)
    indices = mirrored(indices, image.shape[axis])
    return _weighted(image, axis, indices, weights)


def _weighted(image, axis, indices, weights):
    along = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    # A tap at a time: all at once would take K times the memory.
    return sum(
        image.take(indices[:, k], axis) * weights[:, k].reshape(along)
        for k in range(weights.shape[1])
    )
