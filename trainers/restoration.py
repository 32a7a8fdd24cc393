"""Training of a super-resolution network, per pixel or by features, with Keras `fit`."""

import keras
import numpy as np
from keras import ops

from trainers.windows import shifted_windows
from zoo.artefacts import NEIGHBOURS
from zoo.bicubic_layers import BicubicDownsampling, BicubicUpsampling
from zoo.losses import feature_direction, feature_reconstruction

FEATURE_DISTANCES = {"squared": feature_reconstruction, "direction": feature_direction}
PATCH = 32  # pixels, the least side of those of `grid_error`
FAINT = 1e-5  # power of a wave of a tenth of a level of 8 bits in such a patch: nobody sees less
PIXEL_DISTANCES = {"l1": keras.losses.mean_absolute_error, "l2": keras.losses.mean_squared_error}


class RestorationCriterion:
    """How far enlarged images are from their originals, in several terms.

    "pixel" is the mean distance of pixels; each of `layers` that of features there; "consistency"
    the mean squared difference of the small image and of what the field's bicubic makes of the
    enlarged one; "grid" is `grid_error`.

    Args:
        factor: of super-resolution.
        pixel_distance: a name of `PIXEL_DISTANCES`, or None for no such term.
        loss_network: a `zoo.vgg.LossNetwork`; None where there are no layers.
        layers: names such as "relu2_2".
        feature_distance: a name of `FEATURE_DISTANCES`; "squared" is the feature reconstruction
            loss (Johnson 2016, equation 2).
        has_consistency: whether there is that term.
        has_grid: the same.
    """

    def __init__(
        self,
        factor,
        pixel_distance,
        loss_network,
        layers,
        feature_distance="squared",
        has_consistency=False,
        has_grid=False,
    ):
        self.factor = factor
        self._pixel_distance = PIXEL_DISTANCES.get(pixel_distance)
        self._feature_distance = FEATURE_DISTANCES[feature_distance]
        self._features = loss_network.features(tuple(layers)) if layers else None
        self._shrink = BicubicDownsampling(factor) if has_consistency else None
        self._has_grid = has_grid

    def __call__(self, images, originals, small, step=0):
        """The unweighted terms, {name: float32 scalar}.

        Args:
            images: [N, H, W, 3], of known shape.
            originals: the same.
            small: [N, H / factor, W / factor, 3].
            step: the loss network sees other windows of the images in each step.
        """
        terms = {}
        if self._pixel_distance:
            terms["pixel"] = ops.mean(self._pixel_distance(originals, images))
        if self._features:
            targets, features = (
                self._features(shifted_windows(each, step)) for each in (originals, images)
            )
            for layer, target in targets.items():
                terms[layer] = self._feature_distance(features[layer], target)
        if self._shrink:
            terms["consistency"] = ops.mean(ops.square(self._shrink(images) - small))
        if self._has_grid:
            terms["grid"] = grid_error(images, originals, self.factor)
        return terms

    def of_bicubic(self, pairs):
        """The terms of plain bicubic, {name: float}.

        Args:
            pairs: (small, originals) as the criterion takes them, several in a list.
        """
        enlarge = BicubicUpsampling(self.factor)
        every = [
            self(enlarge(small), ops.convert_to_tensor(large), small) for small, large in pairs
        ]
        return {
            name: float(ops.convert_to_numpy(sum(terms[name] for terms in every) / len(every)))
            for name in every[0]
        }


def grid_error(images, originals, factor):
    """How much the error of enlarged images stands out at the frequencies of the small pixels.

    The images are cut into patches. Of each the spectra of the error's rows, of its columns too:
    the power at each multiple of 1 / factor over that beside it, and of the logarithm what is above
    0, squared. Where features are all that counts, a network that knows the grid draws textures
    along it, which show as a cross-hatch; so each patch counts alike, plain ones too.

    Args:
        images: [N, H, W, 3], of known shape, sides multiples of the factor.
        originals: the same.
        factor: of super-resolution.

    Returns:
        A scalar: the mean over patches, frequencies and both directions. Noise has 0.1 or less.
    """
    error = ops.mean(images - originals, axis=-1)
    return (_of_rows(error, factor) + _of_rows(ops.transpose(error, (0, 2, 1)), factor)) / 2


def _of_rows(error, factor):
    batch, height, width = error.shape
    down, across = (max(1, side // PATCH) for side in (height, width))
    lines, length = height // down, width // across // factor * factor
    error = error[:, : down * lines, : across * length]
    rows = ops.reshape(error, (batch, down, lines, across, length))
    real, imaginary = ops.rfft(rows * np.hanning(length).astype(np.float32))
    power = ops.mean(ops.square(real) + ops.square(imaginary), axis=2)
    excesses = []
    for harmonic in range(1, factor // 2 + 1):
        at = harmonic * length // factor
        near = [b for n in NEIGHBOURS for b in (at - n, at + n) if 0 < b < length // 2 + 1]
        beside = [b for b in near if b * factor % length]  # not another of the multiples
        mean = ops.mean(ops.take(power, beside, axis=-1), axis=-1)
        ratio = (power[..., at] + FAINT) / (mean + FAINT)
        excesses.append(ops.mean(ops.square(ops.relu(ops.log(ratio)))))
    return sum(excesses) / len(excesses)


class RestorationTrainer(keras.Model):
    """Minimises the weighted terms of a criterion of what `network` makes of small images.

    `fit` it on ((small images, steps), originals), as `trainers.pairs.Pairs` gives them. Its
    metrics are the unweighted terms, beside `loss`.

    Args:
        network: maps [N, h, w, 3] images in [0, 1] to larger ones.
        criterion: a `RestorationCriterion`.
        weights: {term: float}, of all its terms.
        small_shape: (N, h, w, 3) of every batch; TensorFlow fuses more where it knows it.
    """

    def __init__(self, network, criterion, weights, small_shape):
        super().__init__()
        self.network = network
        self.criterion = criterion
        self.weights_of_terms = weights
        self.small_shape = small_shape
        factor = criterion.factor
        self.large_shape = (small_shape[0], *(factor * side for side in small_shape[1:3]), 3)
        self.trackers = {term: keras.metrics.Mean(name=term) for term in weights}

    def call(self, inputs, training=False):
        small, _ = inputs
        return self.network(ops.reshape(small, self.small_shape), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        small, steps = x
        terms = self.criterion(
            ops.reshape(y_pred, self.large_shape),
            ops.reshape(y, self.large_shape),
            ops.reshape(small, self.small_shape),
            steps[0],
        )
        for name, value in terms.items():
            self.trackers[name].update_state(value)
        return sum(self.weights_of_terms[name] * value for name, value in terms.items())
