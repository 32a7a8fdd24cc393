"""The field's bicubic, `zoo.bicubic`, as layers: in a network's graph, for images of any size.

Both keep to float32 whatever the dtype policy, and do not clip what the kernel overshoots at edges.
"""

import keras
import numpy as np
from keras import ops

from zoo.bicubic import taps
from zoo.layers import PixelShuffle


@keras.saving.register_keras_serializable(package="zoo")
class BicubicUpsampling(keras.layers.Layer):
    """Enlarge RGB images [N, H, W, 3] to [N, factor * H, factor * W, 3], as `zoo.bicubic.rescale`.

    The new pixels of an old one are `factor` x `factor` fixed sums of the 5 x 5 around it: a
    convolution and a pixel shuffle.
    """

    def __init__(self, factor, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.factor = factor
        indices, weights = taps((np.arange(factor) + 0.5) / factor - 0.5, factor)
        phases = np.zeros((5, factor), np.float32)
        phases[indices + 2, np.arange(factor)[:, None]] = weights
        kernel = np.einsum("yi,xj,cd->yxcijd", phases, phases, np.eye(3, dtype=np.float32))
        self.kernel = kernel.reshape(5, 5, 3, -1)
        self._shuffle = PixelShuffle(factor, dtype=dtype)

    def call(self, images):
        sums = ops.conv(_mirror(images, 2, 2), self.kernel, padding="valid")
        return self._shuffle(sums)

    def compute_output_shape(self, shape):
        size = [None if side is None else self.factor * side for side in shape[1:3]]
        return (shape[0], *size, shape[3])

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="zoo")
class BicubicDownsampling(keras.layers.Layer):
    """Shrink RGB images [N, H, W, 3] to [N, H / factor, W / factor, 3], antialiased.

    As `zoo.bicubic.rescale` by 1 / factor; H and W must be multiples of the factor.
    """

    def __init__(self, factor, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.factor = factor
        indices, weights = taps(np.array([(factor - 1) / 2]), 1 / factor)
        self._first = int(indices[0, 0])
        kernel = weights[0, :, None, None] * np.eye(3, dtype=np.float32)
        self._down, self._across = kernel[:, None], kernel[None]

    def call(self, images):
        padded = _mirror(images, -self._first, self._first + 3 * self.factor)
        rows = ops.conv(padded, self._down, strides=(self.factor, 1), padding="valid")
        return ops.conv(rows, self._across, strides=(1, self.factor), padding="valid")

    def compute_output_shape(self, shape):
        size = [None if side is None else side // self.factor for side in shape[1:3]]
        return (shape[0], *size, shape[3])

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def _mirror(images, before, after):
    """Images that go on mirrored beyond their edges, the edge pixel first."""
    height, width = ops.shape(images)[1:3]
    for axis, size in ((1, height), (2, width)):
        indices = ops.arange(-before, size + after, dtype="int32") % (2 * size)
        images = ops.take(images, ops.minimum(indices, 2 * size - 1 - indices), axis=axis)
    return images
