"""Picture files: the one place of the project that reads and writes them.

Whatever comes in (a rotated phone photo, a palette GIF, 16-bit greyscale, CMYK with an ICC profile)
leaves `read` as a `Picture`: upright, sRGB, float32 in 0..1, its transparency beside it.
"""

import contextlib
import dataclasses
import functools
import glob
import io
import os
import secrets
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError

from zoo.errors import UserError

MAX_PIXELS = 100_000_000

# What `read` accepts, as Pillow names it, with the suffixes that `find` looks for. Pillow knows
# more, but some of those start other programs (EPS: Ghostscript) or match almost any bytes (TGA).
FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "JPEG2000": (".jp2",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pfm"),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
_ENCODERS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}  # by suffix
_T = Image.Transpose
_UPRIGHT = {2: _T.FLIP_LEFT_RIGHT, 3: _T.ROTATE_180, 4: _T.FLIP_TOP_BOTTOM, 5: _T.TRANSPOSE}
_UPRIGHT |= {6: _T.ROTATE_270, 7: _T.TRANSVERSE, 8: _T.ROTATE_90}  # by EXIF orientation
_SRGB = ImageCms.createProfile("sRGB")
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_TAIL = 1024  # bytes: some cameras write a little behind the end
_ROUNDING_ERROR = 1e-3  # a quarter of an 8-bit level: floats this far outside 0..1 are clipped
_PILLOW_LIMIT = threading.Lock()

# Pillow warns of broken EXIF and TIFF tags, which photos from the web often have. They say nothing
# of the pixels. A filter, since warnings.catch_warnings is not safe in threads that load pictures.
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")


class ImageError(UserError):
    """A picture cannot be read or written: the text names the file and what is wrong with it."""


@dataclass(frozen=True)
class Origin:
    """What a picture's file was beyond its colours, for a file that is made of it.

    Attributes:
        grey: whether it held no colours.
        depth: bits of a channel, 8 or 16.
        exif: its EXIF, as upright; empty if there was none.
        profiled: whether it came with an ICC profile, from which `read` has gone to sRGB.
    """

    grey: bool = False
    depth: int = 8
    exif: bytes = b""
    profiled: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in memory.

    Attributes:
        rgb: float32 [H, W, 3], sRGB, 0..1. Colours under fully transparent pixels are kept.
        alpha: float32 [H, W], 0..1, not premultiplied; None: opaque.
        origin: what its file was.

    Raises:
        ImageError: a wrong rank or dtype, no pixels, NaN, values outside 0..1.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    origin: Origin = Origin()

    def __post_init__(self):
        object.__setattr__(self, "rgb", _unit_range(self.rgb))
        if self.rgb.ndim != 3 or self.rgb.shape[-1] != 3:
            raise ImageError(f"rgb has shape {self.rgb.shape}, not [H, W, 3]")
        if self.alpha is not None:
            object.__setattr__(self, "alpha", _unit_range(self.alpha))
            if self.alpha.shape != self.rgb.shape[:2]:
                raise ImageError(f"alpha {self.alpha.shape} does not fit rgb {self.rgb.shape}")

    def to_pil(self) -> Image.Image:
        """8 bits a channel, rounded: mode RGB, or RGBA when it has alpha."""
        planes = self.rgb if self.alpha is None else np.dstack([self.rgb, self.alpha])
        return Image.fromarray(np.rint(planes * 255).astype(np.uint8))

    def with_rgb(self, rgb) -> "Picture":
        """The same transparency on new colours.

        Args:
            rgb: float [h, w, 3], 0..1, of any size: alpha is resized to it (super-resolution).
        """
        picture = Picture(rgb, origin=self.origin)
        if self.alpha is None:
            return picture
        alpha = _resize_plane(self.alpha, picture.rgb.shape[:2])
        return dataclasses.replace(picture, alpha=alpha)

    def over_white(self) -> np.ndarray:
        """The colours seen on white paper: float32 [H, W, 3], 0..1."""
        if self.alpha is None:
            return self.rgb
        return 1 - self.alpha[..., None] * (1 - self.rgb)


def read(source, max_pixels: int = MAX_PIXELS, short_side: int | None = None) -> Picture:
    """Read a picture, upright and in sRGB. The content decides the format, not the name.

    Args:
        source: path, bytes, binary file object (read from its beginning), PIL image, array (uint8,
            uint16 or float 0..1, of shape [H, W] or [H, W, 1|3|4]) or Picture (returned as it is).
            Of an animation the first frame is read.
        max_pixels: a file that declares more pixels than this is refused before it is decoded.
        short_side: a hint in pixels: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is
            much faster, as long as its short side does not fall below this. Resize afterwards.

    Raises:
        ImageError: missing, damaged, truncated or too large; not a picture; values outside 0..1.
    """
    if isinstance(source, Picture):
        return source
    with _failures(_name(source), "cannot be read"):
        if isinstance(source, Image.Image):
            return _decode(source, max_pixels)
        if hasattr(source, "__array__"):
            return _from_array(np.asarray(source))
        with _binary_file(source) as file:
            return _decode(_open(file), max_pixels, short_side)


