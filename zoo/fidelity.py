"""How near an enlarged image is to its original, as super-resolution papers measure it.

On 8-bit images, as they would be stored, on the Y of YCbCr (ITU-R BT.601, 16 to 235), without the
outermost pixels, `factor` of them. MATLAB rounds the Y of 8-bit images too. Here it is not rounded,
since that adds to small errors (0.03 dB for bicubic at x2 on Set5).
"""

import numpy as np
from skimage.color import rgb2ycbcr
from skimage.metrics import structural_similarity

from zoo.errors import UserError
from zoo.images import Picture

_WINDOW = 11  # pixels that a Gaussian of sigma 1.5 is cut off at, in Wang 2004 and scikit-image


def luma(image):
    """The Y that is compared: float64 [H, W], 16 for black and 235 for white.

    Args:
        image: float32 [H, W, 3] in [0, 1]; rounded to 8 bits first.

    Raises:
        ImageError: not such an image.
    """
    return rgb2ycbcr(np.asarray(Picture(image).to_pil()))[..., 0]


def psnr(image, original, factor):
    """Peak signal-to-noise ratio on Y, in dB, of a peak of 255; infinite where nothing differs.

    Args:
        image: float32 [H, W, 3] in [0, 1].
        original: the same shape.
        factor: of super-resolution: this many pixels are left out at each side.

    Raises:
        UserError: the shapes differ or leave no pixels, values outside [0, 1].
    """
    ours, theirs = _compared(image, original, factor, smallest=1)
    error = np.mean((ours - theirs) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(image, original, factor):
    """Structural similarity on Y, at most 1 (Wang 2004), over windows that lie inside the image.

    An 11x11 Gaussian of sigma 1.5, K1 = 0.01, K2 = 0.03, L = 255.

    Args:
        image: float32 [H, W, 3] in [0, 1].
        original: the same shape.
        factor: of super-resolution: this many pixels are left out at each side.

    Raises:
        UserError: the shapes differ or leave less than a window, values outside [0, 1].
    """
    ours, theirs = _compared(image, original, factor, smallest=_WINDOW)
    # These options make it Wang's own program, as scikit-image's documentation says.
    similarity = structural_similarity(
        ours, theirs, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return float(similarity)


def _compared(image, original, factor, smallest):
    if image.shape != original.shape:
        raise UserError(
            f"an image of {image.shape} cannot be compared with one of {original.shape}"
        )
    if min(image.shape[:2]) < smallest + 2 * factor:
        raise UserError(
            f"an image of {image.shape} is too small: without {factor} pixels at each side "
            f"{smallest} x {smallest} must be left"
        )
    height, width = image.shape[:2]
    inside = np.s_[factor : height - factor, factor : width - factor]
    return luma(image)[inside], luma(original)[inside]
