"""The terms of a perceptual loss, as functions of features and images.

All are averaged over the batch and computed in float32 whatever the dtype policy.
"""

from keras import ops


def feature_reconstruction(features, target):
    """Mean squared difference of two feature maps [N, H, W, C] (Johnson 2016, equation 2)."""
    return ops.mean(ops.square(ops.cast(features, "float32") - ops.cast(target, "float32")))


def gram_matrix(features):
    """Inner products of channels over positions, [N, H, W, C] to float32 [N, C, C].

    Divided by H * W * C (Johnson 2016, equation 3).
    """
    _, height, width, channels = ops.shape(features)
    flat = ops.reshape(features, (-1, height * width, channels))
    return _inner_products(flat) / ops.cast(height * width * channels, "float32")


@ops.custom_gradient
def _inner_products(flat):
    # Sums in float32; the gradient in the features' own dtype, which it is rounded to anyway and
    # where bfloat16 takes half the time.
    wide = ops.cast(flat, "float32")

    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        both = upstream + ops.transpose(upstream, (0, 2, 1))
        return ops.matmul(flat, ops.cast(both, flat.dtype))

    return ops.matmul(ops.transpose(wide, (0, 2, 1)), wide), gradient


def style_reconstruction(gram, target):
    """Squared Frobenius norm between Gram matrices [N or 1, C, C] (Johnson 2016, equation 4)."""
    return ops.mean(ops.sum(ops.square(ops.subtract(gram, target)), axis=(1, 2)))


def total_variation(images):
    """Mean squared difference of neighbours, across and down, of images [N, H, W, 3].

    The squared form of Johnson 2016 (section 3.3), per pixel and channel, so that a weight means
    the same at every size.
    """
    images = ops.cast(images, "float32")
    down = ops.mean(ops.square(images[:, 1:] - images[:, :-1]))
    across = ops.mean(ops.square(images[:, :, 1:] - images[:, :, :-1]))
    return down + across


def excess(features, limit):
    """Mean square of what magnitudes in features [N, H, W, C] exceed `limit` by."""
    beyond = ops.relu(ops.abs(ops.cast(features, "float32")) - limit)
    return ops.mean(ops.square(beyond))
