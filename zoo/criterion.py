"""The perceptual loss of Johnson 2016: content, style and total variation of an image."""

import keras
from keras import ops

from zoo.losses import feature_reconstruction, gram_matrix, style_reconstruction, total_variation

CONTENT_LAYERS = ("relu2_2",)
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


class PerceptualCriterion:
    """How far images are from the content of some and the style of others.

    Args:
        loss_network: a `zoo.vgg.LossNetwork`.
        content_layers: names of the layers whose features are to be kept.
        style_layers: names of the layers whose Gram matrices are to be matched.
    """

    def __init__(self, loss_network, content_layers=CONTENT_LAYERS, style_layers=STYLE_LAYERS):
        self.content_layers = tuple(content_layers)
        self.style_layers = tuple(style_layers)
        every = tuple(dict.fromkeys(self.content_layers + self.style_layers))
        self._every_feature = loss_network.features(every)
        # The target's pass stops at the deepest content layer.
        self._content_features = loss_network.features(self.content_layers)
        self._style_features = loss_network.features(self.style_layers)

    def content_targets(self, images):
        """Features {layer: [N, h, w, C]} of images [N, H, W, 3] in [0, 1]."""
        return self._content_features(images)

    def style_targets(self, images):
        """Gram matrices {layer: float32 [C, C]} of paintings [N, H, W, 3], averaged over them."""
        features = self._style_features(images)
        grams = {layer: ops.mean(gram_matrix(f), axis=0) for layer, f in features.items()}
        return {layer: keras.ops.convert_to_numpy(gram) for layer, gram in grams.items()}

    def __call__(self, images, content_targets, style_targets):
        """The unweighted terms {"content", "style", "tv"} of images [N, H, W, 3] in [0, 1].

        Content and style are summed over their layers; each is a float32 scalar.
        """
        features = self._every_feature(images)
        content = sum(
            feature_reconstruction(features[layer], content_targets[layer])
            for layer in self.content_layers
        )
        style = sum(
            style_reconstruction(gram_matrix(features[layer]), style_targets[layer])
            for layer in self.style_layers
        )
        return {"content": content, "style": style, "tv": total_variation(images)}
