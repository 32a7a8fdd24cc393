import io

import numpy as np
import pytest
from PIL import Image

from zoo import images
from zoo.png import PngEncoder


def written(pixels, depth=8, strip=40, **options):
    file = io.BytesIO()
    encoder = PngEncoder(file, pixels.shape[:2], pixels.shape[2], depth, **options)
    for top in range(0, len(pixels), strip):
        encoder.write(pixels[top : top + strip])
    encoder.close()
    return file.getvalue()


def some_pixels(channels):
    return np.random.default_rng(0).uniform(size=(150, 37, channels)).astype(np.float32)


@pytest.mark.parametrize("strip", [1, 40, 150])
@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_what_is_written_in_strips_is_read_as_it_was(channels, mode, strip):
    pixels = some_pixels(channels)
    image = Image.open(io.BytesIO(written(pixels, strip=strip)))
    assert image.mode == mode
    levels = np.asarray(image).reshape(pixels.shape)
    np.testing.assert_array_equal(levels, np.rint(pixels * 255))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_written_and_read(channels):
    pixels = some_pixels(channels)
    picture = images.read(written(pixels, 16))
    assert picture.origin.depth == 16
    np.testing.assert_allclose(
        picture.rgb, pixels[..., :3].repeat(3 if channels == 1 else 1, -1), atol=0.6 / 65535
    )
    if channels == 4:
        np.testing.assert_allclose(picture.alpha, pixels[..., 3], atol=0.6 / 65535)


def test_a_photo_takes_about_what_it_takes_by_pillow(photo):
    by_pillow = io.BytesIO()
    Image.fromarray(photo).save(by_pillow, "PNG")
    assert len(written(photo / np.float32(255))) < 1.1 * len(by_pillow.getvalue())


def test_profile_and_exif_go_with_it():
    exif = Image.Exif()
    exif[0x010F] = "Leica"
    image = Image.open(io.BytesIO(written(some_pixels(3), icc=b"profile", exif=exif.tobytes()[6:])))
    image.load()
    assert image.info["icc_profile"] == b"profile"
    assert image.getexif()[0x010F] == "Leica"
