"""The perceptual loss of both papers: content, style and total variation of an image."""

import keras
from keras import ops

from zoo import losses
from zoo.regions import resize_region

CONTENT_LAYERS = ("relu2_2",)
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


class PerceptualCriterion:
    """How far images are from the content of some and the style of others.

    Args:
        loss_network: a `zoo.vgg.LossNetwork`.
        content_layers: names of the layers whose features are to be kept, or {name: weight}; none
            for a texture.
        style_layers: the same of the layers whose statistics are to be matched; none to invert
            features.
        content_distance: of features [N, h, w, C] and their target, to a scalar.
        style_statistic: of features and, where there are regions, of weights [h, w].
        style_distance: of a statistic and its target, to a scalar.
    """

    def __init__(
        self,
        loss_network,
        content_layers=CONTENT_LAYERS,
        style_layers=STYLE_LAYERS,
        content_distance=losses.feature_reconstruction,
        style_statistic=losses.gram_matrix,
        style_distance=losses.style_reconstruction,
    ):
        self.content_layers = _weighted(content_layers)
        self.style_layers = _weighted(style_layers)
        self.content_distance = content_distance
        self.style_statistic = style_statistic
        self.style_distance = style_distance
        every = tuple(dict.fromkeys((*self.content_layers, *self.style_layers)))
        self._every_feature = _features(loss_network, every)
        # The target's pass stops at the deepest content layer.
        self._content_features = _features(loss_network, self.content_layers)
        self._style_features = _features(loss_network, self.style_layers)

    def content_targets(self, images):
        """Features {layer: [N, h, w, C]} of images [N, H, W, 3] in [0, 1]."""
        return self._content_features(images)

    def style_targets(self, images, region=None):
        """Statistics {layer: NumPy array or arrays} of paintings, averaged over them.

        Args:
            images: [N, H, W, 3] in [0, 1].
            region: weights [H, W] of the paintings' pixels; the whole if None.
        """
        return {
            layer: keras.tree.map_structure(
                lambda value: ops.convert_to_numpy(ops.mean(value, axis=0)),
                self.style_statistic(f, *_at_size_of(f, region)),
            )
            for layer, f in self._style_features(images).items()
        }

    def __call__(self, images, content_targets, style_targets, regions=None):
        """The unweighted terms {"content", "style", "tv"} of images [N, H, W, 3] in [0, 1].

        Content and style are summed over their layers; each is a float32 scalar.

        Args:
            images: a tensor.
            content_targets: what `content_targets` gave.
            style_targets: what `style_targets` gave; a list of it, one for each of `regions`.
            regions: None, or weights [H, W] of the images' pixels that shall have each style.
        """
        features = self._every_feature(images)
        zero = ops.zeros(())
        content = zero + sum(
            weight * self.content_distance(features[layer], content_targets[layer])
            for layer, weight in self.content_layers.items()
        )
        parts = (
            [(None, style_targets)] if regions is None else zip(regions, style_targets, strict=True)
        )
        style = zero + sum(
            weight
            * self.style_distance(
                self.style_statistic(features[layer], *_at_size_of(features[layer], region)),
                targets[layer],
            )
            for region, targets in parts
            for layer, weight in self.style_layers.items()
        )
        return {"content": content, "style": style, "tv": losses.total_variation(images)}


def _weighted(layers):
    return dict(layers) if isinstance(layers, dict) else dict.fromkeys(layers, 1.0)


def _features(loss_network, layers):
    return loss_network.features(tuple(layers)) if layers else lambda images: {}


def _at_size_of(features, region):
    """The statistic's further arguments: none, or the region at the features' size."""
    return () if region is None else (resize_region(region, tuple(features.shape[1:3])),)
