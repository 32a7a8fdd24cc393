"""Training of an image-transformation network under a perceptual loss, with Keras `fit`."""

import keras
from keras import ops

from zoo.criterion import TERMS


class PerceptualTrainer(keras.Model):
    """Minimises content, style and total variation of `network`'s outputs (Johnson 2016).

    `fit` it on batches of photos alone. Its metrics are the unweighted terms, beside `loss`.

    Args:
        network: maps [N, H, W, 3] images in [0, 1] to images of the same size and range.
        criterion: a `zoo.criterion.PerceptualCriterion`.
        style_targets: what the criterion's `style_targets` gave for the painting.
        weights: {"content", "style", "tv"} to floats.
        batch_shape: (N, H, W, 3) of every batch; TensorFlow fuses more where it knows it.
    """

    def __init__(self, network, criterion, style_targets, weights, batch_shape):
        super().__init__()
        self.network = network
        self.criterion = criterion
        self.style_targets = style_targets
        self.weights_of_terms = weights
        self.batch_shape = batch_shape
        self.trackers = {term: keras.metrics.Mean(name=term) for term in TERMS}

    def call(self, images, training=False):
        return self.network(ops.reshape(images, self.batch_shape), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        content_targets = self.criterion.content_targets(ops.reshape(x, self.batch_shape))
        terms = self.criterion(y_pred, content_targets, self.style_targets)
        for name, value in terms.items():
            self.trackers[name].update_state(value)
        return sum(self.weights_of_terms[name] * value for name, value in terms.items())
