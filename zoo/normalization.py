"""Instance normalisation (Ulyanov 2016), with one fused kernel where TensorFlow has it."""

import contextlib
import contextvars

import keras
from keras import ops

_SHARED = contextvars.ContextVar(
    "statistics by the layer's name, if calls share them", default=None
)


@contextlib.contextmanager
def shared_statistics():
    """Within, each layer of `NORMS` keeps the statistics of its first call for later ones.

    So a network that is called on a thumbnail first normalises whatever it is called on next, a
    tile of the image at full size, as it did the thumbnail: thumbnail instance normalisation (Chen
    2022, "Towards Ultra-Resolution Neural Style Transfer via Thumbnail Instance Normalization").
    Under `tf.function` this holds while the calls are traced, so for the graph that comes of them.
    """
    token = _SHARED.set({})
    try:
        yield
    finally:
        _SHARED.reset(token)


@keras.saving.register_keras_serializable(package="zoo")
class InstanceNormalization(keras.layers.Layer):
    """Give each channel of each image mean `beta` and standard deviation `gamma`.

    [N, H, W, C] to the same shape. The statistics over (H, W) are computed in float32 whatever
    the dtype policy. On TensorFlow each image goes through the fused batch-norm kernel, which is
    exact for a batch of one and 2.5 times faster than the written-out form; every other backend
    runs the written-out form, and a test holds the two equal.
    """

    def __init__(self, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, shape):
        self.gamma = self.add_weight(
            shape=(shape[-1],), initializer="ones", name="gamma", autocast=False
        )
        self.beta = self.add_weight(
            shape=(shape[-1],), initializer="zeros", name="beta", autocast=False
        )

    def call(self, images):
        return _normalized_by(self, images, *self.parameters())

    def parameters(self):
        """Gamma and beta, [C]."""
        return self.gamma, self.beta

    def compute_output_shape(self, images_shape):
        return images_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="zoo")
class ConditionalInstanceNormalization(keras.layers.Layer):
    """`InstanceNormalization` with a `gamma` and a `beta` for each style (Dumoulin 2017).

    Call with (images [N, H, W, C], style_weights [N, S]): each image gets the weighted sums of the
    styles' parameters.

    Args:
        styles: their number, S.
        epsilon: added to the variance.
    """

    def __init__(self, styles, epsilon=1e-5, **kwargs):
        # Style weights stay float32, and images come in the compute dtype already.
        super().__init__(autocast=False, **kwargs)
        self.styles = styles
        self.epsilon = epsilon

    def build(self, images_shape, style_weights_shape):
        shape = (self.styles, images_shape[-1])
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta", autocast=False)

    def call(self, images, style_weights):
        return _normalized_by(self, images, *self.parameters(style_weights))

    def parameters(self, style_weights):
        """Gamma and beta of each image, [N, C]."""
        style_weights = ops.cast(style_weights, "float32")
        return ops.matmul(style_weights, self.gamma), ops.matmul(style_weights, self.beta)

    def compute_output_shape(self, images_shape, style_weights_shape):
        return images_shape

    def get_config(self):
        return {**super().get_config(), "styles": self.styles, "epsilon": self.epsilon}


NORMS = (InstanceNormalization, ConditionalInstanceNormalization)


def _normalized_by(layer, images, gamma, beta):
    """Images [N, H, W, C] by a layer's gamma and beta, [C] or [N, C]."""
    shared = _SHARED.get()
    if shared is not None:
        if layer.name not in shared:
            shared[layer.name] = _statistics(images)
        return normalized(images, *shared[layer.name], gamma, beta, layer.epsilon)
    form = _fused if keras.backend.backend() == "tensorflow" else _written_out
    return form(images, gamma, beta, layer.epsilon)


def _written_out(images, gamma, beta, epsilon):
    return normalized(images, *_statistics(images), gamma, beta, epsilon)


def _statistics(images):
    """Mean and variance of each image's channels, float32 [N, 1, 1, C]."""
    return ops.moments(ops.cast(images, "float32"), axes=(1, 2), keepdims=True)


def normalized(images, mean, variance, gamma, beta, epsilon):
    """Images by statistics [N, 1, 1, C], then by gamma and beta, [C] or [N, C]."""
    gamma, beta = (ops.reshape(each, (-1, 1, 1, images.shape[-1])) for each in (gamma, beta))
    scale = gamma * ops.rsqrt(variance + epsilon)
    pixels = ops.cast(images, "float32")
    return ops.cast(pixels * scale + (beta - mean * scale), images.dtype)


def _fused(images, gamma, beta, epsilon):
    import tensorflow as tf

    def normalize(image, gamma, beta):
        # The V3 kernel takes bfloat16 images beside float32 scale and offset.
        return tf.raw_ops.FusedBatchNormV3(
            x=image, scale=gamma, offset=beta, mean=(), variance=(), epsilon=epsilon
        ).y

    count = images.shape[0]
    if count == 1:
        return normalize(images, tf.reshape(gamma, [-1]), tf.reshape(beta, [-1]))
    rows = [tf.shape(images)[0] if count is None else count, images.shape[-1]]
    gammas, betas = (tf.broadcast_to(each, rows) for each in (gamma, beta))
    if count is not None:
        each = zip(tf.split(images, count), tf.unstack(gammas), tf.unstack(betas), strict=True)
        return tf.concat([normalize(*one) for one in each], axis=0)
    normalized = tf.map_fn(
        lambda one: normalize(one[0][None], *one[1:])[0],
        (images, gammas, betas),
        fn_output_signature=images.dtype,
    )
    return tf.ensure_shape(normalized, images.shape)
