"""Keras layers that image-transformation networks need and Keras does not have.

Every layer takes and returns channels-last images [N, H, W, C] of any height and width.
"""

import keras
import numpy as np
from keras import ops


def _reflected(positions, size):
    """Indices of what an axis of `size`, reflected at both ends, has at positions beyond them.

    What lies further out than the axis is long goes on folding. Also for `size` 1, where there is
    nothing but the edge to repeat.
    """
    period = ops.maximum(2 * size - 2, 1)
    return ops.minimum(positions % period, period - positions % period)


@keras.saving.register_keras_serializable(package="zoo")
class ReflectionPadding2D(keras.layers.Layer):
    """Reflect the image by `padding` pixels on each side, then on to the next multiple.

    [N, H, W, C] becomes [N, H', W', C] with H' the smallest multiple of `multiple` that holds
    H + 2 * `padding`; what that adds lies at the bottom and at the right. Unlike `tf.pad`, it
    takes images smaller than the padding, down to one pixel.
    """

    def __init__(self, padding, multiple=1, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding
        self.multiple = multiple

    def _excess(self, size):
        return -(size + 2 * self.padding) % self.multiple

    def call(self, images):
        return self._pad(self._pad(images, 1), 2)

    def _pad(self, images, axis):
        size = ops.shape(images)[axis]
        before = ops.arange(-self.padding, 0, dtype="int32")
        after = ops.arange(size, size + self.padding + self._excess(size), dtype="int32")
        strips = [ops.take(images, _reflected(p, size), axis=axis) for p in (before, after)]
        # To gather the image too would take twice as long.
        return ops.concatenate([strips[0], images, strips[1]], axis=axis)

    def compute_output_shape(self, shape):
        padded = [None if s is None else s + 2 * self.padding + self._excess(s) for s in shape[1:3]]
        return (shape[0], *padded, shape[3])

    def get_config(self):
        return {**super().get_config(), "padding": self.padding, "multiple": self.multiple}


@keras.saving.register_keras_serializable(package="zoo")
class CropLike(keras.layers.Layer):
    """Cut from `images` the window of `reference`'s height and width that starts at `offset`.

    Call with (images [N, H', W', C], reference [N, H, W, ...]); returns [N, H, W, C].
    """

    def __init__(self, offset, **kwargs):
        super().__init__(**kwargs)
        self.offset = offset

    def call(self, images, reference):
        height, width = ops.shape(reference)[1:3]
        start = self.offset
        return images[:, start : start + height, start : start + width, :]

    def compute_output_shape(self, images_shape, reference_shape):
        return (images_shape[0], *reference_shape[1:3], images_shape[3])

    def get_config(self):
        return {**super().get_config(), "offset": self.offset}


@keras.saving.register_keras_serializable(package="zoo")
class NearestUpsampling2D(keras.layers.Layer):
    """[N, H, W, C] becomes [N, s * H, s * W, C], each pixel s * s times.

    In a third of the time of `keras.layers.UpSampling2D`, which repeats axis by axis.
    """

    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, images):
        batch, height, width, channels = ops.shape(images)
        scale = self.scale
        pixels = ops.reshape(images, (batch, height, 1, width, 1, channels))
        blocks = ops.tile(pixels, (1, 1, scale, 1, scale, 1))
        return ops.reshape(blocks, (batch, scale * height, scale * width, channels))

    def compute_output_shape(self, shape):
        size = [None if s is None else s * self.scale for s in shape[1:3]]
        return (shape[0], *size, shape[3])

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


_BINOMIAL = np.array([1, 2, 1]) / 4
_EVERY_OTHER = np.array([1, 0, 1, 0, 1]) / 3


@keras.saving.register_keras_serializable(package="zoo")
class BinomialBlur(keras.layers.Layer):
    """[1 2 1] / 4 along both axes; zeros are around the image.

    What alternates from pixel to pixel is gone (Zhang 2019, "Making convolutional networks
    shift-invariant again").
    """

    def call(self, images):
        return _depthwise(images, np.outer(_BINOMIAL, _BINOMIAL))

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable(package="zoo")
class LatticeSuppression(keras.layers.Layer):
    """Take away what alternates from pixel to pixel all around; zeros are around the image.

    Enlarged, such a lattice shows as dots. What alternates here and there, as strokes do, stays:
    of what `BinomialBlur` takes away, only the mean over every other pixel, three by three of them,
    is subtracted.
    """

    def call(self, images):
        mean = np.pad(np.outer(_EVERY_OTHER, _EVERY_OTHER), 1)
        line = np.convolve(_EVERY_OTHER, _BINOMIAL)
        same = np.pad([[1.0]], 3)
        return _depthwise(images, same - mean + np.outer(line, line))

    def compute_output_shape(self, shape):
        return shape


