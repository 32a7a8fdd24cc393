"""The normalised VGG of Gatys 2016, section 2: each filter's mean activation is 1.

Positive factors pass through ReLU and through max and average pooling. So a filter's weights can be
divided by any such factor, if the next convolution's weights for that filter's output are
multiplied by it: nothing else changes.
"""

import keras
import numpy as np


def mean_activations(network, photos):
    """Each filter's mean over the positions of all photos, after its ReLU.

    Args:
        network: a `zoo.vgg.LossNetwork`.
        photos: iterable of float32 [H, W, 3] in [0, 1], of any sizes that the deepest layer takes.

    Returns:
        {layer: float64 [C]} for all of the network's layers, shallow to deep.
    """
    features = network.features(network.layers)
    sums = dict.fromkeys(network.layers, 0.0)
    positions = dict.fromkeys(network.layers, 0)
    for photo in photos:
        for layer, maps in features(photo[None]).items():
            maps = keras.ops.convert_to_numpy(maps)
            sums[layer] = sums[layer] + maps.sum(axis=(0, 1, 2), dtype=np.float64)
            positions[layer] += maps[..., 0].size
    return {layer: sums[layer] / positions[layer] for layer in network.layers}


def rescaled(weights, means):
    """The weights of a chain of convolutions whose activations are divided by `means`.

    Args:
        weights: arrays in the order of `keras.Model.get_weights`: for each convolution its kernel
            [h, w, I, O] and its bias [O].
        means: for each convolution the factors, [O], 0 or more. A filter of mean 0 was never
            active: it keeps its scale.

    Returns:
        A list like `weights`, of the same dtypes.
    """
    result = []
    inputs = np.ones(1)  # the image keeps its scale
    for kernel, bias, mean in zip(weights[::2], weights[1::2], means, strict=True):
        outputs = np.where(mean > 0, mean, 1.0)
        result.append((kernel * inputs[:, None] / outputs).astype(kernel.dtype))
        result.append((bias / outputs).astype(bias.dtype))
        inputs = outputs
    return result