@dataclass(frozen=True)
class PlainJpeg:
    """A JPEG file that needs no treatment: see `plain_jpeg`.

    Attributes:
        data: the whole file.
        size: (width, height) in pixels.
    """

    data: bytes
    size: tuple[int, int]


def plain_jpeg(source, max_pixels: int = MAX_PIXELS) -> PlainJpeg | None:
    """The file as it is, if it is a JPEG that any decoder reads as `read` does.

    That is one which is upright, in sRGB or grey without a profile that moves colours, and whole as
    far as its end tells. The pixels are not decoded; decoders differ by a level or two of 255.

    Args:
        source: path or bytes; for anything else that `read` takes the answer is None.
        max_pixels: as of `read`: None for a larger one.

    Raises:
        ImageError: the file cannot be read.
    """
    with _failures(_name(source), "cannot be read"):
        if isinstance(source, str | os.PathLike):
            with open(source, "rb") as file:
                data = file.read(3)
                data += file.read() if data == _JPEG_START else b""
        elif isinstance(source, bytes | bytearray | memoryview):
            data = source
        else:
            return None
        if data[:3] != _JPEG_START:
            return None
        data = bytes(data)
        image = _open(io.BytesIO(data))
        icc = image.info.get("icc_profile")
        plain = (
            image.format == "JPEG"
            and image.mode in ("L", "RGB")
            and image.width * image.height <= max_pixels
            and data.rfind(_JPEG_END, -_JPEG_TAIL) >= 0
            and not (icc and any(_srgb_transform(icc, mode) for mode in (image.mode, "RGB")))
            and _orientation(image) not in _UPRIGHT
        )
        return PlainJpeg(data, image.size) if plain else None


def encode(picture, format: str = "png", quality: int = 95) -> bytes:
    """Encode a picture as a whole file.

    Args:
        picture: Picture, or float [H, W, 3] in 0..1, or whatever else `read` accepts.
        format: "png", "jpg", "jpeg" or "webp". JPEG has no transparency: white shows through.
        quality: 1..100, for JPEG and WebP; PNG is lossless, of 8 bits a channel.

    Raises:
        ImageError: unknown format or quality, not a picture, more pixels than the format holds.
    """
    encoder = _ENCODERS.get(format.lower())
    if encoder is None:
        raise ImageError(f"cannot write format {format!r}, only {', '.join(_ENCODERS)}")
    if not 1 <= quality <= 100:
        raise ImageError(f"quality is {quality}, not in 1..100")
    picture = read(picture)
    if encoder == "JPEG":
        picture = Picture(picture.over_white())
    data = io.BytesIO()
    with _failures("picture", f"cannot be encoded as {encoder}"):
        # For WebP, exact keeps the colours under transparent pixels; PNG ignores both options.
        picture.to_pil().save(data, encoder, quality=quality, exact=True)
    return data.getvalue()


def write(picture, path, quality: int = 95) -> None:
    """Write a picture file in the format of its suffix; it is never partial under its name.

    Args:
        picture: as for `encode`.
        path: where to; .png, .jpg, .jpeg or .webp. Missing parent directories are made.
        quality: 1..100, for JPEG and WebP.

    Raises:
        ImageError: as `encode`, an unknown suffix, a place that cannot be written.
    """
    with appearing(path) as file:
        file.write(encode(picture, Path(path).suffix[1:], quality))


