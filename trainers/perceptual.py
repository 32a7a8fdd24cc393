"""Training of an image-transformation network under a perceptual loss, with Keras `fit`."""

import keras
from keras import ops

from trainers.windows import shifted_windows
from zoo.losses import excess
from zoo.normalization import InstanceNormalization

# The stem's norms have sharp edges of the photo at ten standard deviations; those stay.
_FREE_OF_SPIKES = ("residual", "head")
SPIKE = 6.0


class PerceptualTrainer(keras.Model):
    """Minimises content, style and total variation of `network`'s outputs (Johnson 2016).

    And spikes: under instance norm a network learns to hide a signal in one spot of extreme
    activations, which scales all others down and shows as a dark blob (Karras 2020, StyleGAN2,
    section 2). What normalised features exceed `SPIKE` standard deviations by is made to cost.

    The loss network sees `trainers.windows.shifted_windows` of the outputs: as long as its grid of
    pooling and the network's of strides always met alike, pictures had clearer lines every four
    pixels (see `zoo.artefacts.grid_energy`).

    `fit` it on batches of photos alone. Its metrics are the unweighted terms, beside `loss`.

    Args:
        network: maps [N, H, W, 3] images in [0, 1] to images of the same size and range.
        criterion: a `zoo.criterion.PerceptualCriterion`.
        style_targets: what the criterion's `style_targets` gave for the painting.
        weights: {"content", "style", "tv", "spikes"} to floats.
        batch_shape: (N, H, W, 3) of every batch; TensorFlow fuses more where it knows it.
    """

    def __init__(self, network, criterion, style_targets, weights, batch_shape):
        super().__init__()
        self.network = network
        self.observed = keras.Model(
            network.inputs, {"image": network.outputs[0], "norms": _norms(network)}
        )
        self.criterion = criterion
        self.style_targets = style_targets
        self.weights_of_terms = weights
        self.batch_shape = batch_shape
        self.trackers = {term: keras.metrics.Mean(name=term) for term in weights}

    def call(self, images, training=False):
        return self.observed(ops.reshape(images, self.batch_shape), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        photos, outputs = (
            shifted_windows(ops.reshape(images, self.batch_shape), self.optimizer.iterations)
            for images in (x, y_pred["image"])
        )
        content_targets = self.criterion.content_targets(photos)
        terms = self.criterion(outputs, content_targets, self.style_targets)
        terms["spikes"] = sum(excess(features, SPIKE) for features in y_pred["norms"])
        for name, value in terms.items():
            self.trackers[name].update_state(value)
        return sum(self.weights_of_terms[name] * value for name, value in terms.items())


def _norms(network):
    return [
        layer.output
        for layer in network.layers
        if isinstance(layer, InstanceNormalization) and layer.name.startswith(_FREE_OF_SPIKES)
    ]
