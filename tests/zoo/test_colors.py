import colorsys
import sys

import numpy as np
import pytest

from zoo.colors import LEAST_VARIANCE, keep_luminance, match_covariance, match_histogram
from zoo.errors import UserError


@pytest.fixture(scope="module")
def image(photo):
    return np.float32(photo / 255)


@pytest.fixture
def reference():
    """Colours near the middle, so that nothing clips, with channels that go together."""
    mix = np.array([[0.05, 0.02, 0], [0.02, 0.04, -0.03], [0, 0.01, 0.02]])
    noise = np.random.default_rng(0).standard_normal((50, 70, 3)).clip(-3, 3)
    return np.float32([0.5, 0.45, 0.55] + noise @ mix)


def grey(image):
    return np.repeat(image[..., :1], 3, axis=-1)


def constant(colour, size=(40, 30)):
    return np.broadcast_to(np.float32(colour), (*size, 3))


def yiq(image):
    """By the standard library, whose coefficients are FCC NTSC's to two digits."""
    return np.array([colorsys.rgb_to_yiq(*pixel) for pixel in image.reshape(-1, 3).tolist()])


def moments(image):
    pixels = image.reshape(-1, 3).astype(np.float64)
    mean = pixels.sum(0) / len(pixels)
    return mean, (pixels - mean).T @ (pixels - mean) / len(pixels)


def assert_picture(result, shape):
    assert result.dtype == np.float32
    assert result.shape == shape
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


# --- Luminance of the one, chroma of the other


def test_luminance_is_the_stylised_image_s_and_chroma_the_photo_s(image):
    photo = 0.25 + image[:30, :40] / 2
    stylized = 0.3 + image[60:90, 60:100, ::-1] / 3
    result = keep_luminance(stylized, photo)
    assert_picture(result, photo.shape)
    assert 0 < result.min() < result.max() < 1
    np.testing.assert_allclose(yiq(result)[:, 0], yiq(stylized)[:, 0], atol=0.002)
    np.testing.assert_allclose(yiq(result)[:, 1:], yiq(photo)[:, 1:], atol=1e-6)
    assert np.abs(yiq(stylized)[:, 1:] - yiq(photo)[:, 1:]).max() > 0.02


def test_luminance_weighs_the_primaries_as_yiq_does():
    for channel, weight in enumerate([0.299, 0.587, 0.114]):
        stylized = constant(0.3 * np.eye(3)[channel])
        np.testing.assert_allclose(keep_luminance(stylized, constant(0)), 0.3 * weight, rtol=1e-6)


def test_a_photo_stylised_into_itself_keeps_every_value(image):
    np.testing.assert_array_equal(keep_luminance(image, image), image)


def test_a_grey_photo_gives_the_stylised_image_s_grey(image):
    result = keep_luminance(image, constant(0.5, image.shape[:2]))
    np.testing.assert_allclose(result, np.repeat(image @ [[0.299], [0.587], [0.114]], 3, -1), 1e-5)


def test_colours_outside_the_range_are_clipped():
    red, white = constant([1, 0, 0]), constant(1)
    np.testing.assert_allclose(keep_luminance(white, red), constant([1, 0.701, 0.701]), rtol=1e-6)
    np.testing.assert_allclose(keep_luminance(1 - white, red), constant([0.701, 0, 0]), rtol=1e-6)


def test_luminance_of_another_size_is_refused_with_both_sizes(image):
    with pytest.raises(
        UserError, match="stylised image has 80 x 60 pixels and the photo 320 x 240"
    ):
        keep_luminance(image[:60, :80], image)


# --- Mean and covariance


