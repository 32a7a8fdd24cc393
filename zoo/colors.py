"""Colours taken from one image to another: what keeps a photo's colours in a transfer of style.

Images are float32 [H, W, 3] in [0, 1], sRGB as stored, as in the papers.
"""

import numpy as np

from zoo.errors import UserError

LUMA = np.float32([0.299, 0.587, 0.114])  # the Y of YIQ (ITU-R BT.601)

# A direction of colour in which an image varies less than this (0.8 of 255 levels) holds rounding
# and JPEG noise, as that of a sepia photo does, which is not to be stretched into colours. Of 64
# colour photos and paintings none had less than 6e-5.
LEAST_VARIANCE = 1e-5


def keep_luminance(stylized, photo):
    """The stylised image's luminance with the photo's colours.

    The Y of YIQ from the one, I and Q from the other (Gatys 2016, "Preserving Color in Neural
    Artistic Style Transfer", section 4; Gatys 2017, "Controlling Perceptual Factors in Neural
    Style Transfer", section 5).

    Args:
        stylized: float32 [H, W, 3].
        photo: float32 [H, W, 3].

    Returns:
        float32 [H, W, 3], clipped to [0, 1]; where that cuts, the luminance is off.

    Raises:
        UserError: the images differ in size.
    """
    if stylized.shape != photo.shape:
        raise UserError(
            f"the stylised image has {_size(stylized)} pixels and the photo {_size(photo)}: "
            "resize one to the other before its colours are kept"
        )
    # In RGB a step of Y alone is the same step of all three channels.
    step = (stylized - photo) @ LUMA
    return (photo + step[..., None]).clip(0, 1)


def match_covariance(image, reference):
    """Move an image's colours linearly to the reference's mean and covariance.

    Gatys 2016, "Preserving Color in Neural Artistic Style Transfer", section 3, with symmetric
    square roots, as in Image Analogies (Hertzmann 2001).

    Args:
        image: float32 [H, W, 3]. In directions of colour where its variance is below
            `LEAST_VARIANCE`, as in a grey or constant image, the result's stays below the
            reference's.
        reference: float32 [H, W, 3], of any size.

    Returns:
        float32 [H, W, 3], clipped to [0, 1]; where that cuts, the moments are off.
    """
    mean, values, axes = _moments(image)
    whiten = (axes / np.sqrt(np.maximum(values, LEAST_VARIANCE))) @ axes.T
    reference_mean, values, axes = _moments(reference)
    colour = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T  # rounding may leave -1e-18
    matched = (image - mean) @ (colour @ whiten).T + reference_mean
    return matched.clip(0, 1).astype(np.float32)


def match_histogram(image, reference):
    """Give each channel of an image the reference's histogram, the order of its values kept.

    Each channel by itself, so unlike `match_covariance` it does not match how channels go together:
    a grey reference leaves colours.

    Args:
        image: float32 [H, W, 3]. A value that many pixels share stays one value, at the upper end
            of their ranks: a constant image becomes the reference's maxima.
        reference: float32 [H, W, 3], of any size.

    Returns:
        float32 [H, W, 3] in the reference's range.
    """
    from skimage.exposure import match_histograms  # only here: extras `train` and `demo` have it

    return match_histograms(image, reference, channel_axis=-1)


def _moments(image):
    """The mean colour [3], and the covariance's eigenvalues [3] and eigenvectors [3, 3]."""
    pixels = np.reshape(image, (-1, 3)).astype(np.float64)
    return pixels.mean(axis=0), *np.linalg.eigh(np.cov(pixels, rowvar=False, bias=True))


def _size(image):
    return f"{image.shape[1]} x {image.shape[0]}"
