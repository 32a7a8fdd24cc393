"""The pictures that an image is made from: a photo, paintings, and which region takes which."""

import dataclasses
import math

import numpy as np

from trainers.pyramid import size_to_fit
from zoo import colors, images
from zoo.errors import UserError
from zoo.regions import check_match, read_regions


@dataclasses.dataclass(frozen=True)
class Part:
    """What a region takes from one painting: its index, its weight, its own region or None."""

    painting: int
    weight: float
    region: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Inputs of an optimisation, at the sizes of their files.

    Attributes:
        content: the photo, a `zoo.images.Picture`, or None.
        paintings: float32 [H, W, 3] arrays in [0, 1].
        regions: weights [H, W] of the photo's pixels, or None for the whole.
        parts: for each region (one if None) the `Part`s whose statistics are averaged.
    """

    content: images.Picture | None
    paintings: list[np.ndarray]
    regions: list[np.ndarray] | None
    parts: list[list[Part]]

    def size(self, long_side):
        """(height, width) of the image with a given long side: the photo's shape, or a square."""
        shape = self.content.rgb.shape[:2] if self.content else (1, 1)
        return size_to_fit(shape, long_side)

    def content_at(self, size):
        """The photo at (height, width), or None."""
        return images.resize(self.content.rgb, size) if self.content else None

    def painting_sizes(self, long_side):
        """(height, width) of each painting with the given long side, rounded."""
        return [size_to_fit(p.shape[:2], round(long_side)) for p in self.paintings]

    def painting_at(self, index, long_side):
        """A painting with the given long side, rounded."""
        return images.resize(self.paintings[index], self.painting_sizes(long_side)[index])

    def finished(self, image, preserve_color):
        """A `zoo.images.Picture` of what was made: with the photo's transparency, and its colours
        if `preserve_color` is "luminance".
        """
        if not self.content:
            return images.Picture(image)
        if preserve_color == "luminance":
            image = colors.keep_luminance(image, self.content_at(image.shape[:2]))
        return self.content.with_rgb(image)


def read_pictures(settings):
    """Read what the `trainers.presets.Settings` name, and check that it goes together.

    Raises:
        UserError: neither photo nor painting, a file cannot be read, or regions, weights and
            paintings do not match.
    """
    if not settings.content and not settings.style:
        raise UserError("nothing to make an image from: give --content, --style or both")
    content = images.read(settings.content) if settings.content else None
    paintings = [images.read(path).over_white() for path in settings.style]
    blend = _blend(settings)
    if content is not None:
        paintings = [_recolor(p, content.rgb, settings.preserve_color) for p in paintings]
    elif settings.preserve_color != "none":
        raise UserError("--preserve_color without --content: colours are those of the photo")
    if not settings.content_regions:
        if settings.style_regions:
            raise UserError("--style_regions without --content_regions: both, or neither")
        parts = [Part(i, weight) for i, weight in enumerate(blend) if weight]
        return Pictures(content, paintings, None, [parts])
    if content is None:
        raise UserError("--content_regions without --content: regions are those of the photo")
    wanted = read_regions(settings.content_regions, content.rgb.shape[:2])
    if not settings.style_regions:
        parts = _one_painting_each(wanted, blend, settings)
    else:
        parts = _region_by_region(wanted, paintings, blend, settings)
    return Pictures(content, paintings, list(wanted.values()), parts)


def _blend(settings):
    weights = settings.style_blend or (1.0,) * len(settings.style)
    if len(weights) != len(settings.style):
        raise UserError(
            f"--style_blend has {len(weights)} weights for {len(settings.style)} paintings: give "
            "one for each"
        )
    # Asked this way round, for NaN is neither.
    if settings.style and not (min(weights) >= 0 and 0 < sum(weights) < math.inf):
        raise UserError("--style_blend: weights are 0 or more, and not all 0")
    return [weight / sum(weights) for weight in weights]


def _recolor(painting, photo, how):
    if how == "histogram":
        return colors.match_histogram(painting, photo)
    if how == "covariance":
        return colors.match_covariance(painting, photo)
    return painting


def _one_painting_each(wanted, blend, settings):
    """Without maps of the paintings: the darkest colour takes the first painting, and so on."""
    if len(wanted) != len(blend):
        raise UserError(
            f"{settings.content_regions} has {len(wanted)} regions for {len(blend)} paintings: "
            "give a painting for each region, from the darkest colour to the lightest, or "
            "--style_regions"
        )
    if settings.style_blend:
        raise UserError(
            "--style_blend with --content_regions but no --style_regions: each region takes one "
            "painting whole"
        )
    by_lightness = sorted(wanted, key=lambda color: colors.LUMA @ [*bytes.fromhex(color[1:])])
    return [[Part(by_lightness.index(color), 1.0)] for color in wanted]


def _region_by_region(wanted, paintings, blend, settings):
    if len(settings.style_regions) != len(paintings):
        raise UserError(
            f"--style_regions names {len(settings.style_regions)} maps for {len(paintings)} "
            "paintings: give one for each"
        )
    maps = [
        read_regions(path, painting.shape[:2])
        for path, painting in zip(settings.style_regions, paintings, strict=True)
    ]
    for path, found in zip(settings.style_regions, maps, strict=True):
        check_match(wanted, found, settings.content_regions, path)
    return [[Part(i, weight, maps[i][color]) for i, weight in enumerate(blend)] for color in wanted]
