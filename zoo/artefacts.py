"""What convolutional networks leave in pictures: grids of their strides, and frames.

Images are float arrays [H, W, 3] in [0, 1].
"""

import numpy as np

_NEIGHBOURS = range(3, 9)  # bins on either side: beyond what the window smears


def grid_energy(image, stride):
    """How much a grid of a stride stands out of the picture's spectrum.

    The power spectra of all rows are averaged, and those of all columns (a Hann window, brightness
    alone). A pattern that repeats every `stride` pixels lies at the multiples of 1 / stride; there
    the power is divided by the median of that of the frequencies near by.

    Args:
        image: its sides at least 24 * stride pixels.
        stride: pixels, 2 or more.

    Returns:
        The largest of these ratios as a float: about 1 without a grid.
    """
    brightness = image.mean(axis=-1)
    return max(_stand_out(brightness, stride), _stand_out(brightness.T, stride))


def _stand_out(rows, stride):
    length = rows.shape[1] // stride * stride
    rows = rows[:, :length] - rows[:, :length].mean(axis=1, keepdims=True)
    power = np.mean(np.abs(np.fft.rfft(rows * np.hanning(length), axis=1)) ** 2, axis=0)
    ratios = []
    for harmonic in range(1, stride // 2 + 1):
        at = harmonic * length // stride
        beside = [b for n in _NEIGHBOURS for b in (at - n, at + n) if 0 < b < len(power)]
        ratios.append(power[at] / (np.median(power[beside]) + 1e-12))
    return float(max(ratios))


def border_error(transform, image, border=16, margin=64):
    """How much worse a network does at the border than inside.

    The image is extended by reflection; what the network makes of it, cropped, is what the border
    would be if it were inside.

    Args:
        transform: maps an image to one of its size.
        image: larger than twice the border.
        border: pixels.
        margin: pixels that the image is extended by on each side, less than its own sides.

    Returns:
        Mean absolute differences, in the outer `border` pixels and inside of them; the latter is
        not zero where the network takes statistics of the whole image.
    """
    extended = np.pad(image, [(margin, margin), (margin, margin), (0, 0)], mode="reflect")
    expected = transform(extended)[margin:-margin, margin:-margin]
    difference = np.abs(transform(image) - expected).mean(axis=-1)
    inside = np.zeros(difference.shape, bool)
    inside[border:-border, border:-border] = True
    return float(difference[~inside].mean()), float(difference[inside].mean())
