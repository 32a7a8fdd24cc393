"""Region maps: pictures in which every colour marks a region, for guided style transfer.

A photo's map and a painting's map pair their regions by colour (Gatys 2017, "Controlling Perceptual
Factors in Neural Style Transfer", section 4; Champandard 2016, "Semantic Style Transfer").
"""

import numpy as np
from PIL import Image

from zoo import images
from zoo.errors import UserError

MAX_REGIONS = 8


def read_regions(path, size):
    """Read a region map.

    Args:
        path: a picture file of a lossless format, with hard edges. Transparency counts as white.
        size: (height, width) in pixels of the picture that the map belongs to.

    Returns:
        A dictionary from colour, "#rrggbb", to float32 [H, W], 1 where the map has it and else 0.
        Sorted by colour; the masks sum to 1 everywhere.

    Raises:
        UserError: the map has another size or more than `MAX_REGIONS` colours.
        ImageError: the file cannot be read.
    """
    rgb = images.read(path).over_white()
    if rgb.shape[:2] != tuple(size):
        (height, width), (its_height, its_width) = rgb.shape[:2], size
        raise UserError(
            f"{path}: the region map has {width} x {height} pixels and its picture "
            f"{its_width} x {its_height}; draw it over the picture, at the same size"
        )
    levels = np.rint(rgb * 255).astype(np.int32)
    codes = levels @ np.int32([0x10000, 0x100, 1])
    colours = np.unique(codes)
    if len(colours) > MAX_REGIONS:
        raise UserError(
            f"{path}: {len(colours):,} colours, but a region map has one for each region, "
            f"at most {MAX_REGIONS}; JPEG, soft brushes and smooth scaling blur colours: "
            "draw with hard edges and save as PNG"
        )
    return {f"#{colour:06x}": (codes == colour).astype(np.float32) for colour in colours}


def check_match(content_regions, style_regions, content_name, style_name):
    """Refuse maps of which the photo's has a region that the style's lacks.

    Args:
        content_regions: the photo's map, a dictionary keyed by colour as of `read_regions`.
        style_regions: the style's map; it may have more colours.
        content_name: the photo's map in the error's text, such as its path.
        style_name: the style's map there.

    Raises:
        UserError: a colour is missing.
    """
    missing = [colour for colour in content_regions if colour not in style_regions]
    if missing:
        raise UserError(
            f"{style_name}: no region of colour {', '.join(missing)}, which {content_name} has; "
            f"the colours here are {', '.join(style_regions)}"
        )


def resize_region(mask, size):
    """Scale a mask to a feature map or an image scale, by averaging areas.

    A pixel of the result is the mean of those pixels whose centres it covers, so masks that sum to
    1 still do, and at integer ratios the mean stays the same. Enlarging repeats pixels.

    Args:
        mask: float32 [H, W] in [0, 1].
        size: (height, width) of the result.

    Returns:
        float32 [height, width] in [0, 1].
    """
    height, width = size
    return np.array(Image.fromarray(mask).resize((width, height), Image.Resampling.BOX))
