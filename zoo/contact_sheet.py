"""Many pictures on one white sheet, each with its label below it."""

import itertools
import math

from PIL import Image, ImageDraw, ImageFont

from zoo import images
from zoo.errors import UserError


def contact_sheet(pictures, labels, height: int = 256, columns: int = 4) -> Image.Image:
    """Lay pictures out on white paper, row by row.

    Args:
        pictures: Pictures, or float rgb arrays [H, W, 3] in 0..1, or what else `images.read` takes.
            Each is scaled to `height` with its aspect ratio kept; white shows through transparency.
        labels: one text per picture, centred below it; may be empty.
        height: of every picture, in pixels.
        columns: pictures in a row.

    Returns:
        An RGB image. A column is as wide as its widest picture or label.

    Raises:
        UserError: no pictures, another number of labels than pictures, height or columns below 1.
        ImageError: a picture that cannot be read.
    """
    if not len(pictures) or len(pictures) != len(labels):
        raise UserError(f"contact sheet: {len(pictures)} pictures and {len(labels)} labels")
    if height < 1 or columns < 1:
        raise UserError(f"contact sheet: height {height} and columns {columns} must be at least 1")
    font = ImageFont.load_default(size=max(10, height // 16))
    cells = [
        _cell(images.read(picture), label, height, font)
        for picture, label in zip(pictures, labels, strict=True)
    ]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return _grid(rows, margin=max(4, height // 32))


def _cell(picture, label, height, font):
    """A picture of the given height over its label."""
    rgb = picture.over_white()
    width = max(1, round(rgb.shape[1] * height / rgb.shape[0]))
    tile = images.Picture(images.resize(rgb, (height, width))).to_pil()
    _, _, right, bottom = ImageDraw.Draw(tile).multiline_textbbox((0, 0), label, font)
    text_width, text_height = math.ceil(right), math.ceil(bottom)
    cell = Image.new("RGB", (max(width, text_width), height + text_height), "white")
    cell.paste(tile, ((cell.width - width) // 2, 0))
    corner = ((cell.width - text_width) // 2, height)
    ImageDraw.Draw(cell).multiline_text(corner, label, "black", font, align="center")
    return cell


def _grid(rows, margin):
    cells_by_column = itertools.zip_longest(*rows, fillvalue=Image.new("RGB", (0, 0)))
    column_widths = [max(cell.width for cell in column) for column in cells_by_column]
    row_heights = [max(cell.height for cell in row) for row in rows]
    width = sum(column_widths) + margin * (len(column_widths) + 1)
    height = sum(row_heights) + margin * (len(rows) + 1)
    sheet = Image.new("RGB", (width, height), "white")
    top = margin
    for row, row_height in zip(rows, row_heights, strict=True):
        left = margin
        for cell, column_width in zip(row, column_widths, strict=False):
            sheet.paste(cell, (left + (column_width - cell.width) // 2, top))
            left += column_width + margin
        top += row_height + margin
    return sheet