@contextlib.contextmanager
def appearing(path):
    """A binary file to write to, which gets its name when the block ends, and not if it fails.

    Args:
        path: the name; missing parent directories are made.

    Raises:
        ImageError: it cannot be written, or the block raised this or an OSError.
    """
    path = Path(path)
    partial = path.parent / f".{secrets.token_hex(8)}.partial"
    with _failures(path, "cannot be written"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                yield file
            os.replace(partial, path)
        finally:
            with contextlib.suppress(OSError):  # it is there only after a failure
                partial.unlink()


def resize(rgb, size: tuple[int, int]) -> np.ndarray:
    """Resize with Lanczos, antialiased, in float precision.

    Args:
        rgb: float [H, W, 3], 0..1.
        size: (height, width) in pixels of the result: float32 [height, width, 3], clipped to 0..1.
    """
    rgb = Picture(rgb).rgb
    return np.dstack([_resize_plane(rgb[..., channel], size) for channel in range(3)])


def resize_short_side(rgb, short_side: int) -> np.ndarray:
    """Resize so that the shorter side has `short_side` pixels, the aspect ratio kept.

    Args:
        rgb: float [H, W, 3], 0..1.
        short_side: pixels; the result is float32 [h, w, 3], clipped to 0..1.
    """
    sides = np.array(Picture(rgb).rgb.shape[:2])
    height, width = (int(side) for side in np.rint(sides * (short_side / sides.min())))
    return resize(rgb, (height, width))


def find(paths) -> list[Path]:
    """The picture files that paths stand for, in order, each once.

    Args:
        paths: one path or several. A file stands for itself, whatever its suffix; a directory for
            the files in it and below with a suffix of `SUFFIXES`, sorted; a glob (`**` goes into
            directories) for what it matches of these, sorted. Hidden files are left out.

    Raises:
        UserError: a path does not exist, a directory or glob holds no picture.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    found = {}
    for path in paths:
        for file in _expand(Path(path)):
            found.setdefault(os.path.abspath(file), file)
    return list(found.values())


def _expand(path):
    if path.is_file():
        return [path]
    matches = [path] if path.is_dir() else sorted(glob.glob(str(path), recursive=True))
    pictures = [file for match in matches for file in _pictures_in(Path(match))]
    if not pictures:
        raise UserError(f"{path}: no such file, nor a directory or glob with pictures")
    return pictures


def _pictures_in(path):
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.suffix.lower() in SUFFIXES and not hidden and file.is_file():
            yield file


@contextlib.contextmanager
def _failures(name, what):
    """Turns every failure inside into an ImageError that begins with `name`."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise ImageError(f"{name}: not a picture in a known format ({known})") from error
    except OSError as error:
        raise ImageError(f"{name}: {what}: {error.strerror or error}") from error
    except Exception as error:  # Pillow raises almost anything on corrupt files: SyntaxError, ...
        raise ImageError(f"{name}: {what}: {error or type(error).__name__}") from error


def _name(source):
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return getattr(source, "filename", None) or getattr(source, "name", None) or "picture"


def _binary_file(source):
    if isinstance(source, str | os.PathLike):
        return open(source, "rb")
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    if hasattr(source, "read"):
        return contextlib.nullcontext(source)  # the caller closes it
    raise ImageError(f"cannot read a picture from {type(source).__name__}")


def _open(file):
    if file.seekable():
        file.seek(0)
        if not file.read(1):
            raise ImageError("is empty (zero bytes)")
    # Pillow's own limit is one for the process, warns instead of refusing up to twice its value,
    # and knows no `max_pixels`. It is off while the header is read; `_decode` checks the size.
    with _PILLOW_LIMIT:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=list(FORMATS))
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _decode(image, max_pixels, short_side=None):
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"has {width} x {height} = {width * height:,} pixels, more than the limit of "
            f"{max_pixels:,} (max_pixels); scale the picture down or raise the limit"
        )
    if short_side:
        image.draft(None, (short_side, short_side))
    icc = image.info.get("icc_profile")
    # Pillow applies profiles to 8 bits only.
    low = None if icc and _srgb_transform(icc, "RGB") else _low_bytes(image)
    image.load()
    deep = low is not None or image.mode.startswith("I")
    grey = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
    origin = Origin(grey, 16 if deep else 8, _exif(image), bool(icc))
    return dataclasses.replace(_pixels(image, icc, low), origin=origin)


def _pixels(image, icc, low):
    orientation = _orientation(image)
    image = _turn_upright(image, orientation)
    if low is not None:
        levels = np.asarray(image).astype(np.uint16) * 256
        levels += np.asarray(_turn_upright(low, orientation))
        key = image.info.get("transparency")
        picture = _from_array(levels)
        return picture if key is None else Picture(picture.rgb, _unlike(levels, key))
    # Mode I from a PGM is 16 bits, which Pillow scales to 0..65535.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return _from_16_bits(image, icc)
    if image.mode == "I":
        raise ImageError("has 32-bit integer pixels, which have no agreed white; save 16 or 8 bits")
    if image.mode == "F":
        return _from_array(np.asarray(image))
    colours, alpha = _split_alpha(image)
    return Picture(_scale(_to_srgb(colours, icc)), None if alpha is None else _scale(alpha))


def _orientation(image):
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # broken EXIF does not make the pixels unreadable
        return None


