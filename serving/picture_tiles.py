"""Whether a picture is sent whole or in tiles, and in which.

Super-resolution is exact in tiles that overlap by the network's receptive field. A style's norms
look at the whole picture: its tiles go with a thumbnail of it, from which the signature `tile`
takes their statistics.
"""

import math
from dataclasses import dataclass

import numpy as np

from serving import picture_calls
from serving.errors import InvalidRequest
from zoo import tiling

SIGNATURE = "tile"
AUTO, OFF = "auto", "off"
_THUMBNAIL = "thumbnail"

# Of a tile, in pixels of the result: its memory is a fraction of what a model takes at most, and
# the margins are a fraction of the tile.
_SIDE = 2048
# What a thumbnail is made of; fewer patches for a model that takes no more pixels.
_PATCHES, _PATCH_SIDE = 64, 128


@dataclass(frozen=True)
class Tiling:
    """A picture in tiles.

    Attributes:
        tiles: rows of `zoo.tiling.Tile`s.
        factor: how many times the model enlarges.
        thumbnail: of the whole picture, float32 [h, w, 3]; None where the model needs none.
    """

    tiles: list
    factor: int
    thumbnail: np.ndarray | None

    def inputs(self, tile, rgb) -> dict:
        """What is sent for one tile of the picture, float32 [H, W, 3]."""
        part = tile.cut(rgb)
        if self.thumbnail is None:
            return {picture_calls.FILE: [picture_calls.png(part)]}
        return {SIGNATURE: part[None], _THUMBNAIL: self.thumbnail[None]}

    @property
    def signature(self) -> str:
        """Name of the signature that takes these inputs."""
        return picture_calls.ENCODED if self.thumbnail is None else SIGNATURE

    def assembled(self, outputs) -> np.ndarray:
        """The whole result, float32 [factor * H, factor * W, 3].

        Args:
            outputs: what the model made of each tile, row by row.
        """
        following = iter(outputs)
        return tiling.assembled(self.tiles, lambda _: next(following), self.factor)


def choose(original, described, model, tile) -> Tiling | None:
    """How a picture is cut; None: it is sent whole.

    Args:
        original: `picture_calls.Original`.
        described: `models.Description` of the model.
        model: its name.
        tile: "auto" for tiles where the model does not take the picture whole, "off" for never, or
            the largest side of a tile, margins included, in pixels of the picture.

    Raises:
        InvalidRequest: the picture would have to be cut, and this model cannot take tiles, or not
            such small ones.
    """
    height, width = original.size
    about, in_tiles = described.about, SIGNATURE in described.metadata.signatures
    if tile == OFF or (tile == AUTO and about is None):
        return None
    if not (tile == AUTO or (isinstance(tile, int) and tile > 0)):
        raise InvalidRequest(f"tile={tile!r}: give 'auto', 'off' or pixels", model=model)
    if tile == AUTO:
        if height * width * about.factor**2 <= about.max_pixels:
            return None
        tile = min(_SIDE, math.isqrt(about.max_pixels)) // about.factor
    elif max(height, width) <= tile:
        return None

    if in_tiles:
        margins = (tiling.STYLE_MARGIN, tiling.STYLE_FEATHER, tiling.STYLE_MULTIPLE)
    elif about is not None and about.receptive_field is not None:
        margins = (about.receptive_field, 0, 1)
    else:
        raise InvalidRequest(
            f"model {model!r} cannot take the {width} x {height} picture in tiles: it has neither "
            f"the signature {SIGNATURE!r} nor a known receptive field. Nothing was sent.\n"
            "Scale the picture down, or export the model again with python -m zoo.export.",
            model=model,
        )
    if tile < (least := tiling.least_side(*margins)):
        raise InvalidRequest(
            f"model {model!r}: tiles of {tile} pixels are too small. Give {least} or more.",
            model=model,
        )
    factor = about.factor if about else 1
    thumbnail = None
    if in_tiles:
        patches = min(_PATCHES, about.max_pixels // _PATCH_SIDE**2) if about else _PATCHES
        thumbnail = tiling.mosaic(original.picture.rgb, max(1, patches), _PATCH_SIDE)
    return Tiling(tiling.grid((height, width), tile, *margins), factor, thumbnail)
