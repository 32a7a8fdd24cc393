"""Image-transformation networks: an RGB image in, an RGB image of exactly the same size out."""

import keras
from keras import layers

from zoo.layers import CropLike, NearestSubpixel, PixelShuffle, ReflectionPadding2D
from zoo.normalization import InstanceNormalization


@keras.saving.register_keras_serializable(package="zoo")
class StyleNetwork(keras.Model):
    """Encoder, residual trunk and decoder of Johnson 2016 (supplementary material, table 1).

    Input and output: float32 [N, H, W, 3] in [0, 1], any H and W from 1 up. The image is
    reflected once at the input. The 3x3 convolutions of the trunk are not padded, so each block
    eats two trunk pixels of that border on every side, and what is left is cropped at the end.

    Args:
        stem: convolutions down to the trunk's resolution, each (filters, kernel, stride).
        residual_blocks: number of blocks, each of two 3x3 convolutions of the last stem width.
        head: convolutions up again, each (filters, kernel, nearest-neighbour upsampling factor).
        output_kernel: side of the last convolution's kernel.
        output_scale: 1, or the factor of a sub-pixel convolution at the end.
        padding: reflected pixels on each side of the input; at least what the trunk eats.
        width: factor on every hidden layer's filters.
    """

    def __init__(
        self,
        stem=((32, 9, 1), (64, 3, 2), (128, 3, 2)),
        residual_blocks=5,
        head=((64, 3, 2), (32, 3, 2)),
        output_kernel=9,
        output_scale=1,
        padding=40,
        width=1.0,
        **kwargs,
    ):
        stride = 1
        for _, _, s in stem:
            stride *= s
        eaten = 4 * residual_blocks * stride // 2
        if padding < eaten:
            raise ValueError(f"padding={padding}: {residual_blocks} blocks eat {eaten} pixels")

        def filters(count):
            return max(1, round(width * count))

        # --- Encoder ---
        inputs = keras.Input((None, None, 3), name="image")
        x = ReflectionPadding2D(padding, multiple=stride, name="pad")(inputs)
        for i, (count, kernel, s) in enumerate(stem):
            x = _convolution(x, filters(count), kernel, f"stem{i + 1}", strides=s)
        # --- Residual trunk (He 2016 without the ReLU after the addition) ---
        for i in range(residual_blocks):
            x = _residual_block(x, f"residual{i + 1}")
        # --- Decoder ---
        for i, (count, kernel, scale) in enumerate(head):
            if scale > 1:
                x = layers.UpSampling2D(scale, name=f"upsample{i + 1}")(x)
            x = _convolution(x, filters(count), kernel, f"head{i + 1}")
        x = layers.Conv2D(
            3 * output_scale**2,
            output_kernel,
            padding="same",
            kernel_initializer=NearestSubpixel(output_scale),
            name="output",
        )(x)
        if output_scale > 1:
            x = PixelShuffle(output_scale, name="shuffle")(x)
        x = CropLike(padding - eaten, name="crop")(x, inputs)
        # The paper's scaled tanh, (tanh(x / 2) + 1) / 2, is the sigmoid.
        outputs = layers.Activation("sigmoid", dtype="float32", name="range")(x)

        super().__init__(inputs, outputs, **kwargs)
        self.config = {
            "stem": stem,
            "residual_blocks": residual_blocks,
            "head": head,
            "output_kernel": output_kernel,
            "output_scale": output_scale,
            "padding": padding,
            "width": width,
        }

    def get_config(self):
        return {"name": self.name, "trainable": self.trainable, **self.config}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _convolution(x, filters, kernel, name, strides=1, padding="same", relu=True):
    # The norm that follows takes any bias away.
    x = layers.Conv2D(
        filters, kernel, strides, padding, use_bias=False, name=f"{name}_convolution"
    )(x)
    x = InstanceNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _residual_block(x, name):
    filters = x.shape[-1]
    y = _convolution(x, filters, 3, f"{name}a", padding="valid")
    y = _convolution(y, filters, 3, f"{name}b", padding="valid", relu=False)
    shortcut = layers.Cropping2D(2, name=f"{name}_crop")(x)
    return layers.Add(name=f"{name}_add")([shortcut, y])


# What the flag --network takes: a name, and the constructor's arguments.
NETWORKS = {
    # Johnson 2016, with instance norm for batch norm and nearest-neighbour upsampling before a
    # convolution for the fractionally strided one.
    "johnson2016": {},
    # Two strided 4x4 convolutions to a quarter of the resolution, and a sub-pixel output.
    "quarter": {
        "stem": ((32, 4, 2), (96, 4, 2)),
        "head": ((48, 3, 2),),
        "output_kernel": 3,
        "output_scale": 2,
        "padding": 48,
    },
}
