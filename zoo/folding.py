"""Networks of one style from networks of many, and the other way round."""

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


def with_styles(network, styles, mix=None):
    """A network of another number of styles, to go on training from.

    Args:
        network: a `StyleNetwork`.
        styles: how many, the photo included; None for one style.
        mix: [S] floats, of which of many styles the one is made; None for the mean of the
            paintings. As for `folded`, the photo's share is 0.

    Returns:
        `network` itself if it has as many. Of one style, each of many starts as that.

    Raises:
        ValueError: both are of many styles, and not of as many.
    """
    if network.styles == styles:
        return network
    if styles is None:
        paintings = network.styles - 1
        return folded(network, [1 / paintings] * paintings + [0.0] if mix is None else mix)
    if network.styles is not None:
        raise ValueError(f"{network.styles} styles are not {styles}")
    many = StyleNetwork(**{**network.config, "styles": styles})
    for layer in network.layers:
        target, weights = many.get_layer(layer.name), layer.get_weights()
        if isinstance(target, ConditionalInstanceNormalization):
            weights = [np.tile(parameter, (styles, 1)) for parameter in weights]
        target.set_weights(weights)
    return many
