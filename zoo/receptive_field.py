"""How far a network looks: the margin that a tile needs, computed from the network's layers."""

import functools
import math
from dataclasses import dataclass
from fractions import Fraction

import keras
from keras import layers

from zoo.bicubic_layers import BicubicUpsampling
from zoo.enlarging_convolution import EnlargingConv2D, enlargement_taps
from zoo.layers import (
    BinomialBlur,
    CropLike,
    LatticeSuppression,
    NearestUpsampling2D,
    PixelShuffle,
    PixelUnshuffle,
    ReflectionPadding2D,
    UnitRange,
)
from zoo.normalization import ConditionalInstanceNormalization, InstanceNormalization


@dataclass(frozen=True)
class _Reach:
    """Pixel i of a tensor depends on the image's pixels from step * i + first to step * i + last.

    Along each axis alike.
    """

    step: Fraction = Fraction(1)
    first: Fraction = Fraction(0)
    last: Fraction = Fraction(0)

    def moved(self, pixels):
        """Of a tensor whose pixel i is this one's i + `pixels`."""
        return _Reach(self.step, self.first + pixels * self.step, self.last + pixels * self.step)

    def convolved(self, kernel, stride=1, before=(0, 0)):
        """Of a convolution; `before` is the least and the most that is padded in front."""
        first = self.first - max(before) * self.step
        last = self.last + (kernel - 1 - min(before)) * self.step
        return _Reach(self.step * stride, first, last)

    def enlarged(self, scale):
        """Of a tensor `scale` times as large, each pixel of it made of one of this one's."""
        step = self.step / scale
        return _Reach(step, self.first - (scale - 1) * step, self.last)

    def __or__(self, other):
        if self.step != other.step:
            raise ValueError("tensors of different resolutions meet")
        return _Reach(self.step, min(self.first, other.first), max(self.last, other.last))


def receptive_field(network):
    """The radius, in pixels of the input, of what an output pixel depends on.

    Norms count as what they are for given statistics: they look at a pixel alone.

    Args:
        network: a functional `keras.Model` of an image, each of whose layers is called once, with
            an output as large as the image or a whole number of times as large.

    Returns:
        An int, so that what a network makes of the pixels in a square is known from those no
        further away. Where sub-pixels differ in what they look at, or a network has strides, it may
        be a few more than needed, and is never less.

    Raises:
        ValueError: a layer of a kind that is not known here.
    """
    reaches = {}
    for layer in network.layers:
        if isinstance(layer, layers.InputLayer):
            reaches[id(layer.output)] = _Reach()
            continue
        inputs = [reaches[id(x)] for x in keras.tree.flatten(layer.input) if len(x.shape) == 4]
        if isinstance(layer, CropLike):
            inputs = inputs[:1]  # of the reference it takes the size alone
        reaches[id(layer.output)] = functools.reduce(_Reach.__or__, map(_through(layer), inputs))
    reach = reaches[id(network.output)]
    # The `factor` output pixels of the input's pixel 0 begin at pixel 0 of the output.
    return max(-math.ceil(reach.first), math.floor(reach.last + 1 - reach.step))


@functools.singledispatch
def _through(layer):
    """The function from the `_Reach` of a layer's input to that of its output."""
    raise ValueError(f"the reach of a {type(layer).__name__} is not known: tell it here")


@_through.register(layers.Activation)
@_through.register(layers.Add)
@_through.register(layers.BatchNormalization)
@_through.register(layers.Identity)
@_through.register(layers.ReLU)
@_through.register(layers.Rescaling)
@_through.register(layers.Subtract)
@_through.register(ConditionalInstanceNormalization)
@_through.register(InstanceNormalization)
@_through.register(UnitRange)
def _(layer):
    return lambda reach: reach


@_through.register(layers.Conv2D)
@_through.register(layers.DepthwiseConv2D)
def _(layer):
    kernel = (layer.kernel_size[0] - 1) * layer.dilation_rate[0] + 1
    stride = layer.strides[0]
    # "same" pads by what the image's size leaves of the last stride.
    before = {"valid": (0, 0), "same": (max(kernel - stride, 0) // 2, (kernel - 1) // 2)}
    return lambda reach: reach.convolved(kernel, stride, before[layer.padding])


@_through.register
def _(layer: layers.AveragePooling2D):
    window = layer.pool_size[0]
    return lambda reach: reach.convolved(window, before=(window // 2, window // 2))


@_through.register
def _(layer: BinomialBlur):
    return lambda reach: reach.convolved(3, before=(1, 1))


@_through.register
def _(layer: LatticeSuppression):
    return lambda reach: reach.convolved(7, before=(3, 3))


@_through.register
def _(layer: layers.Cropping2D):
    return lambda reach: reach.moved(layer.cropping[0][0])


@_through.register
def _(layer: CropLike):
    return lambda reach: reach.moved(layer.offset)


@_through.register
def _(layer: ReflectionPadding2D):
    return lambda reach: reach.moved(-layer.padding)


@_through.register
def _(layer: layers.UpSampling2D):
    return lambda reach: reach.enlarged(layer.size[0])


@_through.register(NearestUpsampling2D)
@_through.register(PixelShuffle)
def _(layer):
    return lambda reach: reach.enlarged(layer.scale)


@_through.register
def _(layer: PixelUnshuffle):
    return lambda reach: reach.convolved(layer.scale, layer.scale)


@_through.register
def _(layer: EnlargingConv2D):
    side = enlargement_taps(layer.kernel_size, layer.scale).shape[-1]
    before = (side // 2, side // 2)
    return lambda reach: reach.convolved(side, before=before).enlarged(layer.scale)


@_through.register
def _(layer: BicubicUpsampling):
    return lambda reach: reach.convolved(5, before=(2, 2)).enlarged(layer.factor)
