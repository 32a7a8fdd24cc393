import sys

import numpy as np
import pytest
from PIL import Image

from trainers import curves
from zoo.errors import UserError


def test_the_figure_is_a_picture_with_a_curve_and_a_level_line(tmp_path):
    path = tmp_path / "figures" / "curve.png"
    falling = 10 / np.arange(1, 101)
    curves.draw({"noise": falling, "the photo": falling / 2}, 0.5, "a title", path)
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    assert len(pixels) == 640 * 400
    colours = {tuple(colour) for colour in np.unique(pixels, axis=0)}
    assert {(31, 119, 180), (255, 127, 14), (0, 0, 0)} <= colours  # two curves and the network
    assert [file.name for file in path.parent.iterdir()] == ["curve.png"]
    assert path.stat().st_size < 60_000


def test_without_matplotlib_it_is_named(monkeypatch):
    curves.check_matplotlib()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"pip install matplotlib"):
        curves.check_matplotlib()
