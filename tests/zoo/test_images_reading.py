import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, features

from tests.zoo.encoded_files import encoded, png
from zoo import images
from zoo.images import ImageError, Picture

GREY_16 = np.array([[0, 1, 300], [40000, 65534, 65535]], np.uint16)
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


# --- Orientation


STORED = {  # EXIF orientation -> how the camera stores an upright picture
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: np.swapaxes(upright, 0, 1),
    6: np.rot90,
    7: lambda upright: np.rot90(np.swapaxes(upright, 0, 1), 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_rotated_phone_photo_comes_out_upright(photo, format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](photo))
    rgb = images.read(encoded(stored, format, exif=exif)).rgb
    assert rgb.shape == photo.shape
    assert np.abs(rgb - photo / 255).mean() < (0.02 if format == "JPEG" else 1e-6)


def test_broken_exif_neither_hides_a_good_photo_nor_prints_warnings(photo, tmp_path):
    path = tmp_path / "web.jpg"
    exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x09\x01\x12\0\x03"
    path.write_bytes(encoded(photo, "JPEG", exif=exif))
    program = "import sys; from zoo import images; print(images.read(sys.argv[1]).rgb.shape)"
    run = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "(240, 320, 3)"
    assert run.stderr == ""
    garbage = encoded(photo, "JPEG", exif=b"Exif\0\0not TIFF at all")
    assert images.read(garbage).rgb.shape == photo.shape


# --- Transparency


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_kept_and_so_are_colours_under_full_transparency(rgba, format):
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    picture = images.read(encoded(rgba, format, **options))
    np.testing.assert_allclose(picture.rgb, rgba[..., :3] / 255, atol=1e-6)
    np.testing.assert_allclose(picture.alpha, rgba[..., 3] / 255, atol=1e-6)
    assert picture.alpha.dtype == np.float32


def test_grey_with_alpha_keeps_both_planes(rgba):
    picture = images.read(encoded(Image.fromarray(rgba[..., 2:], "LA"), "PNG"))
    np.testing.assert_allclose(picture.rgb, np.repeat(rgba[..., 2:3], 3, -1) / 255, atol=1e-6)
    np.testing.assert_allclose(picture.alpha, rgba[..., 3] / 255, atol=1e-6)


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_one_transparent_palette_colour_becomes_alpha(format):
    image = Image.new("P", (3, 1))
    image.putpalette([250, 0, 0, 0, 250, 0, 0, 0, 250])
    image.putdata([0, 1, 2])
    picture = images.read(encoded(image, format, transparency=1))
    np.testing.assert_allclose(picture.rgb[0], np.eye(3) * 250 / 255, atol=1e-6)
    assert picture.alpha.tolist() == [[1, 0, 1]]


def test_png_colour_keys_become_alpha():
    grey = images.read(png(3, 1, 8, 0, [b"\x00\x64\xff"], tRNS=b"\x00\x64"))
    assert grey.alpha.tolist() == [[1, 0, 1]]
    assert grey.rgb[0, 1, 0] == pytest.approx(100 / 255)
    rgb = images.read(png(2, 1, 8, 2, [b"\x01\x02\x03\x01\x02\x04"], tRNS=b"\0\x01\0\x02\0\x03"))
    assert rgb.alpha.tolist() == [[0, 1]]
    deep = images.read(png(3, 1, 16, 0, [GREY_16[0].astype(">u2").tobytes()], tRNS=b"\x01\x2c"))
    assert deep.alpha.tolist() == [[1, 1, 0]]
    assert images.read(png(1, 1, 8, 0, [b"\x64"])).alpha is None


# --- Kinds of pixels


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000"])
def test_every_common_format_gives_the_photo_in_float_rgb(photo, format):
    picture = images.read(encoded(photo, format))
    assert picture.rgb.dtype == np.float32
    assert picture.alpha is None
    assert np.abs(picture.rgb - photo / 255).mean() < 0.03


@needs_avif
def test_avif_is_read(photo):
    assert np.abs(images.read(encoded(photo, "AVIF")).rgb - photo / 255).mean() < 0.03


def test_greyscale_and_bilevel_fill_three_equal_channels(photo):
    grey = images.read(encoded(photo[..., 0], "JPEG")).rgb
    assert (grey == grey[..., :1]).all()
    assert np.abs(grey[..., 0] - photo[..., 0] / 255).mean() < 0.02
    bilevel = images.read(encoded(Image.fromarray(photo[..., 0] > 128), "PNG")).rgb
    np.testing.assert_array_equal(bilevel[..., 1], photo[..., 0] > 128)


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(images.read(gif).rgb[3, 4], [1, 0, 0])


def test_16_bit_greyscale_keeps_its_precision():
    rows = [row.astype(">u2").tobytes() for row in GREY_16]
    big_endian = Image.frombytes("I;16B", (3, 2), GREY_16.astype(">u2").tobytes())
    files = [
        png(3, 2, 16, 0, rows),
        encoded(GREY_16, "TIFF"),
        encoded(big_endian, "TIFF"),
        b"P5 3 2 65535\n" + b"".join(rows),
    ]
    for file in files:
        rgb = images.read(file).rgb
        np.testing.assert_allclose(rgb[..., 0], GREY_16 / 65535, atol=1e-7)
        assert (rgb == rgb[..., :1]).all()


def test_16_bit_colour_is_read_to_8_bits_at_least():
    colours = np.dstack([GREY_16, GREY_16[::-1], GREY_16])
    rgb = images.read(png(3, 2, 16, 2, [row.astype(">u2").tobytes() for row in colours])).rgb
    np.testing.assert_allclose(rgb, colours / 65535, atol=1 / 255)


def test_float_files_are_read_in_0_to_1_and_refused_outside():
    grey = np.array([[0, 0.25, 1]], np.float32)
    np.testing.assert_array_equal(images.read(encoded(grey, "TIFF")).rgb[..., 2], grey)
    with pytest.raises(ImageError, match=r"from 0 to 200"):
        images.read(encoded(grey * 200, "TIFF"))


def test_32_bit_integers_are_refused_since_their_white_is_unknown(tmp_path):
    path = tmp_path / "depth.tif"
    path.write_bytes(encoded(np.array([[0, 70000]], np.int32), "TIFF"))
    with pytest.raises(ImageError, match=r"depth\.tif: .*32-bit integer"):
        images.read(path)


# --- Other sources


def test_all_kinds_of_sources_give_the_same_picture(photo, tmp_path):
    file = encoded(photo, "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(file)
    with path.open("rb") as opened:
        opened.read(7)  # it is read from its beginning all the same
        pictures = [images.read(opened)]
        assert not opened.closed
    sources = [path, str(path), file, bytearray(file), memoryview(file), photo]
    sources += [Image.fromarray(photo), Image.open(io.BytesIO(file))]
    sources += [photo.astype(np.uint16) * 257, photo / 255, (photo / 255).astype(np.float32)]
    pictures += [images.read(source) for source in sources]
    for picture in pictures:
        assert picture.rgb.dtype == np.float32
        np.testing.assert_allclose(picture.rgb, photo / 255, atol=1e-6)
    assert images.read(pictures[0]) is pictures[0]


def test_arrays_of_one_and_four_channels_are_grey_and_rgba(rgba):
    grey = rgba[..., 0]
    for array in (grey, grey[..., None], grey / 255):
        picture = images.read(array)
        np.testing.assert_allclose(picture.rgb, np.dstack([grey] * 3) / 255, atol=1e-6)
        assert picture.alpha is None
    np.testing.assert_allclose(images.read(rgba).alpha, rgba[..., 3] / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((0, 4, 3)), "no pixels"),
        (np.zeros((4, 0), np.uint8), "no pixels"),
        (np.zeros(4), "shape"),
        (np.zeros((4, 4, 2)), "shape"),
        (np.zeros((1, 4, 4, 3)), "shape"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4, 3), bool), "bool"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.full((4, 4, 3), np.inf), "infinite"),
        (np.linspace(-0.5, 1.7, 48).reshape(4, 4, 3), "from -0.5 to 1.7"),
    ],
)
def test_arrays_that_are_no_picture_are_refused(array, problem):
    with pytest.raises(ImageError, match=problem):
        images.read(array)
    with pytest.raises(ImageError):
        images.encode(array)


