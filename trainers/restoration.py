"""Training of a super-resolution network, per pixel or by features, with Keras `fit`."""

import keras
import numpy as np
from keras import ops

from trainers import critic as critics
from trainers.windows import GRID, shifted_windows
from zoo import lpips
from zoo.bicubic_layers import BicubicDownsampling, BicubicUpsampling
from zoo.losses import feature_reconstruction

PATCH = 32  # pixels, the least side of those of `spectrum_error`
FAINT = 1e-6  # power of a wave of a quarter of a level of 8 bits: nobody sees less
PIXEL_DISTANCES = {"l1": keras.losses.mean_absolute_error, "l2": keras.losses.mean_squared_error}


class RestorationCriterion:
    """How far enlarged images are from their originals, in several terms.

    "pixel" is the mean distance of pixels; each of `layers` the mean squared difference of features
    there (Johnson 2016, equation 2); "lpips" that distance; "spectrum" is `spectrum_error`;
    "consistency" the mean squared difference of the small image and of what the field's bicubic
    makes of the enlarged one; "critic" and "adversarial" are what `trainers.critic.Critic` gives.

    Args:
        factor: of super-resolution.
        pixel_distance: a name of `PIXEL_DISTANCES`, or None for no such term.
        loss_network: a `zoo.vgg.LossNetwork`; None where there is no term of features.
        layers: names such as "relu2_2".
        distance: a `zoo.lpips.LPIPS` of that network, or None for no such term.
        critic: a `Critic`, or None for no such terms.
        has_spectrum: whether there is that term.
        has_consistency: the same.

    Attributes:
        smallest_side: pixels, that originals must have at least.
    """

    def __init__(
        self,
        factor,
        pixel_distance=None,
        loss_network=None,
        layers=(),
        distance=None,
        critic=None,
        has_spectrum=False,
        has_consistency=False,
    ):
        self.factor = factor
        self.critic = critic
        self._pixel_distance = PIXEL_DISTANCES.get(pixel_distance)
        self._layers = layers
        self._distance = distance
        every = {*layers, *(lpips.LAYERS if distance else ()), *(critics.LAYERS if critic else ())}
        self._features = loss_network.features(tuple(sorted(every))) if every else None
        self.smallest_side = 1
        if every:
            least = critics.SMALLEST_SIDE if critic else 1
            self.smallest_side = max(loss_network.smallest_side(tuple(every)), least) + GRID
        self._has_spectrum = has_spectrum
        self._shrink = BicubicDownsampling(factor) if has_consistency else None

    def __call__(self, images, originals, small, step=0):
        """The unweighted terms, {name: float32 scalar}.

        Args:
            images: [N, H, W, 3], of known shape.
            originals: the same.
            small: [N, H / factor, W / factor, 3].
            step: what is no term of pixels sees other windows of the images in each step.
        """
        terms = {}
        if self._pixel_distance:
            terms["pixel"] = ops.mean(self._pixel_distance(originals, images))
        windows, original_windows = (shifted_windows(each, step) for each in (images, originals))
        if self._features:
            terms |= self._of_features(self._features(windows), self._features(original_windows))
        if self._has_spectrum:
            terms["spectrum"] = spectrum_error(windows, original_windows)
        if self._shrink:
            terms["consistency"] = ops.mean(ops.square(self._shrink(images) - small))
        return terms

    def _of_features(self, features, originals):
        terms = {
            layer: feature_reconstruction(features[layer], originals[layer])
            for layer in self._layers
        }
        if self._distance:
            terms["lpips"] = ops.mean(self._distance.of_features(features, originals))
        if self.critic:
            terms["critic"], terms["adversarial"] = self.critic.losses(features, originals)
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


def spectrum_error(images, originals):
    """How far the spectra of enlarged images are from the originals', place by place.

    The images are cut into patches of about `PATCH` pixels. The distance is that of the logarithms
    of the patches' power at each frequency, across and down together, smoothed over the next ones.
    It asks for texture as strong as the original's whatever it looks like in detail, and where
    features alone are content with a cross-hatch along the small image's pixels, it sees a few
    frequencies far too strong and those beside them too weak.

    Args:
        images: [N, H, W, 3], of known shape.
        originals: the same.

    Returns:
        A scalar: the mean absolute difference; 0.7 is a factor of two in power everywhere.
    """
    return ops.mean(ops.abs(_log_power(images) - _log_power(originals)))


def _log_power(images):
    batch, height, width, _ = images.shape
    down, across = (max(1, side // PATCH) for side in (height, width))
    lines, length = height // down, width // across
    brightness = ops.mean(images, axis=-1)[:, : down * lines, : across * length]
    patches = ops.reshape(brightness, (batch, down, lines, across, length))
    patches = ops.reshape(ops.transpose(patches, (0, 1, 3, 2, 4)), (-1, lines, length))
    window = np.outer(np.hanning(lines), np.hanning(length)).astype(np.float32)
    window *= 2 / window.sum()  # so that a wave's power is its squared amplitude
    patches = (patches - ops.mean(patches, axis=(1, 2), keepdims=True)) * window
    real, imaginary = ops.fft2((patches, ops.zeros_like(patches)))
    power = (ops.square(real) + ops.square(imaginary))[..., None]
    return ops.log(ops.average_pool(power, 3, 1) + FAINT)


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
        self.critic = criterion.critic  # is trained as well
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