def _depthwise(images, kernel):
    """The same kernel [h, w], a constant, for every channel."""
    kernel = np.tile(kernel[..., None, None], (1, 1, images.shape[-1], 1)).astype("float32")
    return ops.depthwise_conv(images, ops.cast(kernel, images.dtype), padding="same")


def pixel_shuffle(images, scale):
    """What `PixelShuffle` does: [N, H, W, s * s * C], s the scale, to [N, s * H, s * W, C]."""
    batch, height, width, channels = ops.shape(images)
    blocks = ops.reshape(images, (batch, height, width, scale, scale, channels // scale**2))
    rows = ops.transpose(blocks, (0, 1, 3, 2, 4, 5))
    return ops.reshape(rows, (batch, scale * height, scale * width, channels // scale**2))


@keras.saving.register_keras_serializable(package="zoo")
class PixelShuffle(keras.layers.Layer):
    """Sub-pixel rearrangement (Shi 2016): [N, H, W, s * s * C] becomes [N, s * H, s * W, C]."""

    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, images):
        return pixel_shuffle(images, self.scale)

    def compute_output_shape(self, shape):
        size = [None if s is None else s * self.scale for s in shape[1:3]]
        return (shape[0], *size, shape[3] // self.scale**2)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="zoo")
class PixelUnshuffle(keras.layers.Layer):
    """What `PixelShuffle` undoes: [N, s * H, s * W, C] becomes [N, H, W, s * s * C]."""

    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, images):
        batch, height, width, channels = ops.shape(images)
        small = (height // self.scale, width // self.scale)
        rows = ops.reshape(images, (batch, small[0], self.scale, small[1], self.scale, channels))
        blocks = ops.transpose(rows, (0, 1, 3, 2, 4, 5))
        return ops.reshape(blocks, (batch, *small, channels * self.scale**2))

    def compute_output_shape(self, shape):
        size = [None if s is None else s // self.scale for s in shape[1:3]]
        return (shape[0], *size, shape[3] * self.scale**2)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="zoo")
class WeightedLogits(keras.layers.Layer):
    """Add to `x` what the sigmoid makes `images` of, times a weight for each image.

    Call with (x [N, H, W, C], images [N, H, W, C] in [0, 1], weights [N]); returns float32, shaped
    as `x`. Images are kept `MARGIN` away from 0 and 1, where logits are infinite.
    """

    MARGIN = 1 / 255

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, x, images, weights):
        images = ops.clip(ops.cast(images, "float32"), self.MARGIN, 1 - self.MARGIN)
        logits = ops.log(images / (1 - images))
        weights = ops.reshape(ops.cast(weights, "float32"), (-1, 1, 1, 1))
        return ops.cast(x, "float32") + weights * logits

    def compute_output_spec(self, x, images, weights):
        return keras.KerasTensor(x.shape, "float32")


@keras.saving.register_keras_serializable(package="zoo")
class UnitRange(keras.layers.Layer):
    """Clip to [0, 1]; not while training, when what lies outside has to learn its way back."""

    def call(self, images, training=False):
        return images if training else ops.clip(images, 0, 1)

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable(package="zoo")
class NearestSubpixel(keras.initializers.Initializer):
    """A convolution kernel whose `scale` x `scale` sub-pixels of a channel start out equal.

    With it `PixelShuffle` begins as nearest-neighbour upsampling, without the checkerboard that
    independent sub-pixels draw (Aitken 2017, "Checkerboard artifact free sub-pixel convolution").
    """

    def __init__(self, scale, base="glorot_uniform"):
        self.scale = scale
        self.base = keras.initializers.get(base)

    def __call__(self, shape, dtype=None):
        channels = shape[-1] // self.scale**2
        kernel = self.base((*shape[:-1], channels), dtype=dtype)
        return ops.tile(kernel, (1,) * (len(shape) - 1) + (self.scale**2,))

    def get_config(self):
        base = keras.initializers.serialize(self.base)
        return {"scale": self.scale, "base": base}


@keras.saving.register_keras_serializable(package="zoo")
class PassThrough(keras.initializers.Initializer):
    """A convolution kernel whose first `channels` filters give what came in as the same channels.

    Layers of it, with ReLU between, begin as the identity of an image that is not negative.
    """

    def __init__(self, channels=3, base="glorot_uniform"):
        self.channels = channels
        self.base = keras.initializers.get(base)

    def __call__(self, shape, dtype=None):
        height, width, incoming, outgoing = shape
        channels = min(self.channels, incoming, outgoing)
        others = self.base((height, width, incoming, outgoing - channels), dtype=dtype)
        passing = np.zeros((height, width, incoming, channels))
        passing[height // 2, width // 2, range(channels), range(channels)] = 1
        return ops.concatenate([ops.convert_to_tensor(passing, others.dtype), others], axis=-1)

    def get_config(self):
        base = keras.initializers.serialize(self.base)
        return {"channels": self.channels, "base": base}