def test_rounding_errors_of_float_arithmetic_are_clipped_not_refused():
    rgb = images.read(np.array([[[-1e-6, 0.5, 1 + 1e-6]]])).rgb
    assert (rgb.min(), rgb.max()) == (0, 1)


def test_a_picture_with_unfit_parts_cannot_be_made():
    with pytest.raises(ImageError, match="alpha"):
        Picture(np.zeros((4, 4, 3), np.float32), np.zeros((4, 5), np.float32))
    with pytest.raises(ImageError, match="shape"):
        Picture(np.zeros((4, 4), np.float32))


# --- The hint for small targets


@pytest.mark.parametrize(
    ("short_side", "size"), [(30, (30, 40)), (50, (60, 80)), (200, (240, 320))]
)
def test_a_jpeg_for_a_small_target_is_decoded_smaller_but_never_too_small(photo, short_side, size):
    file = encoded(photo, "JPEG", quality=95)
    small = images.read(file, short_side=short_side).rgb
    assert small.shape == (*size, 3)
    assert np.abs(small - images.resize(images.read(file).rgb, size)).mean() < 0.02


def test_the_hint_changes_nothing_but_jpegs(photo):
    assert images.read(encoded(photo, "PNG"), short_side=30).rgb.shape == photo.shape
    assert images.read(photo, short_side=30).rgb.shape == photo.shape
    with pytest.raises(ImageError, match="76,800"):
        images.read(encoded(photo, "JPEG"), max_pixels=70_000, short_side=30)
