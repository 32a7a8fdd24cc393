"""Content photos for training: decoded once, kept in memory while they fit, cropped at random."""

import functools
import os
import threading

import keras
import numpy as np
from absl import logging

from zoo import images
from zoo.errors import UserError


def available_memory():
    """Bytes of memory that the machine has free."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class Photos:
    """Random access to the photos of a source, at one short side.

    A photo that cannot be read is named in the log, counted, and replaced by the next that can.

    Args:
        source: see `trainers.sources`.
        short_side: pixels; photos are resized to it, up or down.
        smallest: None, or pixels: photos of a short side between this and `short_side` then stay as
            they are, and smaller ones are left out as if they could not be read.
        cache_bytes: photos are kept decoded up to this much; half of the free memory by default.
        tolerated: largest share of unreadable photos.
    """

    def __init__(self, source, short_side, cache_bytes=None, tolerated=0.1, smallest=None):
        self.source = source
        self.short_side = short_side
        self.smallest = smallest
        self.tolerated = tolerated
        self.unreadable = {}
        self._room = available_memory() // 2 if cache_bytes is None else cache_bytes
        self._cache = {}
        self._lock = threading.Lock()

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        """uint8 [H, W, 3], the smaller of H, W `short_side` or what `smallest` allows.

        Raises:
            UserError: too many photos could not be read.
        """
        for candidate in range(index, index + len(self)):
            photo = self._photo(candidate % len(self))
            if photo is not None:
                return photo
        raise UserError(f"none of the {len(self)} content images can be read")

    def _photo(self, index):
        if index in self._cache:
            return self._cache[index]
        if index in self.unreadable:
            return None
        try:
            rgb = self._fitted(self.source.read(index, self.short_side), index)
        except images.ImageError as error:
            self._skip(index, error)
            return None
        photo = np.round(rgb * 255).astype(np.uint8)
        with self._lock:
            if photo.nbytes <= self._room:
                self._room -= photo.nbytes
                self._cache[index] = photo
        return photo

    def _fitted(self, rgb, index):
        height, width = rgb.shape[:2]
        if self.smallest is None or min(height, width) > self.short_side:
            return images.resize_short_side(rgb, self.short_side)
        if min(height, width) < self.smallest:
            raise images.ImageError(
                f"{self.source.name(index)} is {width} x {height} pixels, less than {self.smallest}"
            )
        return rgb

    def _skip(self, index, error):
        self.unreadable[index] = str(error)
        logging.warning("skipped content image %d: %s", len(self.unreadable), error)
        if len(self.unreadable) > self.tolerated * len(self):
            raise UserError(
                f"{len(self.unreadable)} of {len(self)} content images cannot be read, more than "
                f"{self.tolerated:.0%}; the last: {error}"
            )


@functools.lru_cache(maxsize=2)
def _order(count, seed, epoch):
    return np.random.default_rng((seed, epoch)).permutation(count)


class RandomCrops(keras.utils.PyDataset):
    """Batches of square crops, float32 [batch_size, size, size, 3] in [0, 1], one for each step.

    Batch number `i` depends on the seed and `first_step + i` alone, so that training goes on
    after a stop with the very batches that it would have seen. Each epoch over the photos is in
    an order of its own; crops are mirrored at random.

    Args:
        photos: a `Photos`.
        batch_size: images a step.
        size: side of the crops in pixels, at most the photos' short side.
        steps: number of the last step.
        seed: integer.
        first_step: steps that are done already.
    """

    def __init__(self, photos, batch_size, size, steps, seed, first_step=0):
        super().__init__(workers=1)
        self.photos = photos
        self.batch_size = batch_size
        self.size = size
        self.steps = steps
        self.seed = seed
        self.first_step = first_step
        self.error = None

    def __len__(self):
        return self.steps - self.first_step

    def __getitem__(self, index):
        try:
            step = self.first_step + index
            return self._arguments(self.batch(step), np.full(self.batch_size, step, np.int32))
        except UserError as error:
            self.error = error  # Keras wraps what is raised here beyond recognition
            raise

    def _arguments(self, batch, steps):
        """What Keras' `fit` wants: inputs alone, or with targets.

        Among the inputs is the step, a number for each image: what a trainer does in turn goes on
        where it stopped, whatever the backend.
        """
        return ((batch, steps),)

    def batch(self, step):
        """The batch of a step, counted from 0."""
        rng = np.random.default_rng((self.seed, step, 1))
        positions = range(step * self.batch_size, (step + 1) * self.batch_size)
        return np.stack([self._crop(self.photos[self._photo(p)], rng) for p in positions])

    def _photo(self, position):
        epoch, place = divmod(position, len(self.photos))
        return int(_order(len(self.photos), self.seed, epoch)[place])

    def _crop(self, photo, rng):
        top, left = (rng.integers(side - self.size + 1) for side in photo.shape[:2])
        crop = photo[top : top + self.size, left : left + self.size]
        if rng.integers(2):
            crop = crop[:, ::-1]
        return crop.astype(np.float32) / 255
