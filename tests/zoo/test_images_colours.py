import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.zoo.encoded_files import encoded
from zoo import images


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
