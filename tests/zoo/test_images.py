"""Every file here is a real encoded one: made by Pillow, or byte by byte where Pillow cannot."""

import contextlib
import io
import os
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms, features
from skimage import data

from zoo import images
from zoo.errors import UserError
from zoo.images import ImageError, Picture

GREY_16 = np.array([[0, 1, 300], [40000, 65534, 65535]], np.uint16)
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


@pytest.fixture(scope="module")
def photo():
    return data.chelsea()[:240, :320]


def encoded(pixels, format, mode=None, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, format, **options)
    return file.getvalue()


def png(width, height, depth, colour_type, rows, **chunks):
    def chunk(name, content):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(chunk(name.encode(), content) for name, content in chunks.items())
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )


def fixed(*numbers):
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def icc_profile(space, connection=b"XYZ ", **tags):
    """An ICC version 2 profile of these tags."""
    d50 = fixed(0.9642, 1, 0.8249)
    tags["wtpt"] = b"XYZ \0\0\0\0" + d50
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += name.encode() + struct.pack(">II", offset + len(body), len(content))
        body += content
    header = struct.pack(
        ">I4sI4s4s4s12s4s28s12s48x",
        *(offset + len(body), b"lcms", 0x02400000, b"mntr", space, connection),
        *(struct.pack(">6H", 2024, 1, 1, 0, 0, 0), b"acsp", bytes(28), d50),
    )
    return header + struct.pack(">I", len(tags)) + table + body


def gamma_curve(gamma):
    return b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))


def rgb_profile(primaries, gamma):
    xyz = {
        f"{c}XYZ": b"XYZ \0\0\0\0" + fixed(*column)
        for c, column in zip("rgb", primaries, strict=True)
    }
    return icc_profile(b"RGB ", **xyz, **{f"{c}TRC": gamma_curve(gamma) for c in "rgb"})


# Rows: the XYZ (D50) of red, green and blue.
SRGB_PRIMARIES = [[0.4361, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7141]]
P3_PRIMARIES = [[0.5151, 0.2412, -0.0011], [0.2920, 0.6922, 0.0419], [0.1571, 0.0666, 0.7841]]


