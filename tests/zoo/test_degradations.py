import io

import numpy as np
import pytest
from PIL import Image

from zoo import bicubic as resampling
from zoo import images
from zoo.degradations import DEGRADATIONS, bicubic, blur_bicubic, crop_to_multiple, real
from zoo.errors import UserError
from zoo.sample_photo import sample_photo

PHOTO = sample_photo()[:96, :120]


def seeded(seed=0):
    return np.random.default_rng(seed)


def gaussian_blur(image, sigma):
    """Along both axes of the mirrored image, a shift at a time."""
    radius = 6
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        padding = [(0, 0)] * 3
        padding[axis] = (radius, radius)
        padded = np.pad(image, padding, mode="symmetric")
        shifts = [padded.take(range(i, i + image.shape[axis]), axis) for i in range(2 * radius + 1)]
        image = np.tensordot(weights, shifts, axes=1)
    return image


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("name", DEGRADATIONS)
def test_every_one_gives_a_small_image_of_8_bits_and_leaves_its_own_alone(name, factor):
    before = PHOTO.copy()
    small = DEGRADATIONS[name](PHOTO, factor, seeded())
    assert (small.shape, small.dtype) == ((96 // factor, 120 // factor, 3), np.float32)
    assert 0 <= small.min() < small.max() <= 1
    np.testing.assert_allclose(small * 255, np.rint(small * 255), atol=1e-4)
    np.testing.assert_array_equal(PHOTO, before)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_every_one_keeps_the_picture_where_it_is(factor):
    mean = PHOTO.reshape(96 // factor, factor, 120 // factor, factor, 3).mean(axis=(1, 3))
    for degrade in DEGRADATIONS.values():
        small = degrade(PHOTO, factor, seeded())
        in_place = np.abs(small - mean).mean()
        for axis in (0, 1):
            assert in_place < np.abs(np.roll(small, 1, axis) - mean).mean() / 1.5


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_bicubic_is_the_fields_rounded_to_8_bits(factor):
    expected = np.rint(255 * resampling.rescale(PHOTO, 1 / factor)) / 255
    np.testing.assert_allclose(bicubic(PHOTO, factor), expected, atol=1e-6)


def test_blur_bicubic_blurs_with_a_sigma_of_one_pixel_first():
    blurred = gaussian_blur(PHOTO, 1.0).astype(np.float32)
    expected = resampling.rescale(blurred, 1 / 4)
    np.testing.assert_allclose(blur_bicubic(PHOTO, 4), expected, atol=0.51 / 255)


def test_real_is_drawn_from_the_generator_alone():
    first = real(PHOTO, 4, seeded(7))
    np.testing.assert_array_equal(real(PHOTO, 4, seeded(7)), first)
    assert np.abs(real(PHOTO, 4, seeded(8)) - first).max() > 0.02


@pytest.fixture
def strengths(monkeypatch):
    def only(blur=0.0, noise=0.0, jpeg=100):
        monkeypatch.setattr("zoo.degradations.BLUR", (blur, blur))
        monkeypatch.setattr("zoo.degradations.NOISE", (noise, noise))
        monkeypatch.setattr("zoo.degradations.JPEG", (jpeg, jpeg))

    return only


def test_real_blurs_in_pixels_of_the_low_resolution(strengths):
    strengths(blur=0.6)
    grey = PHOTO.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    expected = resampling.rescale(gaussian_blur(grey, 1.2).astype(np.float32), 1 / 2)
    assert np.abs(real(grey, 2, seeded()) - expected).max() < 4 / 255  # JPEG's rounding


def test_real_adds_noise_of_its_strength(strengths):
    strengths(noise=0.03)
    flat = np.full((256, 256, 3), 0.5, np.float32)
    noise = real(flat, 2, seeded()) - 0.5
    # JPEG halves the resolution of colour; that of brightness stays.
    brightness = noise @ [0.299, 0.587, 0.114]
    assert brightness.std() == pytest.approx(0.03 * np.linalg.norm([0.299, 0.587, 0.114]), rel=0.05)
    assert abs(brightness.mean()) < 0.002


def test_real_compresses_as_jpeg(strengths):
    strengths(jpeg=40)
    file = io.BytesIO()
    small = resampling.rescale(PHOTO, 1 / 2)
    Image.fromarray(np.rint(255 * small).astype(np.uint8)).save(file, "JPEG", quality=40)
    expected = images.read(file).rgb
    assert np.abs(expected - small).mean() > 0.01
    np.testing.assert_array_equal(real(PHOTO, 2, seeded()), expected)


def test_images_are_cropped_at_the_bottom_and_the_right():
    image = np.arange(23 * 17).reshape(23, 17, 1)
    np.testing.assert_array_equal(crop_to_multiple(image, 8), image[:16, :16])
    np.testing.assert_array_equal(crop_to_multiple(image, 1), image)
    with pytest.raises(UserError, match="has no 18 x 18 pixels"):
        crop_to_multiple(image, 18)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_an_image_of_no_multiple_is_refused(name):
    for image in (PHOTO[:95], PHOTO[:, :119]):
        with pytest.raises(UserError, match="cannot be shrunk by 4: crop it first"):
            DEGRADATIONS[name](image, 4, seeded())