def test_the_moments_become_the_reference_s(image, reference):
    result = match_covariance(image, reference)
    assert_picture(result, image.shape)
    inside = (result > 0) & (result < 1)
    assert inside.all()
    for found, wanted in zip(moments(result), moments(reference), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_independent_channels_are_only_scaled_and_shifted():
    # Two levels in each channel, all eight combinations: covariances are diagonal.
    corners = np.float32(np.indices((2, 2, 2)).reshape(3, 2, 4).transpose(1, 2, 0))
    image = 0.4 + 0.2 * corners
    wanted = [0.1, 0.2, 0.3] + corners * [0.6, 0.4, 0.1]
    np.testing.assert_allclose(match_covariance(image, np.float32(wanted)), wanted, atol=1e-6)


def test_an_image_matched_to_itself_or_its_mirror_image_stays(image):
    np.testing.assert_allclose(match_covariance(image, image), image, atol=1e-6)
    np.testing.assert_allclose(match_covariance(image, image[:, ::-1]), image, atol=1e-6)


def test_what_leaves_the_range_is_clipped(image):
    black_and_white = np.zeros((2, 2, 3), np.float32)
    black_and_white[0] = 1
    result = match_covariance(image, black_and_white)
    assert_picture(result, image.shape)
    assert (result == 0).any()
    assert (result == 1).any()


def test_a_grey_image_gets_shades_along_one_line_of_the_reference_s_colours(image, reference):
    result = match_covariance(grey(image), reference)
    assert_picture(result, image.shape)
    mean, covariance = moments(result)
    wanted, reference_covariance = moments(reference)
    np.testing.assert_allclose(mean, wanted, atol=1e-6)
    variances = np.linalg.eigvalsh(covariance)
    assert variances[1] < 1e-12
    # Of the reference's square root R only the column along grey, R g, is seen: R g (R g)^T.
    grey_axis = np.ones(3) / np.sqrt(3)
    np.testing.assert_allclose(variances[2], grey_axis @ reference_covariance @ grey_axis, 1e-4)


def test_a_grey_reference_gives_a_grey_image(image):
    result = match_covariance(image, 0.4 + grey(image) / 5)
    np.testing.assert_allclose(result, grey(result), atol=1e-6)
    assert result.std() > 0.02


@pytest.mark.parametrize("size", [(1, 1), (40, 30)])
def test_a_constant_image_becomes_the_reference_s_mean_colour(reference, size):
    result = match_covariance(constant([0.9, 0.1, 0.3], size), reference)
    np.testing.assert_allclose(result, constant(moments(reference)[0], size), atol=1e-6)


def test_a_constant_reference_gives_its_colour(image):
    result = match_covariance(image, constant([0.9, 0.1, 0.3]))
    np.testing.assert_allclose(result, constant([0.9, 0.1, 0.3], image.shape[:2]), atol=1e-6)


def test_noise_of_rounding_is_not_stretched_into_colours(image, reference):
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, image.shape) / 255
    faint = noise.var() / LEAST_VARIANCE
    assert 0.05 < faint < 0.2
    result = match_covariance(np.float32(grey(image) + noise), reference)
    chroma = np.linalg.eigvalsh(moments(result)[1])[:2]
    assert (chroma <= faint * np.linalg.eigvalsh(moments(reference)[1])[1:]).all()


# --- Histograms


def test_channels_get_the_reference_s_histograms(image, reference):
    wanted = reference[:48, :64]
    shuffled = np.random.default_rng(2).permutation(wanted.reshape(-1, 3) ** 2).reshape(48, 64, 3)
    result = match_histogram(np.float32(shuffled), wanted)
    assert_picture(result, shuffled.shape)
    for channel in range(3):
        np.testing.assert_allclose(
            np.sort(result[..., channel], axis=None),
            np.sort(wanted[..., channel], axis=None),
            atol=1e-6,
        )


def test_the_order_of_values_is_kept_and_sizes_may_differ(image, reference):
    result = match_histogram(image, reference)
    assert_picture(result, image.shape)
    for channel in range(3):
        order = np.argsort(image[..., channel], axis=None)
        assert (np.diff(result[..., channel].ravel()[order]) >= 0).all()
        assert reference[..., channel].min() <= result[..., channel].min()
        assert result[..., channel].max() <= reference[..., channel].max()
    np.testing.assert_allclose(moments(result)[0], moments(reference)[0], atol=0.01)


def test_an_image_matched_to_its_own_histogram_stays(image):
    np.testing.assert_allclose(match_histogram(image, image[::-1]), image, atol=1e-6)


def test_a_constant_image_becomes_the_reference_s_maxima(reference):
    result = match_histogram(constant([0.9, 0.1, 0.3]), reference)
    np.testing.assert_allclose(result, constant(reference.max((0, 1))))


def test_scikit_image_is_imported_only_for_histograms(monkeypatch, image, reference):
    monkeypatch.setitem(sys.modules, "skimage.exposure", None)
    keep_luminance(image, image)
    match_covariance(image, reference)
    with pytest.raises(ImportError):
        match_histogram(image, reference)
