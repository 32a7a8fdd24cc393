import numpy as np
import pytest
from PIL import Image

from trainers.content import Photos
from trainers.pairs import Pairs, detail
from trainers.sources import FileSource
from zoo import bicubic
from zoo.degradations import DEGRADATIONS


@pytest.fixture(scope="module")
def photos(photo_directory):
    return Photos(FileSource([photo_directory]), 100, smallest=32)


def pairs(photos, degradation="bicubic", factor=4, batch_size=3, size=32, seed=0, first_step=0):
    degrade = DEGRADATIONS[degradation]
    return Pairs(photos, batch_size, size, 9, seed, first_step, factor, degrade)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_pair_is_crops_and_what_bicubic_leaves_of_them(photos, factor):
    (small, _), large = pairs(photos, factor=factor)[0]
    assert small.shape == (3, 32 // factor, 32 // factor, 3)
    assert large.shape == (3, 32, 32, 3)
    assert small.dtype == large.dtype == np.float32
    for degraded, original in zip(small, large, strict=True):
        expected = bicubic.rescale(original, 1 / factor)
        np.testing.assert_allclose(degraded, expected, atol=0.51 / 255)
        np.testing.assert_allclose(degraded * 255, np.rint(degraded * 255), atol=1e-4)


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_a_start_in_the_middle_sees_the_same_pairs(photos, degradation):
    whole = pairs(photos, degradation)
    rest = pairs(photos, degradation, first_step=5)
    assert len(rest) == 4
    for i in range(len(rest)):
        (ours, our_steps), our_originals = rest[i]
        (theirs, their_steps), their_originals = whole[5 + i]
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(our_originals, their_originals)
        assert list(our_steps) == list(their_steps) == [5 + i] * 3
    assert not np.array_equal(theirs, pairs(photos, degradation, seed=1)[8][0][0])


def test_crops_are_turned_and_mirrored_in_all_eight_ways(tmp_path):
    mark = np.zeros((8, 8, 3), np.uint8)
    mark[0, 0] = 250
    mark[0, 1] = 125
    Image.fromarray(mark).save(tmp_path / "mark.png")
    photos = Photos(FileSource([tmp_path]), 8, smallest=8)
    _, crops = pairs(photos, factor=2, batch_size=64, size=8)[0]
    assert len({crop.tobytes() for crop in crops}) == 8


def test_detail_is_the_mean_squared_step_of_the_green():
    ramp = np.zeros((6, 5, 3), np.uint8)
    ramp[..., 1] = 20 * np.arange(6)[:, None] + 7 * np.arange(5)
    assert detail(ramp) == pytest.approx(20**2 + 7**2)
    ramp[..., 1] = 255 - ramp[..., 1]  # no wrap of 8 bits
    assert detail(ramp) == pytest.approx(20**2 + 7**2)


def test_crops_are_of_detail_rather_than_of_flat_sky(tmp_path):
    half = np.full((64, 256, 3), 200, np.uint8)
    half[:, 128:] = np.random.default_rng(0).integers(256, size=(64, 128, 3))
    Image.fromarray(half).save(tmp_path / "half.png")
    photos = Photos(FileSource([tmp_path]), 64, smallest=32)
    _, crops = pairs(photos, batch_size=300)[0]
    flat = np.mean([np.ptp(crop) == 0 for crop in crops])
    one_by_one = 97 / 225  # the share of the places that hold nothing but sky
    assert flat == pytest.approx(one_by_one**3, abs=0.05)
