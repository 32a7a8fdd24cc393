import numpy as np
import pytest

from zoo.artefacts import (
    artefacts,
    border_error,
    grid_amplitude,
    grid_energy,
    plain_inputs,
    stride_energy,
)


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


def test_energy_at_a_stride_is_that_of_its_waves_alone(picture):
    wave = 0.1 * np.cos(np.pi / 2 * np.arange(picture.shape[0]))
    other = 0.1 * np.cos(np.pi / 3 * np.arange(picture.shape[0]))
    plain = np.full_like(picture, 0.5)
    before = stride_energy(plain, 4)
    assert before < 1e-6
    once, twice = (stride_energy(plain + k * wave[:, None, None], 4) for k in (1, 2))
    assert twice == pytest.approx(4 * once, rel=1e-3)
    assert stride_energy(plain + other[:, None, None], 4) < 0.01 * once


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


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_the_amplitude_is_that_of_a_wave_on_a_plain_area(stride):
    wave = 0.01 * np.cos(2 * np.pi * np.arange(192) / stride)
    image = np.full((192, 192, 3), 0.5) + wave[:, None, None]
    assert grid_amplitude(image, stride) == pytest.approx(2.55, rel=0.01)


def test_a_plain_area_and_a_ramp_have_no_grid():
    inputs = plain_inputs(192)
    assert grid_amplitude(inputs["flat"], 4) == 0
    assert grid_amplitude(inputs["gradient"], 4) < 0.01


def test_the_amplitude_is_found_in_a_picture_too(picture):
    wave = 0.02 * np.cos(np.pi * np.arange(256) / 2)
    before = grid_amplitude(picture, 4)
    assert before < 1
    assert grid_amplitude(picture + wave[None, :, None], 4) == pytest.approx(5.1, abs=0.6)


def test_plain_inputs_are_pictures_of_one_size():
    inputs = plain_inputs(192)
    assert list(inputs) == ["flat", "gradient", "photo"]
    for image in inputs.values():
        assert image.shape == (192, 192, 3)
        assert image.dtype == "float32"
        assert image.min() >= 0
        assert image.max() <= 1


def test_artefacts_of_a_transform_are_in_levels_of_8_bits():
    def marked(image):
        image = image + 0.01 * np.cos(np.pi * np.arange(image.shape[1]) / 2)[:, None]
        image[:4] += 0.5
        return image

    found = artefacts(marked, plain_inputs(192)["flat"])
    assert found.grid == pytest.approx(2.55, rel=0.05)
    assert found.inside == pytest.approx(0, abs=1e-4)
    assert found.outer == pytest.approx(255 * 0.5 * 4 * 192 / (192**2 - 160**2), rel=1e-3)
