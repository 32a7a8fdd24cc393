"""What `read` tells of a file beyond its colours."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from tests.zoo.encoded_files import encoded, png
from zoo import images
from zoo.images import Origin


def deep(channels):
    return np.random.default_rng(0).integers(0, 65536, (7, 5, channels)).astype(np.uint16)


def png16(levels, **chunks):
    rows = [row.tobytes() for row in levels.astype(">u2").reshape(len(levels), -1)]
    colour_type = {1: 0, 3: 2, 4: 6}[levels.shape[2]]
    return png(levels.shape[1], len(levels), 16, colour_type, rows, **chunks)


def tiff16(levels):
    file = io.BytesIO()
    tifffile.imwrite(file, levels, photometric="rgb")
    return file.getvalue()


@pytest.mark.parametrize(
    ("file", "levels"),
    [
        (png16(deep(1)), deep(1).repeat(3, -1)),
        (png16(deep(3)), deep(3)),
        (png16(deep(4)), deep(4)),
        (tiff16(deep(3)), deep(3)),
    ],
    ids=["grey PNG", "PNG", "PNG with alpha", "TIFF"],
)
def test_all_16_bits_are_read(file, levels):
    picture = images.read(file)
    assert picture.origin.depth == 16
    np.testing.assert_allclose(picture.rgb, levels[..., :3] / 65535, atol=1e-6)
    if levels.shape[2] == 4:
        np.testing.assert_allclose(picture.alpha, levels[..., 3] / 65535, atol=1e-6)


def test_a_16_bit_picture_with_a_colour_for_transparent_still_has_it():
    levels = deep(3)
    levels[0, 0] = 0x1234
    picture = images.read(png16(levels, tRNS=b"\x12\x34" * 3))
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 0


def test_grey_is_told_from_colours(photo):
    kinds = {"L": True, "1": True, "LA": True, "RGB": False, "P": False, "RGBA": False}
    for mode, grey in kinds.items():
        file = encoded(photo, "PNG", mode)
        assert images.read(file).origin == Origin(grey=grey), mode


def test_exif_is_kept_as_of_the_upright_picture(photo):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Leica"
    details = exif.get_ifd(0x8769)
    details[0xA002], details[0x829A] = 320, 0.25
    picture = images.read(encoded(photo, "JPEG", exif=exif))
    assert picture.rgb.shape == (320, 240, 3)
    kept = Image.Exif()
    kept.load(picture.origin.exif)
    assert (kept[0x0112], kept[0x010F]) == (1, "Leica")
    assert kept.get_ifd(0x8769) == {0x829A: 0.25}


def test_a_profile_is_told(photo):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert images.read(encoded(photo, "JPEG", icc_profile=profile)).origin.profiled
    assert not images.read(encoded(photo, "JPEG")).origin.profiled


def test_new_colours_keep_the_origin(photo):
    picture = images.read(png16(deep(3)))
    assert picture.with_rgb(picture.rgb[::2]).origin == picture.origin
