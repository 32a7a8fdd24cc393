import os

import numpy as np
import pytest

from zoo import images
from zoo.bicubic import resize
from zoo.degradations import bicubic, crop_to_multiple
from zoo.errors import UserError
from zoo.fidelity import luma, psnr, ssim
from zoo.sample_photo import sample_photo

PHOTO = sample_photo()[:96, :120]

# PSNR in dB and SSIM of bicubic, by an independent program on the same files. Published for Set5:
# 33.66, 28.42 and 24.40 dB.
BICUBIC = {
    ("ZOO_SET5", 2): (33.68, 0.931),
    ("ZOO_SET5", 4): (28.43, 0.811),
    ("ZOO_SET5", 8): (24.40, 0.658),
    ("ZOO_SET14", 2): (30.33, 0.870),
    ("ZOO_SET14", 4): (26.09, 0.705),
    ("ZOO_SET14", 8): (23.19, 0.567),
}


def noisy(image, strength):
    noise = np.random.default_rng(0).normal(scale=strength, size=image.shape)
    return (image + noise).clip(0, 1).astype(np.float32)


def similarity(a, b):
    """Wang 2004, equation 13, a window at a time."""
    y = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(y, y) / np.outer(y, y).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for i in range(a.shape[0] - 10):
        for j in range(a.shape[1] - 10):
            p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            mean_p, mean_q = np.sum(window * p), np.sum(window * q)
            variances = np.sum(window * (p - mean_p) ** 2) + np.sum(window * (q - mean_q) ** 2)
            covariance = np.sum(window * (p - mean_p) * (q - mean_q))
            value = (2 * mean_p * mean_q + c1) * (2 * covariance + c2)
            values.append(value / ((mean_p**2 + mean_q**2 + c1) * (variances + c2)))
    return np.mean(values)


def test_luma_is_that_of_bt601_of_8_bits():
    colours = np.float32([[[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]])
    expected = [16, 235, 16 + 219 * 0.299, 16 + 219 * 0.587, 16 + 219 * 0.114]
    np.testing.assert_allclose(luma(colours)[0], expected, atol=1e-9)
    # 0.499 is 127.245 levels.
    np.testing.assert_allclose(luma(np.full((1, 1, 3), 0.499, np.float32)), 16 + 219 * 127 / 255)


def test_psnr_of_a_known_offset():
    grey = np.full((20, 20, 3), 100 / 255, np.float32)
    # Ten levels of grey are 10 * 219 / 255 of Y.
    expected = 20 * np.log10(255 / (10 * 219 / 255))
    assert psnr(grey + np.float32(10 / 255), grey, 2) == pytest.approx(expected, abs=1e-4)


def test_psnr_is_the_mean_squared_error_of_luma_in_decibels():
    other = noisy(PHOTO, 0.1)
    error = np.mean((luma(other) - luma(PHOTO))[4:-4, 4:-4] ** 2)
    assert psnr(other, PHOTO, 4) == pytest.approx(10 * np.log10(255**2 / error))


def test_equal_images_have_infinite_psnr_and_an_ssim_of_1():
    assert psnr(PHOTO, PHOTO, 2) == np.inf
    assert ssim(PHOTO, PHOTO, 2) == pytest.approx(1, abs=1e-12)


def test_what_8_bits_do_not_hold_is_not_measured():
    levels = np.rint(PHOTO * 255) / 255
    assert psnr((levels + 0.3 / 255).clip(0, 1).astype(np.float32), PHOTO, 2) == np.inf


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_as_many_pixels_as_the_factor_are_left_out_at_each_side(factor):
    frame = PHOTO.copy()
    inside = np.s_[factor:-factor, factor:-factor]
    frame[:] = 0.5
    frame[inside] = PHOTO[inside]
    assert psnr(frame, PHOTO, factor) == np.inf
    assert ssim(frame, PHOTO, factor) == pytest.approx(1, abs=1e-12)
    for corner in (factor, -factor - 1):
        dotted = frame.copy()
        dotted[corner, corner] = 1 - np.rint(dotted[corner, corner])
        assert psnr(dotted, PHOTO, factor) < 100
        assert ssim(dotted, PHOTO, factor) < 1


@pytest.mark.parametrize("other", ["noisy", "inverted"])
def test_ssim_is_wangs_formula(other):
    image = PHOTO[:30, :36]
    other = noisy(image, 0.1) if other == "noisy" else 1 - image
    expected = similarity(luma(other)[4:-4, 4:-4], luma(image)[4:-4, 4:-4])
    assert ssim(other, image, 4) == pytest.approx(expected, abs=1e-9)


def test_ssim_of_a_pattern_and_its_inverse_is_near_minus_1():
    checks = np.float32(np.indices((32, 32)).sum(axis=0) % 2)[..., None].repeat(3, -1)
    grey = 0.5 + 0.4 * (checks - 0.5)
    assert -1 < ssim(1 - grey, grey, 2) < -0.9


def test_both_fall_as_noise_grows():
    copies = [noisy(PHOTO, strength) for strength in (0.01, 0.03, 0.1, 0.3)]
    for measure in (psnr, ssim):
        values = [measure(copy, PHOTO, 2) for copy in copies]
        assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_images_that_cannot_be_compared_are_refused(measure):
    with pytest.raises(UserError, match="cannot be compared"):
        measure(PHOTO, PHOTO[:-1], 2)
    with pytest.raises(UserError, match=r"too small: without 8 pixels at each side"):
        measure(PHOTO[:16], PHOTO[:16], 8)
    with pytest.raises(UserError, match="values from"):
        measure(2 * PHOTO, PHOTO, 2)


@pytest.mark.parametrize(("variable", "factor"), BICUBIC)
def test_bicubic_has_the_fields_figures(variable, factor):
    if variable not in os.environ:
        pytest.skip(f"needs the test set: set {variable} to its directory")
    figures = []
    for path in images.find(os.environ[variable]):
        original = crop_to_multiple(images.read(path).rgb, factor)
        enlarged = resize(bicubic(original, factor), original.shape[:2])
        figures.append((psnr(enlarged, original, factor), ssim(enlarged, original, factor)))
    mean_psnr, mean_ssim = np.mean(figures, axis=0)
    expected_psnr, expected_ssim = BICUBIC[variable, factor]
    assert mean_psnr == pytest.approx(expected_psnr, abs=0.03)
    assert mean_ssim == pytest.approx(expected_ssim, abs=0.003)
