"""A style statistic beyond the Gram matrix: means and covariances, compared as Gaussians."""

import numpy as np
from keras import ops

from zoo.losses import EMPTY, inner_products

# Added to the covariances' diagonals, over the target's largest eigenvalue: a square root has no
# gradient at 0, and that of a product of two is lost to rounding below 3e-4 of the largest.
_RIDGE = 1e-3


def moments(features, region=None):
    """Mean and covariance of features over positions.

    Args:
        features: [N, H, W, C].
        region: weights [H, W] of the positions; all the same if None.

    Returns:
        {"mean": float32 [N, C], "covariance": float32 [N, C, C]}.
    """
    _, height, width, channels = ops.shape(features)
    flat = ops.reshape(features, (-1, height * width, channels))
    if region is None:
        region = ops.ones((height, width))
    weights = ops.reshape(ops.cast(region, "float32"), (1, -1, 1))
    weights = weights / ops.maximum(ops.sum(weights), EMPTY)
    mean = ops.sum(weights * ops.cast(flat, "float32"), axis=1)
    centred = (flat - ops.cast(mean[:, None], flat.dtype)) * ops.cast(ops.sqrt(weights), flat.dtype)
    return {"mean": mean, "covariance": inner_products(centred)}


def wasserstein(found, target):
    """Squared 2-Wasserstein distance of two Gaussians (Dowson and Landau 1982).

    Args:
        found: what `moments` gave.
        target: the same of one painting, as NumPy arrays [C] and [C, C].

    Returns:
        float32 scalar, averaged over the batch, relative to the painting's mean squared feature.
        Directions of less than a thousandth of the painting's largest variance hardly count.
    """
    energy = max(np.trace(target["covariance"]) + np.sum(np.square(target["mean"])), EMPTY)
    values, vectors = np.linalg.eigh(target["covariance"].astype("float64"))
    # A flat painting has no covariance to measure the ridge by.
    ridge = _RIDGE * max(values[-1], EMPTY * energy)
    root = (vectors * np.sqrt(np.maximum(values, 0) + ridge)) @ vectors.T
    root, diagonal = np.float32(root), np.float32(ridge * np.eye(len(root)))
    covariance = ops.add(found["covariance"], diagonal)
    between = _trace_of_root(ops.matmul(root, ops.matmul(covariance, root)))
    shift = ops.sum(ops.square(ops.subtract(found["mean"], target["mean"])), axis=1)
    spread = ops.trace(covariance, axis1=1, axis2=2) + np.trace(target["covariance"] + diagonal)
    return ops.mean(shift + spread - 2 * between) / energy


@ops.custom_gradient
def _trace_of_root(matrices):
    # Of symmetric positive definite [N, C, C]. The gradient of the eigenvectors is not needed, and
    # is not finite where two eigenvalues are equal.
    values, vectors = ops.eigh(matrices)
    roots = ops.sqrt(ops.maximum(values, ops.max(values, axis=-1, keepdims=True) * 1e-7))

    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        inverse = ops.matmul(vectors / roots[:, None, :], ops.transpose(vectors, (0, 2, 1)))
        return upstream[:, None, None] * inverse / 2

    return ops.sum(roots, axis=-1), gradient
