import numpy as np
import pytest

from benchmarks import flicker
from benchmarks.large_pictures import compare, large_picture
from zoo import bicubic
from zoo.striped import of


class Bicubic:
    """Super-resolution that looks 2 pixels far, and may say less."""

    name, factor, has_tile, max_pixels = "bicubic", 2, False, 4096**2

    def __init__(self, receptive_field):
        self.receptive_field = receptive_field

    def image(self, image):
        return bicubic.rescale(image, 2)


def test_the_large_picture_is_the_photo_without_edges_between_copies():
    picture = large_picture(900)
    assert picture.shape == (900, 900, 3)
    np.testing.assert_array_equal(picture[399], picture[400])
    np.testing.assert_array_equal(picture[:, 599], picture[:, 600])


def test_tiles_that_fit_have_no_seams_and_others_do():
    psnr, seams = compare(Bicubic(2), 300, 100)
    assert psnr > 100
    assert seams == pytest.approx(1, abs=1e-3)
    psnr, seams = compare(Bicubic(0), 300, 100)
    assert psnr < 60
    assert seams > 1.01


def test_a_video_of_noise_flickers_and_less_when_steadied():
    video = flicker.noisy_video(4)
    assert video.shape == (4, 192, 256, 3)
    levels, difference, outputs = flicker.measure(of, video)
    assert 255 * 0.01 < levels < 255 * 0.04
    assert difference == 0
    steadied, difference, _ = flicker.measure(flicker.Steadied(of, 0.8), video, outputs)
    assert steadied < 0.6 * levels
    assert difference < 2
