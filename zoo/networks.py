"""Image-transformation networks: an RGB image in, an RGB image of exactly the same size out."""

import functools

import keras
from keras import layers

from zoo.enlarging_convolution import EnlargingConv2D
from zoo.layers import (
    BinomialBlur,
    CropLike,
    LatticeSuppression,
    NearestSubpixel,
    NearestUpsampling2D,
    PixelShuffle,
    ReflectionPadding2D,
    WeightedLogits,
)
from zoo.normalization import ConditionalInstanceNormalization, InstanceNormalization


@keras.saving.register_keras_serializable(package="zoo")
class StyleNetwork(keras.Model):
    """Encoder, residual trunk and decoder of Johnson 2016 (supplementary material, table 1).

    Input and output: float32 [N, H, W, 3] in [0, 1], any H and W from 1 up. The image is
    reflected once at the input, and what is left of that border is cropped at the end.

    With `styles`, one trunk knows many (Dumoulin 2017): a second input `style_weights`, float32
    [N, styles], says how much of each, and every norm has parameters for each. The last of them is
    the photo itself: its weight is also that of the input in the sum before the output's range.

    Args:
        stem: convolutions down to the trunk's resolution, each (filters, kernel, stride).
        block: of the trunk, a name of `BLOCKS`.
        residual_blocks: number of blocks, of the last stem width.
        head: convolutions up again, each (filters, kernel, upsampling factor).
        upsampling: of the head, "nearest"; "latticeless": nearest, of what does not alternate all
            around; or "smooth": bilinear, of what has lost its highest frequency.
        output_kernel: side of the last convolution's kernel.
        output_scale: 1, or the factor of a sub-pixel convolution at the end.
        padding: reflected pixels on each side of the input; at least what the trunk eats.
        head_padding: those of them that the head still sees: what the trunk leaves, or less by a
            multiple of what the stem reduces by; None for all that it leaves.
        trunk_padding: of the trunk's 3x3 convolutions: "valid", so that each block eats two trunk
            pixels of the border on every side; "same", zeros; or "reflect".
        layer_padding: of the other convolutions, "same", or "reflect" if their kernels are odd;
            those that enlarge smoothly have "same".
        trunk_norms: "all", or "few": none after a block's last convolution, which has a bias then.
        skips: whether what a stem's convolution gives is added to what the head's at the same
            resolution and of the same width gives. The trunk must not be "valid" then, and the head
            sees all of the border.
        width: factor on every hidden layer's filters.
        styles: None for one style, or how many, the photo included.
    """

    def __init__(
        self,
        stem=((32, 9, 1), (64, 3, 2), (128, 3, 2)),
        block="dense",
        residual_blocks=5,
        head=((64, 3, 2), (32, 3, 2)),
        upsampling="nearest",
        output_kernel=9,
        output_scale=1,
        padding=40,
        head_padding=None,
        trunk_padding="valid",
        layer_padding="same",
        trunk_norms="all",
        skips=False,
        width=1.0,
        styles=None,
        **kwargs,
    ):
        stride = 1
        for _, _, s in stem:
            stride *= s
        eaten = 2 * residual_blocks * stride if trunk_padding == "valid" else 0
        if padding < eaten:
            raise ValueError(f"padding={padding}: {residual_blocks} blocks eat {eaten} pixels")
        if upsampling not in ("nearest", "latticeless", "smooth"):
            raise ValueError(f"upsampling={upsampling!r}: nearest, latticeless or smooth")
        border = padding - eaten if head_padding is None else head_padding
        superfluous = padding - eaten - border
        if superfluous < 0 or superfluous % stride:
            raise ValueError(
                f"head_padding={border}: not {padding - eaten} or less by a multiple of {stride}"
            )
        if skips and (eaten or superfluous):
            raise ValueError("skips need the whole border: trunk_padding, head_padding")

        def filters(count):
            return max(1, round(width * count))

        # --- Inputs ---
        inputs = keras.Input((None, None, 3), name="image")
        if styles is None:
            model_inputs, norm = inputs, _norm
        else:
            style_weights = keras.Input((styles,), name="style_weights")
            model_inputs = [inputs, style_weights]
            norm = functools.partial(_conditional_norm, style_weights=style_weights, styles=styles)

        # --- Encoder ---
        x = ReflectionPadding2D(padding, multiple=stride, name="pad")(inputs)
        encoded, reduction = {}, 1
        for i, (count, kernel, s) in enumerate(stem):
            x = _convolution(x, norm, filters(count), kernel, f"stem{i + 1}", layer_padding, s)
            reduction *= s
            encoded[reduction, filters(count)] = x
        # --- Residual trunk (He 2016 without the ReLU after the addition) ---
        for i in range(residual_blocks):
            shortcut = x
            last_norm = norm if trunk_norms == "all" else None
            x = BLOCKS[block](x, norm, last_norm, f"residual{i + 1}", trunk_padding)
            if trunk_padding == "valid":
                shortcut = layers.Cropping2D(2, name=f"residual{i + 1}_crop")(shortcut)
            x = layers.Add(name=f"residual{i + 1}_add")([shortcut, x])
        # --- Decoder ---
        for i, (count, kernel, scale) in enumerate(head):
            name = f"head{i + 1}"
            if scale > 1 and upsampling == "latticeless":
                x = LatticeSuppression(name=f"{name}_lattice")(x)
            if i == 0 and superfluous:
                x = layers.Cropping2D(superfluous // reduction, name="crop_trunk")(x)
            if scale > 1 and upsampling == "smooth":
                x = _smooth_enlargement(x, norm, filters(count), kernel, scale, name)
            else:
                if scale > 1:
                    x = NearestUpsampling2D(scale, name=f"upsample{i + 1}")(x)
                x = _convolution(x, norm, filters(count), kernel, name, layer_padding)
            reduction //= scale
            if skips and (reduction, filters(count)) in encoded:
                x = layers.Add(name=f"skip{i + 1}")([x, encoded[reduction, filters(count)]])
        x = layers.Conv2D(
            3 * output_scale**2,
            output_kernel,
            padding="same",
            kernel_initializer=NearestSubpixel(output_scale),
            name="output",
        )(x)
        if output_scale > 1:
            x = PixelShuffle(output_scale, name="shuffle")(x)
        x = CropLike(border, name="crop")(x, inputs)
        if styles is not None:
            x = WeightedLogits(name="photo")(x, inputs, style_weights[:, -1])
        # The paper's scaled tanh, (tanh(x / 2) + 1) / 2, is the sigmoid.
        outputs = layers.Activation("sigmoid", dtype="float32", name="range")(x)

        super().__init__(model_inputs, outputs, **kwargs)
        self.styles = styles
        self.config = {
            "stem": stem,
            "block": block,
            "residual_blocks": residual_blocks,
            "head": head,
            "upsampling": upsampling,
            "output_kernel": output_kernel,
            "output_scale": output_scale,
            "padding": padding,
            "head_padding": head_padding,
            "trunk_padding": trunk_padding,
            "layer_padding": layer_padding,
            "trunk_norms": trunk_norms,
            "skips": skips,
            "width": width,
            "styles": styles,
        }

    def get_config(self):
        return {"name": self.name, "trainable": self.trainable, **self.config}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _norm(x, name):
    return InstanceNormalization(name=f"{name}_norm")(x)


def _conditional_norm(x, name, style_weights, styles):
    return ConditionalInstanceNormalization(styles, name=f"{name}_norm")(x, style_weights)


def _convolution(x, norm, filters, kernel, name, padding="same", strides=1, relu=True):
    if padding == "reflect":
        x = ReflectionPadding2D(kernel // 2, name=f"{name}_pad")(x)
        padding = "valid"
    x = layers.Conv2D(
        filters,
        kernel,
        strides,
        padding,
        use_bias=norm is None,  # a norm would take any bias away
        name=f"{name}_convolution",
    )(x)
    x = norm(x, name) if norm else x
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _smooth_enlargement(x, norm, filters, kernel, scale, name):
    """`_convolution` of x, blurred and bilinearly enlarged."""
    x = BinomialBlur(name=f"{name}_blur")(x)
    x = EnlargingConv2D(filters, kernel, scale, use_bias=False, name=f"{name}_convolution")(x)
    return layers.ReLU(name=f"{name}_relu")(norm(x, name))


def _depthwise(x, name, padding):
    if padding == "reflect":
        x = ReflectionPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid"
    return layers.DepthwiseConv2D(3, padding=padding, use_bias=False, name=f"{name}_depthwise")(x)


def _dense_block(x, norm, last_norm, name, padding):
    """Two 3x3 convolutions (He 2016)."""
    filters = x.shape[-1]
    x = _convolution(x, norm, filters, 3, f"{name}a", padding)
    return _convolution(x, last_norm, filters, 3, f"{name}b", padding, relu=False)


def _separable_block(x, norm, last_norm, name, padding):
    """The same of depthwise-separable convolutions (Howard 2017)."""
    filters = x.shape[-1]
    x = _convolution(_depthwise(x, f"{name}a", padding), norm, filters, 1, f"{name}a")
    x = _depthwise(x, f"{name}b", padding)
    return _convolution(x, last_norm, filters, 1, f"{name}b", relu=False)


def _inverted_block(x, norm, last_norm, name, padding, expansion=2):
    """Two 3x3 depthwise convolutions of twice the channels between 1x1 ones (Sandler 2018)."""
    filters = x.shape[-1]
    x = _convolution(x, norm, expansion * filters, 1, f"{name}a")
    x = _depthwise(_depthwise(x, f"{name}b", padding), f"{name}c", padding)
    return _convolution(x, last_norm, filters, 1, f"{name}c", relu=False)


BLOCKS = {
    "dense": _dense_block,
    "separable": _separable_block,
    "inverted": _inverted_block,
}
