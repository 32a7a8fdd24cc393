"""What super-resolution is trained on: crops of photos, and what a degradation leaves of them."""

import numpy as np

from trainers.content import RandomCrops

CANDIDATES = 3  # crops that are looked at for each that is taken


class Pairs(RandomCrops):
    """Batches of degraded crops and the crops themselves, one pair of arrays for each step.

    float32 [batch_size, size / factor, size / factor, 3] and [batch_size, size, size, 3], in
    [0, 1]. As with `RandomCrops` they depend on the seed and the step alone. Of `CANDIDATES` random
    crops of a photo the one with the most detail is taken, see `detail`: flat sky and blurred
    backgrounds teach little, and still appear in photos that have nothing else. Crops are turned
    and mirrored at random, in all eight ways.

    Args:
        photos: a `trainers.content.Photos`.
        batch_size: pairs a step.
        size: side of the crops in pixels, a multiple of the factor.
        steps: number of the last step.
        seed: integer.
        first_step: steps that are done already.
        factor: of super-resolution.
        degrade: one of `zoo.degradations.DEGRADATIONS`.
    """

    def __init__(self, photos, batch_size, size, steps, seed, first_step, factor, degrade):
        super().__init__(photos, batch_size, size, steps, seed, first_step)
        self.factor = factor
        self.degrade = degrade

    def _arguments(self, batch, steps):
        small, originals = batch
        return (small, steps), originals

    def batch(self, step):
        """(degraded, originals) of a step, counted from 0."""
        originals = super().batch(step)
        rng = np.random.default_rng((self.seed, step, 2))
        return np.stack([self.degrade(crop, self.factor, rng) for crop in originals]), originals

    def _crop(self, photo, rng):
        crops = [_random_crop(photo, self.size, rng) for _ in range(CANDIDATES)]
        crop = np.rot90(max(crops, key=detail), rng.integers(4))
        if rng.integers(2):
            crop = crop[:, ::-1]
        return crop.astype(np.float32) / 255


def _random_crop(photo, size, rng):
    top, left = (rng.integers(side - size + 1) for side in photo.shape[:2])
    return photo[top : top + size, left : left + size]


def detail(crop):
    """Mean squared difference of neighbours, across and down, of the green of uint8 [H, W, 3]."""
    green = crop[..., 1].astype(np.float32)
    return float(sum(np.mean(np.square(np.diff(green, axis=axis))) for axis in (0, 1)))
