"""Networks of fewer filters from trained ones: what carries least is taken out.

A channel counts as much as what reads it gets from it: its mean absolute activation times the norm
of the weights on it, as Wanda (Sun 2023) has it for single weights. Training has to go on from
there; it starts far ahead of a new network.
"""

import keras
import numpy as np
from keras import layers

from zoo.enlarging_convolution import EnlargingConv2D
from zoo.networks import StyleNetwork


def slimmed(network, width, photos):
    """`network` with as many filters as another `width` gives.

    Args:
        network: a `zoo.networks.StyleNetwork`.
        width: factor on the filters, at most `network`'s.
        photos: float32 [N, H, W, 3] in [0, 1], on which activations are measured. Of a network of
            many styles each photo takes the next style.

    Returns:
        A `StyleNetwork`, whose channels have the weights of those of `network` that count most.
    """
    slim = StyleNetwork(**{**network.config, "width": width})
    groups = _groups(network)
    shares = _shares(network, groups, photos)
    kept = {}
    for layer in filter(_is_convolution, network.layers):
        group, count = groups[id(layer.output)], slim.get_layer(layer.name).output.shape[-1]
        if group in shares:  # all but the image's own channels
            kept[group] = np.sort(np.argsort(-shares[group], kind="stable")[:count])
    for layer in network.layers:
        if weights := layer.get_weights():
            read, written = groups[id(_image(layer.input))], groups[id(layer.output)]
            slim.get_layer(layer.name).set_weights(
                [_kept(layer, w, kept.get(read), kept.get(written)) for w in weights]
            )
    return slim


def _image(tensors):
    return tensors[0] if isinstance(tensors, list) else tensors


def _is_convolution(layer):
    """Whether its kernel is [height, width, in, out]."""
    return isinstance(layer, layers.Conv2D | EnlargingConv2D)


def _groups(network):
    """{id of a tensor: its group}: tensors of a group lose the same channels, for they are added,
    or made one of the other channel by channel.
    """
    groups = {}
    for layer in network.layers:
        if isinstance(layer, layers.InputLayer) or _is_convolution(layer):
            groups[id(layer.output)] = layer.name
            continue
        first = groups[id(_image(layer.input))]
        if isinstance(layer, layers.Add):
            others = {groups[id(tensor)] for tensor in layer.input}
            groups = {key: first if group in others else group for key, group in groups.items()}
        groups[id(layer.output)] = first
    return groups


def _shares(network, groups, photos):
    """{group: [channels] floats}: what the convolutions that read it get from each channel."""
    readers = [*filter(_is_convolution, network.layers)]
    activations = keras.Model(network.inputs, [layer.input for layer in readers])
    means = [0] * len(readers)
    for i, photo in enumerate(photos):
        inputs = [photo[None]]
        if network.styles:
            inputs.append(np.eye(network.styles, dtype=np.float32)[[i % network.styles]])
        for j, activation in enumerate(activations(inputs)):
            means[j] += np.abs(keras.ops.convert_to_numpy(activation)).mean((0, 1, 2))
    shares = {}
    for layer, mean in zip(readers, means, strict=True):
        read = mean * np.sqrt((layer.get_weights()[0] ** 2).sum((0, 1, 3)))
        group = groups[id(layer.input)]
        shares[group] = shares.get(group, 0) + read / max(read.sum(), 1e-12)
    return shares


def _kept(layer, weights, read, written):
    """Of a layer's weights those of the channels that it still reads and writes; None is all."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return weights[:, :, read]
    if weights.ndim == 4 and read is not None:
        weights = weights[:, :, read]
    return weights if written is None else weights[..., written]
