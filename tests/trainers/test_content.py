import logging
import re

import numpy as np
import pytest
import skimage.data
from PIL import Image

from trainers.content import Photos, RandomCrops
from trainers.sources import FileSource
from zoo import images
from zoo.errors import UserError


class CountingSource(FileSource):
    """Counts how often each photo is decoded."""

    def __init__(self, paths):
        super().__init__(paths)
        self.reads = [0] * len(self)

    def read(self, index, short_side):
        self.reads[index] += 1
        return super().read(index, short_side)


@pytest.fixture
def source(photo_directory):
    return CountingSource([photo_directory])


def with_broken_files(photo_directory, directory, readable, broken):
    """A directory of `readable` copies of a photo and `broken` truncated ones, sorted last."""
    data = (photo_directory / "0.jpg").read_bytes()
    for i in range(readable):
        (directory / f"a{i:02}.jpg").write_bytes(data)
    for i in range(broken):
        (directory / f"b{i:02}.jpg").write_bytes(data[: len(data) // 2])
    return FileSource([directory])


# --- Photos ---


def test_a_photo_is_decoded_once(source):
    photos = Photos(source, 40)
    first, again = photos[3], photos[3]
    assert source.reads == [0, 0, 0, 1, 0, 0, 0, 0]
    np.testing.assert_array_equal(first, again)


def test_the_cache_holds_no_more_bytes_than_it_may(source):
    sizes = [Photos(source, 40)[i].nbytes for i in range(len(source))]
    source.reads = [0] * len(source)
    photos = Photos(source, 40, cache_bytes=sum(sizes[:3]) + 10)
    for _ in range(2):
        for i in range(len(photos)):
            photos[i]
    assert source.reads == [1, 1, 1, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("short_side", [24, 60, 100])
def test_photos_come_with_the_short_side_asked_for_and_their_aspect_ratio(source, short_side):
    photo = Photos(source, short_side)[7]  # 60 x 77
    assert photo.shape == (short_side, round(short_side * 77 / 60), 3)
    assert photo.dtype == np.uint8


def test_a_photo_at_its_own_size_keeps_its_pixels(source, photo_directory):
    decoded = images.read(photo_directory / "2.jpg").rgb
    np.testing.assert_array_equal(Photos(source, 60)[2], np.round(decoded * 255))


def test_photos_large_enough_can_be_left_at_their_size(source):
    photos = Photos(source, 100, smallest=50)  # all are 60 pixels high
    assert [photo.shape for photo in map(photos.__getitem__, range(8))] == [
        (60, 70 + i, 3) for i in range(8)
    ]
    assert Photos(source, 55, smallest=50)[0].shape == (55, 64, 3)


def test_photos_too_small_to_be_left_at_their_size_are_left_out(source):
    photos = Photos(source, 100, smallest=61, tolerated=1)
    with pytest.raises(UserError, match="none of the 8 content images"):
        photos[0]
    assert photos.unreadable[0].endswith("0.jpg is 70 x 60 pixels, less than 61")


def test_an_unreadable_photo_is_named_counted_and_replaced(photo_directory, tmp_path, caplog):
    source = with_broken_files(photo_directory, tmp_path, readable=10, broken=1)
    photos = Photos(source, 40)
    with caplog.at_level(logging.WARNING, logger="absl"):
        replaced = photos[10]
    np.testing.assert_array_equal(replaced, photos[0])
    photos[10]
    assert list(photos.unreadable) == [10]
    assert [record.getMessage() for record in caplog.records] == [
        f"skipped content image 1: {photos.unreadable[10]}"
    ]
    assert str(tmp_path / "b00.jpg") in photos.unreadable[10]


def test_more_than_one_unreadable_photo_in_ten_ends_the_training(photo_directory, tmp_path):
    photos = Photos(with_broken_files(photo_directory, tmp_path, readable=18, broken=3), 40)
    with pytest.raises(UserError, match=r"3 of 21 content images.*more than 10%.*b02\.jpg"):
        [photos[i] for i in range(21)]


def test_one_unreadable_photo_in_ten_does_not(photo_directory, tmp_path):
    photos = Photos(with_broken_files(photo_directory, tmp_path, readable=18, broken=2), 40)
    assert [photos[i].shape for i in range(20)] == [photos[0].shape] * 20


def test_photos_that_are_all_unreadable_are_refused(photo_directory, tmp_path):
    source = with_broken_files(photo_directory, tmp_path, readable=0, broken=3)
    with pytest.raises(UserError, match="1 of 3 content images"):
        Photos(source, 40)[0]
    with pytest.raises(UserError, match="none of the 3 content images"):
        Photos(source, 40, tolerated=1)[0]


# --- RandomCrops ---


@pytest.fixture(scope="module")
def photos(photo_directory):
    return Photos(FileSource([photo_directory]), 40)


def test_a_batch_is_square_crops_in_the_unit_range(photos):
    batches = RandomCrops(photos, batch_size=3, size=32, steps=7, seed=0)
    ((batch, _),) = batches[0]
    assert len(batches) == 7
    assert batch.shape == (3, 32, 32, 3)
    assert batch.dtype == np.float32
    assert batch.min() >= 0
    assert 0.5 < batch.max() <= 1


def test_a_batch_depends_on_the_seed_and_the_step_alone(photo_directory, photos):
    batch = RandomCrops(photos, 3, 32, 100, seed=5).batch(17)
    photos_of_another_start = Photos(FileSource([photo_directory]), 40, cache_bytes=0)
    again = RandomCrops(photos_of_another_start, 3, 32, 20, seed=5).batch(17)
    np.testing.assert_array_equal(batch, again)
    assert not np.array_equal(batch, RandomCrops(photos, 3, 32, 100, seed=6).batch(17))
    assert not np.array_equal(batch, RandomCrops(photos, 3, 32, 100, seed=5).batch(18))


def test_a_start_in_the_middle_sees_the_same_batches(photos):
    whole = RandomCrops(photos, 3, 32, 20, seed=0)
    rest = RandomCrops(photos, 3, 32, 20, seed=0, first_step=13)
    assert len(rest) == 7
    for i in range(len(rest)):
        for ours, theirs in zip(rest[i][0], whole[13 + i][0], strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert list(rest[i][0][1]) == [13 + i] * 3


def test_each_epoch_visits_every_photo_once_in_an_order_of_its_own(tmp_path):
    greys = [20 * i for i in range(12)]
    for grey in greys:
        Image.new("L", (40, 50), grey).save(tmp_path / f"{grey:03}.png")
    batches = RandomCrops(Photos(FileSource([tmp_path]), 36), 5, 32, steps=12, seed=0)
    seen = np.concatenate([batches.batch(step).mean(axis=(1, 2, 3)) for step in range(12)])
    epochs = np.rint(seen * 255).astype(int).reshape(5, 12).tolist()
    assert [sorted(epoch) for epoch in epochs] == [greys] * 5
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_crops_come_from_all_over_the_photo_some_of_them_mirrored(tmp_path):
    # Red grows to the right and green to the bottom, so a crop tells where it was.
    across, down = np.meshgrid(np.arange(64), np.arange(64))
    ramp = np.stack([4 * across, 4 * down, 0 * across], axis=-1).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    batches = RandomCrops(Photos(FileSource([tmp_path]), 64), 8, 32, steps=8, seed=0)
    crops = np.concatenate([batches.batch(step) for step in range(8)]) * 255 / 4
    mirrored = crops[:, 0, 0, 0] > crops[:, 0, -1, 0]
    assert 16 < mirrored.sum() < 48
    for corner in (crops[..., 0].min(axis=(1, 2)), crops[..., 1].min(axis=(1, 2))):
        assert corner.min() < 4
        assert corner.max() > 28  # of 0 to 32
    upright = np.where(mirrored[:, None, None, None], crops[:, :, ::-1], crops)
    assert (np.diff(upright[..., 1], axis=1) > 0).all()  # never upside down


def test_photos_smaller_than_the_crop_are_enlarged(tmp_path):
    Image.fromarray(skimage.data.chelsea()[100:110, 100:112]).save(tmp_path / "tiny.png")
    photos = Photos(FileSource([tmp_path]), 37)
    batch = RandomCrops(photos, 2, 32, steps=1, seed=0).batch(0)
    assert photos[0].shape == (37, 44, 3)
    assert batch.shape == (2, 32, 32, 3)


def test_an_error_of_the_photos_is_kept_for_the_trainer(photo_directory, tmp_path):
    source = with_broken_files(photo_directory, tmp_path, readable=0, broken=2)
    batches = RandomCrops(Photos(source, 40), 2, 32, steps=1, seed=0)
    with pytest.raises(UserError) as failure:
        batches[0]
    assert batches.error is failure.value
    assert re.search("content images cannot be read", str(batches.error))
