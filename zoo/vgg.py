"""The loss network: a frozen VGG that takes [0, 1] RGB images and gives features by layer name."""

import re
import textwrap
import warnings

import keras

from zoo.errors import UserError

ARCHITECTURES = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}
PREPROCESSINGS = ("caffe", "torch")
POOLINGS = ("max", "average")


@keras.saving.register_keras_serializable(package="zoo")
class VGGPreprocessing(keras.layers.Layer):
    """[0, 1] RGB to what a file of VGG weights was trained on, in float32.

    Args:
        mode: "caffe" for the Oxford weights (BGR in 0..255 less the mean), which
            `keras.applications` downloads; "torch" for torchvision's (RGB less the mean, over the
            standard deviation).
    """

    def __init__(self, mode, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.mode = mode

    def call(self, images):
        return keras.applications.imagenet_utils.preprocess_input(
            images * 255.0, data_format="channels_last", mode=self.mode
        )

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}


class LossNetwork:
    """VGG-16 or VGG-19, frozen, with its preprocessing.

    Layers go by the papers' names: "relu2_2" is the second convolution of the second block after
    its ReLU, "conv2_2" the same before it. Features are in the dtype policy's compute dtype.

    Args:
        architecture: "vgg16" or "vgg19".
        weights: "imagenet" (keras.applications downloads the Oxford weights once), a Keras weight
            file without the top, or None for random ones.
        preprocessing: "caffe" or "torch", whichever the weights were trained with.
        pooling: "max", which the weights were trained with, or "average", which gave Gatys 2016
            (section 2) slightly more appealing results.

    Raises:
        UserError: the weights cannot be had or do not fit the architecture.
    """

    def __init__(
        self, architecture="vgg16", weights="imagenet", preprocessing="caffe", pooling="max"
    ):
        if preprocessing not in PREPROCESSINGS:
            raise UserError(f"unknown preprocessing {preprocessing!r}: caffe or torch")
        if pooling not in POOLINGS:
            raise UserError(f"unknown pooling {pooling!r}: max or average")
        self.architecture = architecture
        try:
            with warnings.catch_warnings(action="ignore"):  # Keras warns of each layer, then fails
                vgg = ARCHITECTURES[architecture](include_top=False, weights=weights)
        except Exception as error:  # download, h5py and Keras each raise their own kinds
            reason = textwrap.shorten(str(error), 300)  # Keras adds whole weight arrays
            raise UserError(
                f"cannot load {architecture} weights {weights!r}: {reason}\n"
                "Give a Keras weight file of the network without its top, or 'imagenet' on a "
                "machine that can download."
            ) from error
        vgg.trainable = False
        self._inputs = keras.Input((None, None, 3), name="image")
        x = VGGPreprocessing(preprocessing, name="preprocessing")(self._inputs)
        self._outputs = {}
        self._smallest_sides = {}
        side = 1
        for layer in vgg.layers[1:]:
            if isinstance(layer, keras.layers.MaxPooling2D):
                side *= 2
                if pooling == "average":
                    layer = keras.layers.AveragePooling2D(2, name=layer.name)
            match = re.fullmatch(r"block(\d)_conv(\d)", layer.name)
            if match:
                layer.activation = keras.activations.linear
            x = layer(x)
            if match:
                place = "{}_{}".format(*match.groups())
                self._outputs[f"conv{place}"] = x
                x = keras.layers.ReLU(name=f"relu{place}")(x)
                self._outputs[f"relu{place}"] = x
                self._smallest_sides[place] = side

    @property
    def layers(self):
        """Names of the layers that features can be taken from after a ReLU, shallow to deep."""
        return tuple(name for name in self._outputs if name.startswith("relu"))

    def features(self, layers):
        """A model from [N, H, W, 3] images in [0, 1] to a dict of features, no deeper than needed.

        Args:
            layers: names such as "relu2_2".

        Raises:
            UserError: a layer does not exist.
        """
        self._check(layers)
        model = keras.Model(self._inputs, {name: self._outputs[name] for name in layers})
        model.trainable = False
        return model

    def smallest_side(self, layers):
        """Height and width in pixels that an image must have at least for all these features.

        Each pooling before the deepest layer doubles it: 1 for "relu1_2", 16 for "relu5_1".

        Args:
            layers: names such as "relu2_2"; none need 1 pixel.

        Raises:
            UserError: a layer does not exist.
        """
        self._check(layers)
        return max((self._smallest_sides[_place(layer)] for layer in layers), default=1)

    def features_per_pixel(self, layers):
        """Numbers that all convolutions up to the deepest of these layers give, for each pixel.

        Args:
            layers: names such as "relu2_2".

        Raises:
            UserError: a layer does not exist.
        """
        self._check(layers)
        places = list(self._smallest_sides)
        deepest = max((places.index(_place(layer)) for layer in layers), default=-1)
        return sum(
            self._outputs[f"relu{place}"].shape[-1] / self._smallest_sides[place] ** 2
            for place in places[: deepest + 1]
        )

    def _check(self, layers):
        for layer in layers:
            if layer not in self._outputs:
                raise UserError(
                    f"{self.architecture} has no layer {layer!r}; it has {', '.join(self.layers)}, "
                    "and conv for relu is the same before the ReLU"
                )


def _place(layer):
    """Block and convolution: "2_2" of "relu2_2" and of "conv2_2"."""
    return layer[4:]
