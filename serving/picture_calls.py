"""How pictures are sent to the zoo's models and read back, no I/O."""

import functools
import io
import sys

from serving import calls
from serving.errors import InvalidRequest
from zoo import images

# A signature with this input takes and gives image files,
ENCODED = "encoded"
FILE = "image_bytes"
# one with this input float32 [N, H, W, 3] in 0..1,
PIXELS = "image"
# and both take these besides if the model has several styles.
STYLE_WEIGHTS = "style_weights"


class Original:
    """A picture as it was given, decoded only when its pixels are needed.

    Args:
        source: as `zoo.images.read` takes it.

    Raises:
        zoo.images.ImageError: it cannot be read.
    """

    def __init__(self, source):
        self._source = source
        self._jpeg = images.plain_jpeg(source)
        if self._jpeg is None:
            self.picture  # noqa: B018  (tells at once what is wrong)

    @functools.cached_property
    def picture(self) -> images.Picture:
        return images.read(self._source if self._jpeg is None else self._jpeg.data)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self._jpeg.size[::-1] if self._jpeg else self.picture.rgb.shape[:2]

    @property
    def pixels(self) -> int:
        return self.size[0] * self.size[1]

    @property
    def file(self) -> bytes:
        """The colours as a file: a plain JPEG as it is, all else as PNG."""
        return self._jpeg.data if self._jpeg else png(self.picture.rgb)

    def with_rgb(self, rgb) -> images.Picture:
        """The transparency, if there is any, on new colours."""
        return images.Picture(rgb) if self._jpeg else self.picture.with_rgb(rgb)


def png(rgb) -> bytes:
    """A PNG file of float [H, W, 3] in 0..1."""
    file = io.BytesIO()
    # Level 1 is several times faster than the default and hardly larger on photographs.
    images.Picture(rgb).to_pil().save(file, "PNG", compress_level=1)
    return file.getvalue()


def picture_input(metadata, model, signature) -> str:
    """The name of a signature's input for pictures, `FILE` or `PIXELS`.

    Raises:
        InvalidRequest: there is no such signature, or it takes no picture.
    """
    known = metadata.signatures
    for name in (FILE, PIXELS):
        if signature in known and name in known[signature].inputs:
            return name
    takes = [name for name, each in known.items() if each.inputs.keys() & {FILE, PIXELS}] or [
        "no pictures at all"
    ]
    raise InvalidRequest(
        f"model {model!r} has no signature {signature!r} that takes a picture. Nothing was sent.\n"
        f"Those that do: {', '.join(takes)}.",
        model=model,
        signature=signature,
    )


def read_picture(request, response):
    """Read the one picture out of a PredictResponse: float32 [H, W, 3] in 0..1.

    Raises:
        ServerError: the answer holds none.
    """
    outputs = calls.read_outputs(request, response)
    pixels, files = outputs.get(PIXELS), outputs.get(FILE)
    try:
        if pixels is not None and len(pixels) == 1:
            return images.Picture(pixels[0]).rgb
        if files is not None and files.size == 1 and files.dtype == object:
            # A limit is for files of strangers; super-resolution may well exceed it.
            return images.read(files.item(), max_pixels=sys.maxsize).rgb
    except (images.ImageError, TypeError) as error:
        raise calls.unreadable(request, str(error)) from error
    raise calls.unreadable(request, f"it holds neither {FILE!r} with one file nor {PIXELS!r}")
