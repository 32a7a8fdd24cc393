"""Pictures that come strip by strip, and are written so where the format allows."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from zoo.images import ImageError, Origin, appearing
from zoo.png import PngEncoder

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}

# By suffix: Pillow's name, pixels that a side may have, and what a file takes of the pixels' bytes,
# about, of photos.
_FORMATS = {
    ".png": ("PNG", 2**31 - 1, 0.6),
    ".jpg": ("JPEG", 65_500, 0.15),
    ".jpeg": ("JPEG", 65_500, 0.15),
    ".webp": ("WEBP", 16_383, 0.15),
}


@dataclass(frozen=True, eq=False)
class StripedPicture:
    """A picture that is made while it is taken.

    Attributes:
        size: (height, width) in pixels.
        channels: 1 to 4: grey or RGB, the last of 2 and 4 alpha, not premultiplied.
        strips: of float32 [h, width, channels] in 0..1, from top to bottom; to be gone through
            once.
        origin: what the file was that it is made of.
    """

    size: tuple[int, int]
    channels: int
    strips: Iterable[np.ndarray]
    origin: Origin


def of(picture):
    """A `zoo.images.Picture` as a `StripedPicture` of one strip."""
    alpha = [] if picture.alpha is None else [picture.alpha]
    pixels = np.dstack([picture.rgb, *alpha])
    return StripedPicture(pixels.shape[:2], pixels.shape[2], iter([pixels]), picture.origin)


def check(size, channels, depth, path):
    """Refuse what cannot be written, before it is made.

    Args:
        size: (height, width) in pixels.
        channels: 1 to 4.
        depth: bits of a channel, where the format has more than 8.
        path: of the file.

    Raises:
        ImageError: an unknown suffix, more pixels than the format holds, not enough space.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise ImageError(f"{path}: cannot write {path.suffix!r}, only {', '.join(_FORMATS)}")
    name, limit, ratio = _FORMATS[path.suffix.lower()]
    if max(size) > limit:
        raise ImageError(
            f"{path}: {size[1]} x {size[0]} pixels are too many for {name}, whose sides go to "
            f"{limit:,}; " + ("make it smaller" if name == "PNG" else "give a name in .png")
        )
    needed = ratio * size[0] * size[1] * channels * (depth / 8 if name == "PNG" else 1)
    directory = next(parent for parent in path.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise ImageError(
            f"{path}: about {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} are free in "
            f"{directory}: give another --output, or make space"
        )


def write(picture, path, quality=95):
    """Write a `StripedPicture`; it is never partial under its name.

    16 bits are kept in PNG, EXIF everywhere, and where there was a profile there is that of sRGB.
    JPEG has no transparency: white shows through.

    Args:
        picture: a `StripedPicture`.
        path: where to; .png, .jpg, .jpeg or .webp. Missing parent directories are made.
        quality: 1..100, for JPEG and WebP.

    Raises:
        ImageError: as `check`; a place that cannot be written.
    """
    check(picture.size, picture.channels, picture.origin.depth, path)
    icc = _SRGB if picture.origin.profiled and picture.channels > 2 else b""  # grey has another
    name, _, _ = _FORMATS[Path(path).suffix.lower()]
    with appearing(path) as file:
        if name == "PNG":
            origin = picture.origin
            encoder = PngEncoder(
                file, picture.size, picture.channels, origin.depth, icc, origin.exif
            )
            for strip in picture.strips:
                encoder.write(strip)
            encoder.close()
        else:
            exif = b"Exif\0\0" + picture.origin.exif if picture.origin.exif else b""
            options = {"icc_profile": icc or None, "exif": exif}
            # For WebP, exact keeps the colours under transparent pixels.
            _gathered(picture, name).save(file, name, quality=quality, exact=True, **options)


def _gathered(picture, name):
    """The strips as one Pillow image of 8 bits."""
    channels = picture.channels
    over_white = name == "JPEG" and channels % 2 == 0
    if over_white:
        channels -= 1
    gathered = Image.new(_MODES[channels], picture.size[::-1])
    top = 0
    for strip in picture.strips:
        if over_white:
            strip = 1 - strip[..., -1:] * (1 - strip[..., :-1])
        pixels = np.rint(strip * 255).astype(np.uint8)
        gathered.paste(Image.fromarray(pixels[..., 0] if channels == 1 else pixels), (0, top))
        top += len(strip)
    return gathered
