"""Super-resolution networks: an RGB image in, one of exactly `factor` times its size out."""

import math

import keras
from keras import layers

from zoo.bicubic_layers import BicubicUpsampling
from zoo.layers import (
    NearestSubpixel,
    PassThrough,
    PixelShuffle,
    PixelUnshuffle,
    ReflectionPadding2D,
    UnitRange,
)


@keras.saving.register_keras_serializable(package="zoo")
class SuperResolutionNetwork(keras.Model):
    """A network of one of `ARCHITECTURES` for one factor.

    Input: float32 [N, H, W, 3] in [0, 1], any H and W from 1 up; output: float32 [N, factor * H,
    factor * W, 3] in [0, 1] (in training, it may lie outside where the architecture ends in no
    sigmoid).

    Args:
        architecture: a name of `ARCHITECTURES`.
        factor: 2, 3, 4 or 8, or what else the architecture takes.
        width: factor on every hidden layer's filters.

    Raises:
        ValueError: the architecture does not take the factor.
    """

    def __init__(self, architecture="subpixel", factor=4, width=1.0, **kwargs):
        inputs = keras.Input((None, None, 3), name="image")
        outputs = ARCHITECTURES[architecture](inputs, factor, width)
        super().__init__(inputs, outputs, **kwargs)
        self.config = {"architecture": architecture, "factor": factor, "width": width}

    def get_config(self):
        return {"name": self.name, "trainable": self.trainable, **self.config}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def as_far_as_alike(network, config):
    """A network of `config`, a `SuperResolutionNetwork`'s, that knows what `network` does.

    All of `network`'s layers that it has too are taken over but "output", whose filters are the new
    pixels of an old one (Lim 2017, section 3.2, starts the networks for 3 and 4 so).

    Args:
        network: a `SuperResolutionNetwork`.
        config: of the other: {"architecture", "factor", "width"}.

    Returns:
        `network` itself if that is its config.

    Raises:
        ValueError: they have no layers in common, or of other shapes.
    """
    if network.config == config:
        return network
    other = SuperResolutionNetwork(**config)
    weights = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    alike = [layer for layer in other.layers if layer.name in weights and layer.name != "output"]
    if not alike:
        raise ValueError(f"{config} has no layer of {network.config}")
    for layer in alike:
        layer.set_weights(weights[layer.name])
    return other


def _filters(count, width):
    return max(1, round(width * count))


# --- Ours ---


HATCH = 5  # small pixels, the side of the window in which a hatching may not be the same


def _trunk(image, filters, blocks=6):
    """Residual blocks without norm (Lim 2017, "Enhanced deep residual networks")."""
    x = layers.Rescaling(2.0, -1.0, name="centre")(image)  # zeros around it are grey then
    x = features = layers.Conv2D(filters, 3, padding="same", name="features")(x)
    for i in range(blocks):
        name = f"residual{i + 1}"
        y = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}a")(x)
        # Small at first: without norms, sums of many blocks would be large.
        small = keras.initializers.VarianceScaling(0.1)
        y = layers.Conv2D(filters, 3, padding="same", kernel_initializer=small, name=f"{name}b")(y)
        x = layers.Add(name=f"{name}_add")([x, y])
    x = layers.Conv2D(filters, 3, padding="same", name="fusion")(x)
    return layers.Add(name="fusion_add")([features, x])


def _enlarged(image, features, factor, scale, is_hatchless):
    """Bicubic by `factor`, and details, of features that the image is `scale` times the size of.

    One sub-pixel convolution (Shi 2016), which begins as nearest-neighbour upsampling.
    """
    x = layers.Conv2D(
        3 * scale**2,
        3,
        padding="same",
        kernel_initializer=NearestSubpixel(scale, keras.initializers.VarianceScaling(0.01)),
        name="output",
    )(features)
    if is_hatchless:
        if scale != factor:
            x = PixelShuffle(scale, name="details")(x)
            x = PixelUnshuffle(factor, name="unshuffle")(x)
        mean = layers.AveragePooling2D(HATCH, 1, padding="same", name="hatching")(x)
        x = layers.Subtract(name="hatchless")([x, mean])
        scale = factor
    details = PixelShuffle(scale, name="shuffle")(x)
    bicubic = BicubicUpsampling(factor, name="bicubic")(image)
    x = layers.Add(dtype="float32", name="details_add")([bicubic, details])
    return UnitRange(dtype="float32", name="range")(x)


def _subpixel(image, factor, width, is_hatchless=False):
    """Bicubic, and what 3x3 convolutions at the low resolution add to it, for any factor."""
    return _enlarged(image, _trunk(image, _filters(64, width)), factor, factor, is_hatchless)


def _subpixel_hatchless(image, factor, width):
    """`subpixel` that cannot draw the same pattern on each of the small pixels around.

    The mean over a window is taken from each of an old pixel's new pixels.
    """
    return _subpixel(image, factor, width, is_hatchless=True)


