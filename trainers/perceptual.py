"""Training of an image-transformation network under a perceptual loss, with Keras `fit`."""

import keras
import numpy as np
from keras import ops

from trainers.windows import shifted_windows
from zoo.losses import excess, prominence
from zoo.normalization import NORMS

# The stem's norms have sharp edges of the photo at ten standard deviations; those stay.
_FREE_OF_SPIKES = ("residual", "head")
SPIKE = 6.0
# Of all channels together; photos have up to 2.6 where there is no blob, blobs 3.2 and more.
PROMINENT = 2.5


class PerceptualTrainer(keras.Model):
    """Minimises content, style and total variation of `network`'s outputs (Johnson 2016).

    And spikes: under instance norm a network learns to hide a signal in one spot of extreme
    activations, which scales all others down and shows as a dark blob (Karras 2020, StyleGAN2,
    section 2). What normalised features exceed `SPIKE` standard deviations by is made to cost, and
    by what all channels at a place together exceed `PROMINENT` times their mean.

    The loss network sees `trainers.windows.shifted_windows` of the outputs: as long as its grid of
    pooling and the network's of strides always met alike, pictures had clearer lines every four
    pixels (see `zoo.artefacts.grid_energy`).

    Several styles take turns, one a step; the last of a network's is the photo itself, whose
    `weights` leave content and pixels alone.

    `fit` it on (photos, steps), as `trainers.content.RandomCrops` gives them. Its metrics are the
    unweighted terms, beside `loss`.

    Args:
        network: a `zoo.networks.StyleNetwork`.
        criterion: a `zoo.criterion.PerceptualCriterion`.
        style_targets: for each style what the criterion's `style_targets` gave for its painting;
            for the photo's, anything of the same shapes.
        weights: {"content", "style", "tv", "spikes"} and, with several styles, "pixel", each to a
            list of floats, one for each style.
        batch_shape: (N, H, W, 3) of every batch; TensorFlow fuses more where it knows it.
    """

    def __init__(self, network, criterion, style_targets, weights, batch_shape):
        super().__init__()
        self.network = network
        self.critic = None
        self.observed = keras.Model(
            network.inputs, {"image": network.outputs[0], "norms": _norms(network)}
        )
        self.criterion = criterion
        self.style_targets = keras.tree.map_structure(lambda *each: np.stack(each), *style_targets)
        self.weights_of_terms = {
            term: np.asarray(each, np.float32) for term, each in weights.items()
        }
        self.styles = len(style_targets)
        self.batch_shape = batch_shape
        self.trackers = {term: keras.metrics.Mean(name=term) for term in weights}

    def call(self, inputs, training=False):
        photos, steps = inputs
        photos = ops.reshape(photos, self.batch_shape)
        if self.network.styles is None:
            return self.observed(photos, training=training)
        turns = ops.broadcast_to(steps[:1] % self.styles, self.batch_shape[:1])
        return self.observed([photos, ops.one_hot(turns, self.styles)], training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        photos, steps = x
        photos, outputs = (
            shifted_windows(ops.reshape(images, self.batch_shape), steps[0])
            for images in (photos, y_pred["image"])
        )
        style_targets, weights = (
            keras.tree.map_structure(lambda each: ops.take(each, steps[0] % self.styles, 0), every)
            for every in (self.style_targets, self.weights_of_terms)
        )
        content_targets = self.criterion.content_targets(photos)
        terms = self.criterion(outputs, content_targets, style_targets)
        terms["spikes"] = sum(
            excess(features, SPIKE) + excess(prominence(features), PROMINENT)
            for features in y_pred["norms"]
        )
        if "pixel" in weights:
            terms["pixel"] = ops.mean(ops.square(outputs - photos))
        for name, value in terms.items():
            self.trackers[name].update_state(value)
        return sum(weights[name] * value for name, value in terms.items())


def _norms(network):
    return [
        layer.output
        for layer in network.layers
        if isinstance(layer, NORMS) and layer.name.startswith(_FREE_OF_SPIKES)
    ]
