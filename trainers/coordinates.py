"""Coordinates that L-BFGS moves in: pixels, or those in which photos look like white noise."""

import numpy as np


class Pixels:
    """The image itself, each pixel held in [0, 1]."""

    bounds = (0, 1)

    def __init__(self, size):
        pass

    def coordinates(self, image):
        """Of an image, floats [H, W, 3], in float64."""
        return image.astype("float64")

    def image(self, coordinates):
        """The image, float64 [H, W, 3], at float64 [H, W, 3] coordinates."""
        return coordinates

    def gradient(self, pixels):
        """By coordinates, from that by pixels; both float64 [H, W, 3]."""
        return pixels


class Whitened:
    """Fourier coefficients and colours, scaled towards how strong they are in photos.

    A step of one length then changes coarse structure more than fine, and brightness more than
    hue, as photos and paintings do: descent is faster and leaves less grain (Olah 2017, "Feature
    Visualization", section on preconditioning). Whitening whole, with the amplitudes 1 / f of
    photos, was slower: the exponents here were the best of some tried on style transfer. The
    transform is its own adjoint. It has no bounds: see `excess`.

    Args:
        size: (height, width) of the image in pixels.
    """

    bounds = None
    spectrum_exponent = 0.3
    color_exponent = 0.4
    # Directions of RGB and how much photos vary along each, from ImageNet; by way of
    # github.com/tensorflow/lucid, lucid/optvis/param/color.py (Apache-2.0).
    color_deviations = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])

    def __init__(self, size):
        self.size = height, width = size
        vertical, horizontal = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
        frequency = np.maximum(np.hypot(vertical, horizontal), 1 / max(size))
        amplitudes = frequency**-self.spectrum_exponent
        self._amplitudes = (amplitudes / amplitudes.mean())[..., None]
        directions, deviations, _ = np.linalg.svd(self.color_deviations)
        scales = (deviations / deviations[0]) ** self.color_exponent
        self._colors = (directions * scales) @ directions.T  # symmetric

    def _filtered(self, values, amplitudes):
        spectrum = np.fft.rfft2(values, axes=(0, 1)) * amplitudes
        return np.fft.irfft2(spectrum, s=self.size, axes=(0, 1))

    def coordinates(self, image):
        """Of an image, floats [H, W, 3], in float64."""
        wide = image.astype("float64")
        return self._filtered(wide, 1 / self._amplitudes) @ np.linalg.inv(self._colors)

    def image(self, coordinates):
        """The image, float64 [H, W, 3], at float64 [H, W, 3] coordinates."""
        return self._filtered(coordinates, self._amplitudes) @ self._colors

    def gradient(self, pixels):
        """By coordinates, from that by pixels; both float64 [H, W, 3]."""
        return self.image(pixels)


def excess(image):
    """How far pixels lie outside of [0, 1]: the mean of squares, and its gradient.

    Args:
        image: floats [H, W, 3].

    Returns:
        A float, and float64 [H, W, 3].
    """
    outside = image.astype("float64") - image.clip(0, 1)
    return float(np.mean(outside**2)), 2 * outside / outside.size
