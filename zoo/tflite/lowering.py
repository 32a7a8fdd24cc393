"""Layers in the operations that TFLite, its GPU delegate and XNNPACK have: the same maths.

As they are, the layers are written for speed in TensorFlow: gathers and reshapes to six dimensions,
which no delegate takes, and at sizes that are not known they would keep XNNPACK from all that comes
after them. Here each is written in operations whose output has a size that TFLite can tell from its
input's.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from zoo.bicubic_layers import BicubicUpsampling
from zoo.enlarging_convolution import EnlargingConv2D
from zoo.layers import (
    NearestUpsampling2D,
    PixelShuffle,
    PixelUnshuffle,
    ReflectionPadding2D,
)
from zoo.normalization import (
    ConditionalInstanceNormalization,
    InstanceNormalization,
    normalized,
)


def lowered(network):
    """`network` with these layers; it shares the weights, and takes images [1, H, W, 3] only.

    At unknown H and W, both must be at least `smallest_side(network)`.
    """
    return keras.models.clone_model(network, clone_function=_lowered_layer)


def smallest_side(network):
    """The smallest height and width, in pixels, that a file for any size takes."""
    pads = [layer for layer in network.layers if isinstance(layer, ReflectionPadding2D)]
    return max([layer.padding + layer.multiple for layer in pads], default=1)


class _Lowered(keras.layers.Layer):
    def __init__(self, layer, form):
        super().__init__(name=layer.name)
        self._layer = layer
        self._form = form

    def call(self, images, style_weights=None):
        return self._form(self._layer, *_given(images, style_weights))

    def compute_output_shape(self, images_shape, style_weights_shape=None):
        return self._layer.compute_output_shape(*_given(images_shape, style_weights_shape))


def _given(*inputs):
    return [each for each in inputs if each is not None]


def _lowered_layer(layer):
    form = _form.dispatch(type(layer))
    return layer if form is _form.dispatch(object) else _Lowered(layer, form)


@functools.singledispatch
def _form(layer, *inputs):
    """What `layer` makes of images [1, H, W, C] and what else it takes; registered for the types
    that need another.
    """
    return layer(*inputs)


@_form.register
def _(layer: PixelShuffle, images):
    return tf.nn.depth_to_space(images, layer.scale)


@_form.register
def _(layer: PixelUnshuffle, images):
    return tf.nn.space_to_depth(images, layer.scale)


@_form.register
def _(layer: EnlargingConv2D, images):
    with tf.init_scope():  # a constant, as the quantiser needs it
        kernel = layer.composed_kernel().numpy()
    x = tf.nn.depth_to_space(tf.nn.conv2d(images, kernel, 1, "SAME"), layer.scale)
    return x + layer.bias if layer.use_bias else x


@_form.register
def _(layer: NearestUpsampling2D, images):
    return _nearest(images, layer.scale)


@_form.register
def _(layer: keras.layers.UpSampling2D, images):
    return _nearest(images, layer.size[0])


def _nearest(images, scale):
    height, width = images.shape[1:3]
    if height is None or width is None:  # a resize to computed sizes would keep XNNPACK away
        return tf.nn.depth_to_space(tf.concat([images] * scale**2, -1), scale)
    return tf.image.resize(images, (scale * height, scale * width), "nearest")


@_form.register
def _(layer: ReflectionPadding2D, images):
    padding, multiple = layer.padding, layer.multiple
    size = images.shape[1:3]
    if None in size:
        most = (padding, padding + multiple - 1)
        return _whole_multiples(_reflected(images, most, most), multiple)
    ends = [(padding, padding + -(side + 2 * padding) % multiple) for side in size]
    if any(after >= side for (_, after), side in zip(ends, size, strict=True)):
        return layer(images)  # folded more than once, which MIRROR_PAD cannot
    return _reflected(images, *ends)


def _reflected(images, rows, columns):
    return tf.pad(images, [(0, 0), rows, columns, (0, 0)], "REFLECT")


def _whole_multiples(images, multiple):
    """Without the last rows and columns, so that the size is a multiple.

    A convolution without padding leaves them out by itself; its kernel only puts the pixels of a
    block into channels.
    """
    if multiple == 1:
        return images
    channels = images.shape[-1]
    block = multiple * multiple * channels
    kernel = np.eye(block, dtype=np.float32).reshape(multiple, multiple, channels, block)
    return tf.nn.depth_to_space(tf.nn.conv2d(images, kernel, multiple, "VALID"), multiple)


@_form.register(InstanceNormalization)
@_form.register(ConditionalInstanceNormalization)
def _(layer, images, *style_weights):
    # XNNPACK squares faster than it takes the differences to one row of channels.
    mean = tf.reduce_mean(images, (1, 2), keepdims=True)
    variance = tf.reduce_mean(images * images, (1, 2), keepdims=True) - mean * mean
    variance = tf.maximum(variance, 0.0)  # it may be rounded below
    return normalized(images, mean, variance, *layer.parameters(*style_weights), layer.epsilon)


@_form.register
def _(layer: BicubicUpsampling, images):
    sums = tf.nn.conv2d(_mirrored_by_two(images), layer.kernel, 1, "VALID")
    return tf.nn.depth_to_space(sums, layer.factor)


def _mirrored_by_two(images):
    # Not MIRROR_PAD: of its modes, the GPU delegate has only the one that leaves out the edge.
    if 1 in images.shape[1:3]:
        raise ValueError("bicubic upsampling needs sides of two pixels")
    rows = [images[:, 1:2], images[:, :1], images, images[:, -1:], images[:, -2:-1]]
    images = tf.concat(rows, 1)
    columns = [images[:, :, i : i + 1] for i in (1, 0)], [images[:, :, -1:], images[:, :, -2:-1]]
    return tf.concat([*columns[0], images, *columns[1]], 2)
