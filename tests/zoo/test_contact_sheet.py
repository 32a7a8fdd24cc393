import numpy as np
import pytest

from zoo.contact_sheet import contact_sheet
from zoo.errors import UserError
from zoo.images import Picture

RED, GREEN, BLUE = np.eye(3)


def flat(colour, height=20, width=30):
    return np.broadcast_to(colour, (height, width, 3)).astype(np.float32)


def box_of(sheet, colour):
    """The rows and columns that exactly one colour covers, as (top, bottom, left, right)."""
    rows, columns = np.nonzero((np.asarray(sheet) == np.array(colour) * 255).all(-1))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_pictures_get_one_height_and_keep_their_aspect_ratio():
    sheet = contact_sheet([flat(RED), flat(GREEN, 40, 10)], ["", ""], height=64, columns=2)
    top, bottom, left, right = box_of(sheet, RED)
    assert (bottom - top, right - left) == (64, 96)
    top, bottom, left, right = box_of(sheet, GREEN)
    assert (bottom - top, right - left) == (64, 16)


def test_pictures_run_in_rows_with_white_margins_around():
    pictures = [flat(RED), flat(GREEN), flat(BLUE)]
    sheet = contact_sheet(pictures, ["one", "two", "three"], height=32, columns=2)
    red, green, blue = (box_of(sheet, colour) for colour in (RED, GREEN, BLUE))
    assert red[:2] == green[:2]
    assert red[3] < green[2]
    assert blue[0] > red[1]
    assert blue[2:] == red[2:]
    pixels = np.asarray(sheet)
    for edge in (pixels[:4], pixels[-4:], pixels[:, :4], pixels[:, -4:]):
        assert (edge == 255).all()


def test_a_label_stands_below_its_picture_and_is_never_cut():
    short = contact_sheet([flat(RED)], ["x"], height=32)
    long = contact_sheet([flat(RED)], ["a label much wider than this picture"], height=32)
    assert long.width > short.width
    _, bottom, left, right = box_of(long, RED)
    below = np.asarray(long)[bottom:]
    assert (below < 128).any()
    ink = np.nonzero((below < 128).any((0, 2)))[0]
    assert ink.min() >= 4
    assert ink.max() < long.width - 4
    assert abs((left + right) / 2 - long.width / 2) <= 1


def test_fewer_pictures_than_columns_leave_no_empty_columns():
    assert contact_sheet([flat(RED)], [""], 32, 9).size == contact_sheet([flat(RED)], [""], 32).size


def test_transparency_shows_the_paper():
    clear = Picture(flat(RED), np.zeros((20, 30), np.float32))
    assert (np.asarray(contact_sheet([clear], [""], height=32)) == 255).all()


def test_a_sheet_that_cannot_be_laid_out_is_refused():
    for pictures, labels, columns in [([], [], 2), ([flat(RED)], [], 2), ([flat(RED)], ["x"], 0)]:
        with pytest.raises(UserError, match="contact sheet"):
            contact_sheet(pictures, labels, columns=columns)
