"""How much memory an optimisation will take, told before it starts."""

import math

from trainers.pyramid import size_to_fit
from zoo.errors import UserError
from zoo.memory import available

# Of the features that are kept for the gradient, measured at 512 to 2048 pixels: what TensorFlow
# takes beyond them for gradients, convolution workspaces and the process itself.
_FEATURES_FACTOR = 2.2
_FORWARD_FACTOR = 1.3  # the same of a painting, which has no gradient; 896 pixels
_PROCESS = 1.0e9  # bytes


def bytes_needed(
    loss_network, layers, size, optimizer="lbfgs", dtype_policy="float32", painting_sizes=()
):
    """Estimate of a run's peak in bytes.

    Args:
        loss_network: a `zoo.vgg.LossNetwork`.
        layers: names of the layers whose features are used.
        size: (height, width) of the largest image in pixels.
        optimizer: of `trainers.descent.MINIMIZERS`.
        dtype_policy: of the features.
        painting_sizes: (height, width) of each painting beside that image.
    """
    width = 2 if "16" in dtype_policy else 4
    features = width * loss_network.features_per_pixel(layers)
    arrays = 50 * 8 if optimizer != "adam" else 8 * 4  # see `trainers.minimizers`
    image = math.prod(size) * (_FEATURES_FACTOR * features + 3 * arrays)
    painting = max(map(math.prod, painting_sizes), default=0) * _FORWARD_FACTOR * features
    return _PROCESS + max(image, painting)  # one painting after the other, then the image


def check(loss_network, layers, size, optimizer, dtype_policy, free=None, painting_sizes=()):
    """Refuse a run that memory will not do for.

    Args:
        loss_network: a `zoo.vgg.LossNetwork`.
        layers: names of the layers whose features are used.
        size: (height, width) of the largest image in pixels.
        optimizer: of `trainers.descent.MINIMIZERS`.
        dtype_policy: of the features.
        free: bytes; `available()` if None.
        painting_sizes: (height, width) of each painting beside that image.

    Raises:
        UserError: it is too little; the text names a size that would do.
    """
    free = available() if free is None else free

    def needed_at(long_side):
        sizes = (
            size_to_fit(shape, round(max(shape) * long_side / max(size)))
            for shape in (size, *painting_sizes)
        )
        return bytes_needed(loss_network, layers, next(sizes), optimizer, dtype_policy, sizes)

    needed = needed_at(max(size))
    if needed <= free:
        return
    smaller = range(max(size) // 32 * 32, 0, -32)
    fits = next((side for side in smaller if needed_at(side) <= free), None)
    advice = f"--size={fits} would do" if fits else "no size would do"
    raise UserError(
        f"--size={max(size)} needs about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} are "
        f"free: {advice}"
        + (", or --optimizer=adam takes less" if optimizer != "adam" else "")
        + ("" if "16" in dtype_policy else "; --dtype_policy=mixed_bfloat16 halves the features")
    )
