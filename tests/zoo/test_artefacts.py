import numpy as np
import pytest

from zoo.artefacts import border_error, grid_energy


@pytest.fixture
def picture():
    """Smooth random structure, as a photo has it: amplitudes 1 / f."""
    rng = np.random.default_rng(0)
    f = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)) + 1 / 256
    spectrum = np.fft.rfft2(rng.standard_normal((256, 256))) / f
    values = np.fft.irfft2(spectrum)
    values = (values - values.min()) / np.ptp(values)
    return np.repeat(values[..., None], 3, axis=-1)


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_without_a_grid_the_energy_is_about_1(picture, stride):
    assert 0.5 < grid_energy(picture, stride) < 3


@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_grid_stands_out_along_either_axis(picture, stride, axis):
    line = (np.arange(256) % stride == 0) * 0.1
    grid = line[:, None, None] if axis == 0 else line[None, :, None]
    assert grid_energy(picture + grid, stride) > 5


def test_a_grid_of_another_stride_does_not_count(picture):
    line = (np.arange(256) % 7 == 0) * 0.05
    assert grid_energy(picture + line[:, None, None], 4) < 3


def test_a_stronger_grid_has_more_energy(picture):
    line = (np.arange(256) % 4 == 0)[:, None, None]
    assert grid_energy(picture + 0.2 * line, 4) > 2 * grid_energy(picture + 0.1 * line, 4)


def test_a_transform_that_reflects_has_no_border_error(picture):
    def blurred(image):
        padded = np.pad(image, [(1, 1), (1, 1), (0, 0)], mode="reflect")
        return (padded[:-2, 1:-1] + padded[2:, 1:-1]) / 2

    outer, inner = border_error(blurred, picture)
    assert outer == pytest.approx(0, abs=1e-12)
    assert inner == pytest.approx(0, abs=1e-12)


def test_a_frame_is_measured_where_it_is(picture):
    def framed(image):
        image = image.copy()
        image[:4] += 0.5
        return image

    outer, inner = border_error(framed, picture)
    assert inner == 0
    assert outer == pytest.approx(0.5 * 4 * 256 / (256**2 - 224**2))
