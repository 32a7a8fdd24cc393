"""A convolution of a bilinearly enlarged image, done before it is enlarged."""

import keras
import numpy as np
from keras import ops

from zoo.layers import pixel_shuffle


@keras.saving.register_keras_serializable(package="zoo")
class EnlargingConv2D(keras.layers.Layer):
    """What a `Conv2D` makes of [N, s * H, s * W, C], the bilinear enlargement of [N, H, W, C].

    Both are linear, so that one sub-pixel convolution (Shi 2016) at the small size does the work of
    the two (zeros beyond the border of the small image, not of the large one). Nearest-neighbour
    enlargement repeats the small image's waves at the grid of its pixels, where they show as dots;
    bilinear leaves a tenth of them.

    Args:
        filters: F; the output is [N, s * H, s * W, F].
        kernel_size: side of the convolution at the large size, odd.
        scale: s.
        use_bias: whether there is one.
    """

    def __init__(self, filters, kernel_size, scale, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.scale = scale
        self.use_bias = use_bias
        self._taps = enlargement_taps(kernel_size, scale)

    def build(self, shape):
        side = self.kernel_size
        # As it is stored, to be composed before it is rounded to the compute dtype.
        self.kernel = self.add_weight(
            (side, side, shape[-1], self.filters), name="kernel", autocast=False
        )
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), initializer="zeros", name="bias")

    def call(self, images):
        kernel = ops.cast(self.composed_kernel(), images.dtype)
        x = pixel_shuffle(ops.conv(images, kernel, padding="same"), self.scale)
        return ops.add(x, self.bias) if self.use_bias else x

    def composed_kernel(self):
        """Of the sub-pixel convolution: float32 [M, M, C, s * s * F]."""
        # p, q: the new pixel's place in the old one; t, u: in the kernel; m, n: old pixels.
        kernel = ops.einsum("ptm,tucf->pmucf", self._taps, self.kernel)
        kernel = ops.einsum("qun,pmucf->mncpqf", self._taps, kernel)
        side, _, channels = kernel.shape[:3]
        return ops.reshape(kernel, (side, side, channels, self.scale**2 * self.filters))

    def compute_output_shape(self, shape):
        size = [None if s is None else s * self.scale for s in shape[1:3]]
        return (shape[0], *size, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "scale": self.scale,
            "use_bias": self.use_bias,
        }


def enlargement_taps(kernel_size, scale):
    """How much of each old pixel is in what each tap of a kernel sees, along one axis.

    Args:
        kernel_size: K, odd.
        scale: s.

    Returns:
        float32 [s, K, M]: for each of the new pixels of an old one, and each tap of a kernel around
        it, the weights of the old pixels, the middle one of M (odd) being the new pixel's own.
    """
    radius = kernel_size // 2
    # Of the new pixels that a kernel sees: half-pixel centres, in old pixels from the own one's.
    new = np.arange(scale)[:, None] + np.arange(-radius, radius + 1)
    centres = (new + 0.5) / scale - 0.5
    reach = int(np.ceil(np.abs(centres).max()))
    old = np.arange(-reach, reach + 1)
    return np.maximum(0, 1 - np.abs(centres[..., None] - old)).astype("float32")