STAGES = {2: (), 4: (48,), 8: (48, 32)}  # for a factor, filters after each doubling but the last


def _staged(image, factor, width):
    """`subpixel_hatchless` that doubles the size again and again, with convolutions at each size.

    New pixels know those beside them then, of other old pixels too: without, textures that a
    perceptual loss asks for end at the old pixels' borders, at 8 for all to see.
    """
    if factor not in STAGES:
        raise ValueError(f"staged doubles the size: factor {factor} is none of 2, 4, 8")
    x = _trunk(image, _filters(64, width))
    for i, count in enumerate(STAGES[factor]):
        count = _filters(count, width)
        name, kernel = f"double{i + 1}", NearestSubpixel(2)
        x = layers.Conv2D(4 * count, 3, padding="same", kernel_initializer=kernel, name=name)(x)
        x = PixelShuffle(2, name=f"double{i + 1}_shuffle")(x)
        x = layers.ReLU(name=f"double{i + 1}_relu")(x)
        y = layers.Conv2D(count, 3, padding="same", activation="relu", name=f"head{i + 1}a")(x)
        y = layers.Conv2D(count, 3, padding="same", name=f"head{i + 1}b")(y)
        x = layers.Add(name=f"head{i + 1}_add")([x, y])
    return _enlarged(image, x, factor, 2, is_hatchless=True)


# --- Johnson 2016 ---


def _johnson2016_sr(image, factor, width):
    """Johnson 2016, section 3.1 and the supplementary material's table for super-resolution.

    9x9 convolution, four residual blocks at the low resolution, log2(factor) convolutions that
    double it, 9x9 convolution; batch norm and ReLU after each but the last, no ReLU behind the
    blocks' additions, zeros at the borders, a scaled tanh at the end: all as published. Instead of
    fractionally strided convolutions, which draw checkerboards (Odena 2016) and do not convert to
    TFLite at unknown sizes, nearest-neighbour upsampling comes before plain ones of the same size.
    """
    doublings = round(math.log2(factor))
    if 2**doublings != factor:
        raise ValueError(f"johnson2016_sr doubles the size: factor {factor} is no power of two")
    filters = _filters(64, width)
    x = _normalised(image, filters, 9, "stem")
    for i in range(4):
        name = f"residual{i + 1}"
        y = _normalised(x, filters, 3, f"{name}a")
        y = _normalised(y, filters, 3, f"{name}b", relu=False)
        x = layers.Add(name=f"{name}_add")([x, y])
    for i in range(doublings):
        x = layers.UpSampling2D(2, name=f"upsample{i + 1}")(x)
        x = _normalised(x, filters, 3, f"head{i + 1}")
    x = layers.Conv2D(3, 9, padding="same", name="output")(x)
    # The paper's scaled tanh, (tanh(x / 2) + 1) / 2, is the sigmoid.
    return layers.Activation("sigmoid", dtype="float32", name="range")(x)


def _normalised(x, filters, kernel, name, relu=True):
    x = layers.Conv2D(filters, kernel, padding="same", use_bias=False, name=f"{name}_convolution")(
        x
    )
    # The momentum and epsilon of Torch, which the paper trained with.
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


# --- SRCNN ---


def _srcnn(image, factor, width, kernels=(9, 1, 5)):
    """Three convolutions after bicubic (Dong 2016, "Image super-resolution using deep ...").

    64 and 32 filters, ReLU between, none behind. On RGB, the paper's section 4.5, so that it is
    asked and answered as the others are. The border is reflected once, as wide as they need.
    """
    x = BicubicUpsampling(factor, name="bicubic")(image)
    x = ReflectionPadding2D(sum(kernel // 2 for kernel in kernels), name="pad")(x)
    # Bicubic at first: from chance alone, the paper needed 8e8 backpropagations.
    initial = {"kernel_initializer": PassThrough()}
    x = layers.Conv2D(
        _filters(64, width), kernels[0], activation="relu", name="patches", **initial
    )(x)
    x = layers.Conv2D(
        _filters(32, width), kernels[1], activation="relu", name="mapping", **initial
    )(x)
    x = layers.Conv2D(3, kernels[2], dtype="float32", name="reconstruction", **initial)(x)
    return UnitRange(dtype="float32", name="range")(x)


def _srcnn955(image, factor, width):
    """SRCNN with a 5x5 second convolution, the paper's best."""
    return _srcnn(image, factor, width, kernels=(9, 5, 5))


# What the flag --network takes: from a name, how the network is made of its input.
ARCHITECTURES = {
    "subpixel": _subpixel,
    "subpixel_hatchless": _subpixel_hatchless,
    "staged": _staged,
    "johnson2016_sr": _johnson2016_sr,
    "srcnn": _srcnn,
    "srcnn955": _srcnn955,
}
