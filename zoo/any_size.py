"""A model applied to a picture of any size: whole where it fits into memory, else in tiles."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from zoo import bicubic, memory, tiling
from zoo.colors import LUMA, keep_luminance
from zoo.errors import UserError
from zoo.images import Picture
from zoo.striped import StripedPicture
from zoo.transparency import filled

# A network's largest tensors, for each pixel that it gives: johnson2016 has two or three of 32
# float32 filters at the full resolution beside what convolutions take, and ours far less.
_BYTES_PER_PIXEL = 600
_MOST_BYTES = 7e8
_LEAST_BYTES = 1.7e8  # of the smallest tile and what is made of it
# Of a thumbnail. Fewer make statistics depend on what they happen to show: 36 gave 31 to 37 dB
# against the untiled result at 1536 x 1536, 64 gave 39.
_PATCHES = 100
_LEAST_NEW = 64  # pixels, of what is new in a tile


@dataclass(frozen=True)
class Transformation:
    """From a `Picture` to the `StripedPicture` that a model makes of it.

    Attributes:
        model: a `zoo.saved_model.SavedModel`.
        tile: "auto": whole if memory does, else in tiles that it does for; "off": always whole; or
            the side of a tile in pixels, for pictures that are larger.
        preserve_color: whether the result has the picture's colours, and of the model's only the
            luminance; for models that do not enlarge.
        outscale: how many times the result is as large; None: the model's factor.

    Raises:
        UserError: the options do not go with the model.
    """

    model: object
    tile: str | int = "auto"
    preserve_color: bool = False
    outscale: float | None = None

    def __post_init__(self):
        if self.preserve_color and self.model.factor > 1:
            raise UserError(f"{self.model.name} keeps colours anyway: leave out --preserve_color")
        if self.outscale is not None and self.model.factor == 1:
            raise UserError(f"{self.model.name} does not enlarge: leave out --outscale")

    def size(self, size):
        """(height, width) in pixels of what becomes of a picture of such a size."""
        scale = self.model.factor if self.outscale is None else self.outscale
        return tuple(max(1, round(side * scale)) for side in size)

    def __call__(self, picture):
        """Transform a picture; what the model refuses is told when the strips are taken.

        Raises:
            UserError: it does not fit into memory; the model knows no tiles, or none so small.
        """
        size = picture.rgb.shape[:2]
        side = self._side(size)
        if self.model.factor == 1:
            channels, strips = 3, self._stylized(picture.rgb, side)
            if self.preserve_color:
                strips = _beside(keep_luminance, strips, picture.rgb)
            if picture.alpha is not None:
                channels, strips = 4, _beside(_joined, strips, picture.alpha[..., None])
        else:
            channels = (1 if picture.origin.grey else 3) + (picture.alpha is not None)
            strips = self._enlarged(picture, side)
            if self.outscale not in (None, self.model.factor):
                height = self.model.factor * size[0]
                strips = bicubic.resize_strips(strips, height, self.size(size))
        return StripedPicture(self.size(size), channels, strips, picture.origin)

    def _side(self, size):
        """The side of the tiles in pixels; None: the picture is not cut."""
        factor, knows_tiles = self.model.factor, self._knows_tiles()
        if self.tile == "off" or (self.tile != "auto" and max(size) <= self.tile):
            return None
        available = memory.available()
        most = min(_MOST_BYTES, available / 2) / _BYTES_PER_PIXEL
        most = min(most, self.model.max_pixels) / factor**2
        if self.tile == "auto" and (size[0] * size[1] <= most or not knows_tiles):
            return None
        # A strip and what becomes of it; the picture itself is there already.
        needed = _LEAST_BYTES + 3 * 16 * factor**2 * size[1] * _LEAST_NEW
        if needed > available:
            raise UserError(
                f"about {needed / 1e9:.1f} GB of memory are needed and {available / 1e9:.1f} are "
                "free: end other programs, or make the picture smaller"
            )
        if not knows_tiles:
            raise UserError(
                f"{self.model.name} was exported without what tiles need: export the model again, "
                "or leave out --tile"
            )
        least = tiling.least_side(*self._margins())
        if self.tile == "auto":
            return max(least + _LEAST_NEW, math.isqrt(int(most)))
        if self.tile < least:
            raise UserError(f"--tile={self.tile} is too small for this model: {least} or more")
        return self.tile

    def _knows_tiles(self):
        return self.model.has_tile or self.model.receptive_field is not None

    def _margins(self):
        """margin, feather and multiple of `tiling.grid`."""
        if self.model.factor > 1:
            return self.model.receptive_field, 0, 1
        return tiling.STYLE_MARGIN, tiling.STYLE_FEATHER, tiling.STYLE_MULTIPLE

    def _stylized(self, image, side):
        if side is None:
            yield self.model.image(image)
            return
        patch = min(128, math.isqrt(self.model.max_pixels // _PATCHES))
        thumbnail = tiling.mosaic(image, _PATCHES, patch)
        tiles = tiling.grid(image.shape[:2], side, *self._margins())
        yield from _strips(tiles, lambda tile: self.model.tile(tile.cut(image), thumbnail))

    def _enlarged(self, picture, side):
        """Strips of colours, or of grey, and of alpha."""
        image = picture.rgb
        if picture.alpha is not None:
            image = np.dstack([filled(image, picture.alpha), picture.alpha])

        def enlarge(part):
            rgb = self.model.image(np.ascontiguousarray(part[..., :3]))
            planes = [rgb @ LUMA if picture.origin.grey else rgb]
            if picture.alpha is not None:
                # A network would make something of it where it is all or nothing.
                planes.append(bicubic.rescale(part[..., 3:], self.model.factor))
            return np.dstack(planes)

        if side is None:
            yield enlarge(image)
            return
        tiles = tiling.grid(image.shape[:2], side, *self._margins())
        factor = self.model.factor
        yield from _strips(tiles, lambda tile: enlarge(tile.cut(image)), factor)


def whole(strips):
    """A `StripedPicture` as a `Picture`; grey becomes RGB."""
    pixels = np.concatenate(list(strips.strips)).clip(0, 1)
    alpha = pixels[..., -1] if strips.channels % 2 == 0 else None
    rgb = pixels[..., :3] if strips.channels > 2 else pixels[..., :1].repeat(3, axis=-1)
    return dataclasses.replace(Picture(rgb, alpha), origin=strips.origin)


def _strips(tiles, transform, factor=1):
    """`tiling.strips` with a progress bar."""
    with tqdm(total=len(tiles) * len(tiles[0]), unit="tile", leave=False) as bar:

        def transform_and_tell(tile):
            output = transform(tile)
            bar.update()
            return output

        yield from tiling.strips(tiles, transform_and_tell, factor)


def _beside(function, strips, image):
    """A function of each strip and of the rows of an image that lie beside it."""
    top = 0
    for strip in strips:
        yield function(strip, image[top : top + len(strip)])
        top += len(strip)


def _joined(strip, alpha):
    return np.concatenate([strip, alpha], axis=-1)
