"""One style, or a blend of several, taken out of a network of many."""

import numpy as np

from zoo.networks import StyleNetwork
from zoo.normalization import ConditionalInstanceNormalization


def folded(network, style_weights):
    """The single-style `StyleNetwork` that does what `network` does at one choice of styles.

    Args:
        network: a `StyleNetwork` with styles.
        style_weights: [S] floats; the last, the photo's, must be 0, for no single style has it.

    Returns:
        A network of the same trunk, whose norms have the weighted sums of the styles' parameters.
    """
    style_weights = np.asarray(style_weights, np.float32)
    if style_weights[-1]:
        raise ValueError("the photo's share cannot be folded in")
    single = StyleNetwork(**{**network.config, "styles": None})
    for layer in single.layers:
        origin = network.get_layer(layer.name)
        weights = origin.get_weights()
        if isinstance(origin, ConditionalInstanceNormalization):
            weights = [style_weights @ parameter for parameter in weights]
        layer.set_weights(weights)
    return single
