import contextlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, features

from tests.zoo.encoded_files import encoded, png
from zoo import images
from zoo.images import ImageError

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


TRUNCATED = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "PPM"]


@pytest.mark.parametrize("kept", [0.03, 0.5, 0.98])
@pytest.mark.parametrize("format", [*TRUNCATED, pytest.param("AVIF", marks=needs_avif)])
def test_a_truncated_file_is_refused_by_name_not_half_read(photo, tmp_path, format, kept):
    whole = encoded(photo, format)
    path = tmp_path / "download.part"
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ImageError, match=r"download\.part: "):
        images.read(path)


def test_a_progressive_jpeg_that_lacks_its_last_bytes_is_refused(photo):
    with pytest.raises(ImageError, match="truncated"):
        images.read(encoded(photo, "JPEG", progressive=True)[:-10])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # pytest undoes the filter of zoo.images
@pytest.mark.parametrize("format", [*TRUNCATED, pytest.param("AVIF", marks=needs_avif)])
def test_damaged_bytes_raise_image_error_or_nothing(photo, format):
    random = np.random.default_rng(0)
    whole = np.frombuffer(encoded(photo[:24, :24], format), np.uint8)
    for _ in range(60):
        damaged = whole.copy()
        where = random.integers(0, min(len(whole), 200), 4)
        damaged[where] = random.integers(0, 256, 4)
        with contextlib.suppress(ImageError):
            picture = images.read(damaged.tobytes(), max_pixels=10_000)
            assert picture.rgb.size <= 30_000


def test_what_is_not_a_picture_is_refused_with_its_name(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.jpg").write_text("Dear diary, this is no photo.")
    (tmp_path / "album.png").mkdir()
    (tmp_path / "print.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    for name, problem in {
        "empty.png": "empty",
        "notes.jpg": r"not a picture in a known format \(JPEG",
        "album.png": "Is a directory",
        "missing.png": "No such file",
        "print.eps": "not a picture",
    }.items():
        with pytest.raises(ImageError, match=rf"{name}: .*{problem}"):
            images.read(tmp_path / name)
    with pytest.raises(ImageError, match="empty"):
        images.read(b"")
    with pytest.raises(ImageError, match="NoneType"):
        images.read(None)


def test_the_content_decides_the_format_not_the_name(photo, tmp_path):
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(photo, "PNG"))
    np.testing.assert_array_equal(np.asarray(images.read(path).to_pil()), photo)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("width", "height"), [(10_000, 11_000), (60_000, 60_000)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, width, height):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, 8, 2, [b""]))
    pillow_limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageError) as refusal:
        images.read(path)
    text = str(refusal.value)
    for part in ("bomb.png: ", f"{width} x {height}", f"{width * height:,}", "100,000,000"):
        assert part in text
    assert pillow_limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.filterwarnings("error")
def test_max_pixels_alone_decides_and_pillows_limit_stays_as_it_was(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    file = encoded(photo, "PNG")
    with ThreadPoolExecutor(4) as threads:
        pictures = list(threads.map(images.read, [file] * 16))
    assert {picture.rgb.shape for picture in pictures} == {photo.shape}
    assert Image.MAX_IMAGE_PIXELS == 10
    with pytest.raises(ImageError, match="76,799"):
        images.read(file, max_pixels=76_799)
