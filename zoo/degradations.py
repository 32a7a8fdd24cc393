"""What makes a low-resolution image of a high-resolution one, by name.

Each takes (image, factor, rng): float32 [H, W, 3] in [0, 1], sides multiples of the factor; the
factor; a `numpy.random.Generator`, which only `real` draws from. Each returns float32
[H / factor, W / factor, 3] in [0, 1], of 8 bits a channel as a file would hold it. They raise
UserError where a side is no multiple of the factor: `crop_to_multiple` comes first.
"""

from skimage.filters import gaussian

from zoo import images
from zoo.bicubic import rescale
from zoo.errors import UserError

# What `real` draws evenly from. Blur is a standard deviation for each axis, in pixels of the low
# resolution; noise one for the image, of values in [0, 1]; JPEG is Pillow's quality.
BLUR = (0.0, 0.7)
NOISE = (0.0, 0.04)
JPEG = (40, 95)


def crop_to_multiple(image, factor):
    """The top left of an image [H, W, C], its sides cut down to multiples of the factor.

    The field's "modcrop", which comes before everything else when figures are to be compared.

    Raises:
        UserError: a side is shorter than the factor.
    """
    height, width = (side - side % factor for side in image.shape[:2])
    if not (height and width):
        raise UserError(f"an image of {image.shape} has no {factor} x {factor} pixels")
    return image[:height, :width]


def bicubic(image, factor, rng=None):
    """The field's: bicubic of `zoo.bicubic`, which antialiases."""
    return _to_8_bits(_shrink(image, factor))


def blur_bicubic(image, factor, rng=None):
    """The paper's: a Gaussian of sigma 1.0 pixels, then bicubic (Johnson 2016, section 4.2)."""
    return _to_8_bits(_shrink(_blur(image, 1.0), factor))


def real(image, factor, rng):
    """For photos from the wild: blur, bicubic, noise and JPEG, each of a strength drawn anew."""
    small = _shrink(_blur(image, factor * rng.uniform(*BLUR, size=2)), factor)
    noise = rng.normal(scale=rng.uniform(*NOISE), size=small.shape)
    noisy = (small + noise).clip(0, 1)
    quality = int(rng.integers(*JPEG, endpoint=True))
    return images.read(images.encode(noisy, "jpg", quality)).rgb


DEGRADATIONS = {"bicubic": bicubic, "blur_bicubic": blur_bicubic, "real": real}


def _shrink(image, factor):
    if any(side % factor for side in image.shape[:2]):
        raise UserError(f"an image of {image.shape} cannot be shrunk by {factor}: crop it first")
    return rescale(image, 1 / factor)


def _blur(image, sigma):
    return gaussian(image, sigma, mode="reflect", channel_axis=-1)


def _to_8_bits(image):
    return images.read(images.Picture(image).to_pil()).rgb
