"""What convolutional networks leave in pictures: grids of their strides, and frames.

Images are float arrays [H, W, 3] in [0, 1].
"""

import dataclasses

import numpy as np

from zoo import images
from zoo.sample_photo import sample_photo

STRIDES = (2, 4, 8)
LEVELS = 255  # of 8 bits
NEIGHBOURS = range(3, 9)  # bins on either side: beyond what the window smears


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
    return max(
        power / (beside + 1e-12)
        for lines in _directions(image)
        for power, beside in _at_stride(lines, stride)
    )


def stride_energy(image, stride):
    """The power in `grid_energy`'s places alone, whatever is beside it.

    Args:
        image: as for `grid_energy`.
        stride: the same.

    Returns:
        The sum over the multiples of 1 / stride of rows and columns, a float; to be compared with
        that of another image of the same size.
    """
    return sum(power for lines in _directions(image) for power, _ in _at_stride(lines, stride))


def grid_amplitude(image, stride):
    """How strong a grid of a stride is to the eye, on plain areas too.

    What `grid_energy` divides is subtracted here, and the rest taken for waves along the rows or
    columns.

    Args:
        image: its sides at least 24 * stride pixels.
        stride: pixels, 2 or more.

    Returns:
        The amplitude of the strongest of the waves as a float, in levels of 8 bits. Of a picture
        without a grid it is not 0, but what its own structure has more at one frequency than
        beside it.
    """
    amplitudes = []
    for lines in _directions(image):
        length = lines.shape[1] // stride * stride
        for harmonic, (power, beside) in enumerate(_at_stride(lines, stride), start=1):
            peaks = 1 if 2 * harmonic == stride else 2  # of a wave, in a spectrum of both signs
            wave = 2 * peaks / length * max(0.0, power - beside) ** 0.5
            amplitudes.append(LEVELS * wave)
    return max(amplitudes)


def _directions(image):
    """Brightness by rows, and by columns."""
    brightness = image.mean(axis=-1, dtype="float64")
    return brightness, brightness.T


def _at_stride(lines, stride):
    """Mean power at each multiple of 1 / stride, and the median beside it, as floats."""
    length = lines.shape[1] // stride * stride
    lines = lines[:, :length] - lines[:, :length].mean(axis=1, keepdims=True)
    power = np.mean(np.abs(np.fft.rfft(lines * np.hanning(length), axis=1)) ** 2, axis=0)
    for harmonic in range(1, stride // 2 + 1):
        at = harmonic * length // stride
        beside = [b for n in NEIGHBOURS for b in (at - n, at + n) if 0 < b < len(power)]
        yield float(power[at]), float(np.median(power[beside]))


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
    return _border_error(transform(image), transform, image, border, margin)


def _border_error(made, transform, image, border=16, margin=64):
    extended = np.pad(image, [(margin, margin), (margin, margin), (0, 0)], mode="reflect")
    expected = transform(extended)[margin:-margin, margin:-margin]
    difference = np.abs(made - expected).mean(axis=-1)
    inside = np.zeros(difference.shape, bool)
    inside[border:-border, border:-border] = True
    return float(difference[~inside].mean()), float(difference[inside].mean())


# --- Of a network ---


@dataclasses.dataclass(frozen=True)
class Artefacts:
    """What a network leaves in a picture.

    Attributes:
        grid: the largest `grid_amplitude` of `STRIDES`, in levels of 8 bits.
        outer: `border_error` in the outer 16 pixels, in these levels.
        inside: the same inside of them.
    """

    grid: float
    outer: float
    inside: float


def plain_inputs(side=256):
    """Inputs that show artefacts: {"flat", "gradient", "photo": float32 [side, side, 3]}."""
    ramp = np.linspace(0, 1, side, dtype="float32")
    gradient = np.repeat(((ramp[:, None] + ramp) / 2)[..., None], 3, axis=-1)
    photo = images.resize_short_side(sample_photo("coffee"), side)[:, :side]
    return {"flat": np.full_like(gradient, 0.5), "gradient": gradient, "photo": photo}


def artefacts(transform, image):
    """The `Artefacts` that a network leaves in what it makes of an image.

    Args:
        transform: maps an image to one of its size.
        image: its sides at least 192 pixels.
    """
    made = transform(image)
    outer, inside = _border_error(made, transform, image)
    grid = max(grid_amplitude(made, stride) for stride in STRIDES)
    return Artefacts(grid, LEVELS * outer, LEVELS * inside)
