"""A critic: what a network that enlarges images trains against, so that texture looks like texture.

Distances of features are content with a cross-hatch where the texture is not known. What tells it
from the real one is learned here (Goodfellow 2014; for super-resolution Ledig 2017). The critic
sees the loss network's features, which are there anyway, rather than pixels, and so learns in some
hundred steps (Sauer 2021, "Projected GANs converge faster").
"""

import keras
from keras import layers, ops

from zoo.losses import unit_length

WIDTHS = {"relu1_2": 24, "relu2_2": 48, "relu3_3": 48}  # filters of the critic at each layer
LAYERS = tuple(WIDTHS)
SMALLEST_SIDE = 20  # pixels of an image: two 3x3 convolutions at a quarter of the resolution


class Critic(keras.layers.Layer):
    """Scores places of images by features at `LAYERS`: about 1 originals, -1 what was made.

    Args:
        loss_network: the `zoo.vgg.LossNetwork` that the features are of.
    """

    def __init__(self, loss_network):
        super().__init__()
        features = loss_network.features(LAYERS).output
        self.heads = {
            layer: keras.Sequential(
                [
                    keras.Input(features[layer].shape[1:]),
                    layers.Conv2D(width, 3, activation="leaky_relu"),
                    layers.Conv2D(width, 3, activation="leaky_relu"),
                    layers.Conv2D(1, 1, dtype="float32"),
                ],
                name=layer,
            )
            for layer, width in WIDTHS.items()
        }
        self.built = True  # by the inputs above

    def losses(self, features, originals):
        """What the critic minimises, and what is weighed against the other terms.

        Args:
            features: of made images, {layer: [N, h, w, C]}, at least of `LAYERS`.
            originals: of originals.

        Returns:
            Two scalars, each a mean over the layers. The first is least squares (Mao 2017) with no
            gradient to the made images. The second is the mean score of these. It is to be added
            to a loss: by its gradient the critic's scores fall, and what the features are made by
            changes so that they rise.
        """
        critic = score = 0.0
        for layer, head in self.heads.items():
            made, real = (_scaled(f[layer]) for f in (features, originals))
            both = head(ops.concatenate([ops.stop_gradient(made), real]))
            of_made, of_real = ops.split(both, 2)
            critic += ops.mean(ops.square(of_made + 1)) + ops.mean(ops.square(of_real - 1))
            score += ops.mean(head(_against(made)))
        return critic / len(self.heads), score / len(self.heads)


def _scaled(features):
    """Of length 1 at each place, as LPIPS sees them, times what makes each channel's square 1."""
    return unit_length(features) * features.shape[-1] ** 0.5


@ops.custom_gradient
def _against(x):
    """x; the gradient has its sign turned (Ganin 2015, "Unsupervised domain adaptation by ...")."""

    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        return -upstream

    return x, gradient
