import io
import os

import numpy as np
import pytest
from PIL import Image

from tests.zoo.encoded_files import encoded
from zoo import images
from zoo.images import ImageError

# --- Writing


def test_png_round_trips_exactly(photo, rgba, tmp_path):
    levels = np.dstack([np.arange(256, dtype=np.uint8)[None]] * 3)
    for pixels in (photo, rgba, levels):
        images.write(images.read(encoded(pixels, "PNG")), tmp_path / "copy.png")
        with Image.open(tmp_path / "copy.png") as copy:
            np.testing.assert_array_equal(np.asarray(copy), pixels)


def test_levels_are_rounded_not_truncated():
    png_file = images.encode(np.array([[[99.6, 100.4, 254.7]]]) / 255)
    assert np.asarray(Image.open(io.BytesIO(png_file))).tolist() == [[[100, 100, 255]]]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".webp"])
@pytest.mark.parametrize("size", [(1, 1), (3, 1), (37, 53)])
def test_the_suffix_decides_the_format_and_sizes_are_exact(photo, tmp_path, suffix, size):
    path = tmp_path / "deep" / "er" / f"out{suffix}"
    images.write(images.resize(photo / 255, size), path)
    with Image.open(path) as image:
        pass
    assert image.format == {".png": "PNG", ".webp": "WEBP"}.get(suffix, "JPEG")
    assert (image.height, image.width) == size
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_jpeg_shows_transparency_over_white_and_webp_keeps_it(rgba):
    picture = images.read(rgba)
    over_white = Image.alpha_composite(Image.new("RGBA", (256, 240), "white"), picture.to_pil())
    jpeg = images.read(images.encode(picture, "jpeg"))
    assert jpeg.alpha is None
    assert np.abs(jpeg.rgb * 255 - np.asarray(over_white)[..., :3]).mean() < 3
    webp = images.read(images.encode(picture, "webp", quality=100))
    np.testing.assert_allclose(webp.alpha, picture.alpha, atol=1e-6)


def test_lower_quality_makes_smaller_files(photo):
    for format in ("jpg", "webp"):
        sizes = [len(images.encode(photo, format, quality)) for quality in (10, 95)]
        assert sizes[0] < sizes[1] / 2


def test_what_cannot_be_written_is_refused_by_name(photo, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "taken.png").mkdir()
    for name in ("out.bmp", "out"):
        with pytest.raises(ImageError, match=rf"{name}: .*png, jpg, jpeg, webp"):
            images.write(photo, tmp_path / name)
    for name in ("file/out.png", "taken.png"):
        with pytest.raises(ImageError, match=rf"{name}: cannot be written: .*directory|exists"):
            images.write(photo, tmp_path / name)
    with pytest.raises(ImageError, match="quality is 0"):
        images.write(photo, tmp_path / "out.jpg", quality=0)
    with pytest.raises(ImageError, match=r"wide\.webp: .*cannot be encoded as WEBP"):
        images.write(np.zeros((1, 16_384, 3)), tmp_path / "wide.webp")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "taken.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_write_permission_is_refused(photo, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ImageError, match=r"out\.png: cannot be written: Permission denied"):
        images.write(photo, tmp_path / "out.png")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(photo, tmp_path, monkeypatch):
    path = tmp_path / "out.png"
    images.write(photo, path)
    before = path.read_bytes()

    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", disk_full)
    with pytest.raises(ImageError, match="No space left"):
        images.write(255 - photo, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_written_files_have_the_permissions_of_ordinary_files(photo, tmp_path):
    images.write(photo, tmp_path / "out.png")
    (tmp_path / "ordinary").touch()
    assert (tmp_path / "out.png").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


# --- Sizes


def test_resize_gives_the_exact_size_in_float_precision(photo):
    rgb = images.read(photo).rgb
    for size in ((17, 91), (480, 640), (1, 1)):
        resized = images.resize(rgb, size)
        assert resized.shape == (*size, 3)
        assert resized.dtype == np.float32
        assert resized.min() >= 0
        assert resized.max() <= 1
    np.testing.assert_array_equal(images.resize(rgb, rgb.shape[:2]), rgb)
    flat = np.full((8, 8, 3), 0.123456, np.float32)
    np.testing.assert_allclose(images.resize(flat, (5, 3)), 0.123456, atol=1e-6)
    with pytest.raises(ImageError, match="0 x 4"):
        images.resize(rgb, (0, 4))


def test_resize_is_antialiased():
    checkerboard = np.indices((64, 64)).sum(0) % 2
    small = images.resize(np.dstack([checkerboard.astype(np.float32)] * 3), (8, 8))
    np.testing.assert_allclose(small, 0.5, atol=0.05)


@pytest.mark.parametrize(("size", "expected"), [((240, 320), (90, 120)), ((301, 7), (3870, 90))])
def test_resize_short_side_keeps_the_aspect_ratio(size, expected):
    assert images.resize_short_side(np.zeros((*size, 3)), 90).shape == (*expected, 3)


def test_alpha_follows_new_colours_of_another_size(rgba):
    picture = images.read(rgba)
    enlarged = picture.with_rgb(np.zeros((480, 512, 3)))
    assert enlarged.to_pil().mode == "RGBA"
    np.testing.assert_allclose(enlarged.alpha[240, ::2], picture.alpha[120], atol=0.01)
    np.testing.assert_array_equal(picture.with_rgb(1 - picture.rgb).alpha, picture.alpha)
    assert images.read(rgba[..., :3]).with_rgb(picture.rgb).alpha is None