def _turn_upright(image, orientation):
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _exif(image):
    """The EXIF of the upright picture of any size: without what tells of the stored pixels."""
    if "exif" not in image.info:
        return b""
    try:
        exif = Image.Exif()  # the image's own object goes on to tell the orientation
        exif.load(image.info["exif"])
        exif[ExifTags.Base.Orientation] = 1
        details = exif.get_ifd(ExifTags.IFD.Exif)
        for size in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight):
            details.pop(size, None)
        return exif.tobytes().removeprefix(b"Exif\0\0")
    except Exception:  # broken
        return b""


def _low_bytes(image):
    """The lower bytes of 16-bit colours, of which Pillow reads the upper; None of other pictures.

    Read by telling Pillow that the bytes come in the other order.
    """
    other_order = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGBA;16B": "RGBA;16L"}
    swapped = []
    for tile in getattr(image, "tile", ()):
        mode, *rest = (tile.args,) if isinstance(tile.args, str) else tile.args or ("",)
        if mode not in other_order:
            return None
        mode = other_order[mode]
        swapped.append(tile._replace(args=(mode, *rest) if rest else mode))
    if not swapped:
        return None
    position = image.fp.tell()
    low = _open(image.fp)
    low.tile = swapped
    low.load()
    image.fp.seek(position)
    return low


def _split_alpha(image):
    """Returns colours (mode L, RGB or CMYK) and alpha (mode L or None)."""
    mode = {"1": "L", "LA": "L", "La": "L", "L": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")
    if not image.has_transparency_data:
        return image.convert(mode), None
    image = image.convert(mode + "A")
    return image.convert(mode), image.getchannel("A")


def _from_16_bits(image, icc):
    levels = np.asarray(image)
    # ImageCms knows no 16-bit grey: the profile's curve is taken at 256 levels.
    knots = np.arange(256, dtype=np.uint8)
    curves = _scale(_to_srgb(Image.fromarray(knots[None]), icc))[0].T
    rgb = np.dstack([np.interp(levels / 257, knots, curve) for curve in curves])
    key = image.info.get("transparency")
    return Picture(rgb, None if key is None else _unlike(levels[..., None], key))


def _unlike(levels, key):
    """Alpha of a file that holds a colour for transparent pixels."""
    return (levels != key).any(axis=-1).astype(np.float32)


def _to_srgb(image, icc):
    """Mode L, RGB or CMYK to RGB in sRGB, through the profile if it is one for this picture."""
    if icc:
        for mode in (image.mode, "RGB"):  # an RGB profile may also come with a grey picture
            if transform := _srgb_transform(icc, mode):
                return transform.apply(image.convert(mode))
    return image.convert("RGB")


@functools.lru_cache(maxsize=16)
def _srgb_transform(icc, mode):
    """The transform to sRGB; None where the profile is broken, of another mode, or sRGB itself."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        # LittleCMS takes a grey curve at a few points, up to ten levels off in the darks, unless:
        flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
        transform = ImageCms.buildTransform(profile, _SRGB, mode, "RGB", flags=flags)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    # sRGB goes by many names; a profile that moves colours by no more than rounding is one of them.
    ramp = Image.linear_gradient("L")
    probe = Image.merge("RGB", (ramp, ramp.rotate(90), ImageOps.flip(ramp))).convert(mode)
    moved = ImageChops.difference(transform.apply(probe), probe.convert("RGB")).getextrema()
    return transform if np.max(moved) > 1 else None


def _from_array(array):
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4):
        raise ImageError(f"array of shape {array.shape}; give [H, W] or [H, W, 1|3|4]")
    values = _scale(array)
    rgb = np.repeat(values, 3, axis=-1) if values.shape[-1] == 1 else values[..., :3]
    return Picture(rgb, values[..., 3] if values.shape[-1] == 4 else None)


def _scale(array):
    array = np.asarray(array)
    if array.dtype in (np.uint8, np.uint16):
        return np.divide(array, np.iinfo(array.dtype).max, dtype=np.float32)
    return array


def _unit_range(array):
    array = np.asarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"array of {array.dtype}; give float in 0..1, or read() uint8 or uint16")
    if not array.size:
        raise ImageError(f"no pixels: shape {array.shape}")
    low, high = array.min(), array.max()
    if not np.isfinite([low, high]).all():
        raise ImageError("array holds NaN or infinite values")
    if low < -_ROUNDING_ERROR or high > 1 + _ROUNDING_ERROR:
        raise ImageError(f"array holds values from {low:.4g} to {high:.4g}; give 0..1")
    if low < 0 or high > 1:
        array = array.clip(0, 1)
    return array.astype(np.float32, copy=False)


def _resize_plane(plane, size):
    height, width = size
    if height < 1 or width < 1:
        raise ImageError(f"cannot resize to {height} x {width} pixels")
    resized = Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized).clip(0, 1)
