import numpy as np
import pytest

from zoo.images import Picture
from zoo.steady import Steadied, flicker, stillness
from zoo.striped import StripedPicture


def restless(picture):
    """Answers noise with ten times as much of it."""
    pixels = (0.5 + 5 * (picture.rgb - 0.5)).clip(0, 1)
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
    return StripedPicture(pixels.shape[:2], pixels.shape[2], iter([pixels]), picture.origin)


@pytest.fixture(scope="module")
def frames():
    """A noisy grey wall, and a white bar that moves over it."""
    noise = np.random.default_rng(0).normal(0, 0.02, (10, 64, 96, 3))
    frames = (0.5 + noise).astype(np.float32)
    for i, frame in enumerate(frames):
        frame[:, 8 * i : 8 * i + 16] = 1
    return frames


def through(transform, frames):
    return [next(iter(transform(Picture(frame)).strips)) for frame in frames]


def test_stillness_tells_motion_from_noise(frames):
    still = stillness(frames[1], frames[0])
    assert still.shape == (64, 96)
    assert still[:, 48:].min() > 0.6
    assert still[:, [2, 20]].max() < 0.01  # where the bar was, and where it comes to
    np.testing.assert_array_equal(stillness(frames[0], frames[0]), 1)


def test_flicker_is_what_changes_where_nothing_moves():
    still = [np.full((32, 32, 3), 0.5, np.float32)] * 3
    outputs = [frame + change for frame, change in zip(still, (0, 0.1, 0), strict=True)]
    assert flicker(outputs, still) == pytest.approx(25.5)
    moving = [np.full((32, 32, 3), grey, np.float32) for grey in (0, 0.5, 1)]
    moving[1][:, 16:] = moving[2][:, 16:] = 0
    assert flicker(moving, moving) < 5  # the left half moves


def test_a_steadied_video_flickers_less_and_does_not_smear(frames):
    plain = through(restless, frames)
    steadied = through(Steadied(restless, 0.8), frames)
    assert flicker(steadied, frames) < 0.4 * flicker(plain, frames)
    for before, after, frame in zip(plain, steadied, frames, strict=True):
        moving = frame.min(axis=-1) == 1
        np.testing.assert_allclose(after[moving], before[moving], atol=0.02)
    np.testing.assert_array_equal(plain[0], steadied[0])


def test_strength_0_changes_nothing(frames):
    plain, steadied = through(restless, frames), through(Steadied(restless, 0.0), frames)
    np.testing.assert_allclose(steadied, plain, atol=1e-6)


def test_a_frame_of_another_size_begins_anew(frames):
    steadied = Steadied(restless, 0.8)
    through(steadied, frames[:3])
    np.testing.assert_array_equal(
        through(steadied, [frames[3][:40]]), through(restless, [frames[3][:40]])
    )


def test_transparency_goes_along(frames):
    alpha = np.linspace(0, 1, 64 * 96, dtype=np.float32).reshape(64, 96)
    steadied = Steadied(restless, 0.8)
    for frame in frames[:2]:
        (pixels,) = steadied(Picture(frame, alpha)).strips
    np.testing.assert_array_equal(pixels[..., 3], alpha)