def srgb_curve(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


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


@pytest.fixture
def rgba(photo):
    alpha = np.tile(np.arange(256, dtype=np.uint8), (240, 1))
    return np.dstack([photo[:, :256], alpha])


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


# --- Colour management


def test_cmyk_without_a_profile_comes_out_in_its_colours():
    inks = {(255, 0, 0, 0): [0, 1, 1], (0, 0, 0, 0): [1, 1, 1], (0, 0, 0, 255): [0, 0, 0]}
    for ink, rgb in inks.items():
        jpeg = encoded(Image.new("CMYK", (16, 16), ink), "JPEG", quality=100)
        assert b"Adobe" in jpeg  # and so inverted, as Photoshop writes it
        np.testing.assert_allclose(images.read(jpeg).rgb[8, 8], rgb, atol=0.02)


def test_cmyk_is_seen_through_its_profile():
    # A press whose cyan ink prints green: Lab (50, -60, 40); black is black, the rest is white.
    corners = np.full((2, 2, 2, 2, 3), (255, 128, 128), np.uint8)
    corners[1, :, :, 0] = (128, 68, 168)
    corners[..., 1, :] = (0, 128, 128)
    ramp = bytes(range(256))
    identity = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4
    profile = icc_profile(b"CMYK", b"Lab ", A2B0=table + corners.tobytes() + ramp * 3)
    jpeg = encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", icc_profile=profile)
    red, green, blue = images.read(jpeg).rgb[8, 8]
    assert green > 0.4
    assert red < 0.2
    assert blue < 0.4
    white = encoded(Image.new("CMYK", (16, 16)), "JPEG", icc_profile=profile)
    np.testing.assert_allclose(images.read(white).rgb[8, 8], 1, atol=0.02)


@pytest.mark.parametrize(("primaries", "gamma"), [(SRGB_PRIMARIES, 1), (P3_PRIMARIES, 1.8)])
def test_other_rgb_profiles_are_converted_to_srgb(primaries, gamma):
    colours = np.array([[[0, 0, 0], [255, 255, 255], [100, 100, 100], [130, 110, 90]]], np.uint8)
    file = encoded(colours, "PNG", icc_profile=rgb_profile(primaries, gamma))
    xyz = (colours / 255) ** gamma @ np.array(primaries)
    expected = srgb_curve((xyz @ np.linalg.inv(SRGB_PRIMARIES)).clip(0, 1))
    np.testing.assert_allclose(images.read(file).rgb, expected, atol=1.5 / 255)
    assert np.abs(expected - colours / 255).max() > 0.05
    with_alpha = np.dstack([colours, np.array([[0, 1, 128, 255]], np.uint8)])
    picture = images.read(encoded(with_alpha, "PNG", icc_profile=rgb_profile(primaries, gamma)))
    np.testing.assert_allclose(picture.rgb, expected, atol=1.5 / 255)
    np.testing.assert_allclose(picture.alpha * 255, with_alpha[..., 3], atol=1e-4)


def test_grey_profiles_are_converted_to_srgb():
    linear = icc_profile(b"GRAY", kTRC=gamma_curve(1))
    ramp = np.arange(0, 256, 5, dtype=np.uint8)[None]
    expected = srgb_curve(ramp / 255)
    for pixels in (ramp, Image.fromarray(np.dstack([ramp, ramp]), "LA")):
        rgb = images.read(encoded(pixels, "PNG", icc_profile=linear)).rgb
        np.testing.assert_allclose(rgb[..., 1], expected, atol=1.5 / 255)
    deep = encoded(ramp.astype(np.uint16) * 257, "TIFF", icc_profile=linear)
    np.testing.assert_allclose(images.read(deep).rgb[..., 1], expected, atol=1.5 / 255)
    as_rgb = encoded(ramp, "PNG", icc_profile=rgb_profile(SRGB_PRIMARIES, 1))
    np.testing.assert_allclose(images.read(as_rgb).rgb[..., 1], expected, atol=1.5 / 255)


def test_an_srgb_profile_leaves_every_pixel_as_it_is(photo):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = images.read(encoded(photo, "PNG", icc_profile=profile))
    np.testing.assert_array_equal(np.asarray(picture.to_pil()), photo)


@pytest.mark.parametrize(
    "profile",
    [b"not a profile", rgb_profile(P3_PRIMARIES, 1.8)[:300], icc_profile(b"GRAY"), bytes(200)],
)
def test_a_broken_or_unfit_profile_is_ignored(photo, profile):
    picture = images.read(encoded(photo, "PNG", icc_profile=profile))
    np.testing.assert_array_equal(np.asarray(picture.to_pil()), photo)


# --- Files that cannot be read


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


# --- Finding files


@pytest.fixture
def album(tmp_path):
    for name in ("b.JPG", "a.png", "sub/c.webp", "notes.txt", ".hidden.png", ".trash/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(files, album):
    return [str(file.relative_to(album)) for file in files]


def test_directories_and_globs_are_searched_for_pictures_sorted(album):
    everything = ["a.png", "b.JPG", "sub/c.webp"]
    assert names(images.find(album), album) == everything
    assert names(images.find([f"{album}/*"]), album) == everything
    assert names(images.find([f"{album}/**/*.webp"]), album) == ["sub/c.webp"]


def test_named_files_are_taken_whatever_their_suffix_once_and_in_order(album):
    paths = [album / "notes.txt", album / "b.JPG", album, f"{album}/sub/../a.png"]
    assert names(images.find(paths), album) == ["notes.txt", "b.JPG", "a.png", "sub/c.webp"]
    (album / "x[1].png").touch()
    assert names(images.find(album / "x[1].png"), album) == ["x[1].png"]


@pytest.mark.parametrize("path", ["missing.png", "*.tif", "empty"])
def test_a_path_that_matches_nothing_is_an_error(album, path):
    (album / "empty").mkdir()
    with pytest.raises(UserError, match="no such file, nor a directory or glob with pictures"):
        images.find([album, album / path])
