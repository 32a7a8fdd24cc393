"""The terms of a perceptual loss, as functions of features and images.

All are averaged over the batch and computed in float32 whatever the dtype policy.
"""

from keras import ops

EMPTY = 1e-6  # a region of less weight than this counts as this, lest nothing be divided by nothing


def feature_reconstruction(features, target):
    """Mean squared difference of two feature maps [N, H, W, C] (Johnson 2016, equation 2)."""
    return ops.mean(ops.square(ops.cast(features, "float32") - ops.cast(target, "float32")))


def unit_length(features):
    """Features [N, H, W, C], each place's divided by its length; float32. None stay none."""
    features = ops.cast(features, "float32")
    squared = ops.sum(ops.square(features), axis=-1, keepdims=True)
    return features * ops.rsqrt(ops.maximum(squared, 1e-20))


def feature_reconstruction_sum(features, target):
    """Half the summed squared difference of two feature maps (Gatys 2016, equation 1)."""
    difference = ops.cast(features, "float32") - ops.cast(target, "float32")
    return ops.sum(ops.mean(ops.square(difference), axis=0)) / 2


def relative_feature_reconstruction(features, target):
    """`feature_reconstruction` over the target's own mean square.

    It makes a weight mean the same at every layer: 1 is what no features at all would cost.
    """
    energy = ops.mean(ops.square(ops.cast(target, "float32")))
    return feature_reconstruction(features, target) / energy


def gram_matrix(features, region=None):
    """Inner products of channels over positions, [N, H, W, C] to float32 [N, C, C].

    Divided by H * W * C (Johnson 2016, equation 3).

    Args:
        features: the feature maps.
        region: weights [H, W] of the positions: the guided Gram matrix of Gatys 2017
            ("Controlling Perceptual Factors", equation 6), divided by C and by the sum of the
            squared weights, so that a region of ones changes nothing. One without weight, as a
            thin region may be at a deep layer, gives zeros.
    """
    _, height, width, channels = ops.shape(features)
    positions = height * width
    flat = ops.reshape(features, (-1, positions, channels))
    if region is not None:
        weights = ops.reshape(region, (1, -1, 1))
        flat = flat * ops.cast(weights, flat.dtype)
        positions = ops.maximum(ops.sum(ops.square(ops.cast(weights, "float32"))), EMPTY)
    return inner_products(flat) / (ops.cast(positions, "float32") * ops.cast(channels, "float32"))


@ops.custom_gradient
def inner_products(flat):
    """Of the channels of [N, P, C] over positions: float32 [N, C, C]."""
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


def gatys_style(gram, target):
    """E_l of Gatys 2016, equation 4, from Gram matrices [N or 1, C, C] of `gram_matrix`.

    These are equation 3's over N_l M_l (channels and positions), so that the paper's
    1 / (4 N_l^2 M_l^2) leaves a quarter, and images of other sizes than the painting's compare.
    """
    return style_reconstruction(gram, target) / 4


def relative_style(gram, target):
    """`style_reconstruction` over the target's own squared norm.

    It makes layers count alike whatever the size of their features, which Gatys 2016 (section 2)
    reaches by normalising the network.
    """
    return style_reconstruction(gram, target) / ops.sum(ops.square(target))


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
    """Mean square of what magnitudes in an array of any shape exceed `limit` by."""
    beyond = ops.relu(ops.abs(ops.cast(features, "float32")) - limit)
    return ops.mean(ops.square(beyond))


def prominence(features):
    """How strong features [N, H, W, C] are at each place, float32 [N, H, W].

    Their root mean square over the channels there, over that of the whole image: 1 on average.
    """
    energy = ops.mean(ops.square(ops.cast(features, "float32")), axis=-1)
    mean = ops.mean(energy, axis=(1, 2), keepdims=True)
    # Small beside any energy, so that the root has a gradient where all are 0.
    return ops.sqrt((energy + 1e-6) / (mean + 1e-6))
