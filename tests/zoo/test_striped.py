import shutil
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

from zoo import bicubic, images, striped
from zoo.images import ImageError, Origin
from zoo.striped import StripedPicture


def some_picture(channels, **origin):
    corners = np.random.default_rng(0).uniform(0.1, 0.9, size=(3, 3, channels))
    pixels = bicubic.resize(corners.astype(np.float32), (50, 30))
    strips = iter([pixels[:20], pixels[20:]])
    return pixels, StripedPicture((50, 30), channels, strips, Origin(**origin))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_every_kind_is_written_in_every_format(tmp_path, channels, suffix):
    pixels, picture = some_picture(channels)
    path = tmp_path / "made" / f"picture{suffix}"
    striped.write(picture, path, quality=100)
    assert list(path.parent.iterdir()) == [path]
    image = Image.open(path)
    assert image.size == (30, 50)
    assert (image.mode in ("L", "LA")) == (channels < 3 and suffix != ".webp")
    seen = pixels if channels % 2 else 1 - pixels[..., -1:] * (1 - pixels[..., :-1])
    assert np.abs(images.read(path).over_white() - seen).mean() < (
        0.1 if suffix == ".jpg" else 0.02
    )


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_exif_and_a_profile_are_kept(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x010F] = "Leica"
    _, picture = some_picture(3, exif=exif.tobytes()[6:], profiled=True)
    striped.write(picture, tmp_path / f"picture{suffix}")
    image = Image.open(tmp_path / f"picture{suffix}")
    image.load()
    assert image.getexif()[0x010F] == "Leica"
    assert "sRGB".encode("utf-16-be") in image.info["icc_profile"]


def test_a_picture_that_fails_half_way_leaves_nothing(tmp_path):
    def broken():
        yield np.zeros((10, 30, 3), np.float32)
        raise ImageError("no more")

    for suffix in (".png", ".jpg"):
        picture = StripedPicture((50, 30), 3, broken(), Origin())
        with pytest.raises(ImageError, match="no more"):
            striped.write(picture, tmp_path / f"picture{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("size", "name", "problem"),
    [
        ((70_000, 20), "a.jpg", r"20 x 70000 pixels are too many for JPEG.*65,500.*in \.png"),
        ((20, 16_384), "a.webp", r"too many for WEBP, whose sides go to 16,383"),
        ((20, 20), "a.gif", r"cannot write '\.gif', only \.png"),
        ((20, 20), "a", r"cannot write ''"),
    ],
)
def test_what_a_format_cannot_hold_is_told_before_any_work(tmp_path, size, name, problem):
    def never():
        pytest.fail("it was made")
        yield

    with pytest.raises(ImageError, match=problem):
        striped.write(StripedPicture(size, 3, never(), Origin()), tmp_path / name)


def test_too_little_space_is_foreseen(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9e9, 8e9, 1e9))
    with pytest.raises(ImageError, match=r"about 1\.9 GB are needed and 1\.0 are free"):
        striped.check((32768, 32768), 3, 8, tmp_path / "deeper" / "a.png")
    striped.check((16384, 16384), 3, 8, tmp_path / "a.png")
    striped.check((32768, 32768), 3, 8, tmp_path / "a.jpg")
