"""How much memory an optimisation will take, told before it starts."""

import math
from pathlib import Path

import psutil

from trainers.pyramid import size_to_fit
from zoo.errors import UserError

# Of the features that are kept for the gradient, measured at 512 to 2048 pixels: what TensorFlow
# takes beyond them for gradients, convolution workspaces and the process itself.
_FEATURES_FACTOR = 2.2
_FORWARD_FACTOR = 1.3  # the same of a painting, which has no gradient; 896 pixels
_PROCESS = 1.0e9  # bytes

# A container's control group, of version 2 or 1: the limit, what is used, and in memory.stat what
# of this are files in the cache that make room when it is wanted.
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


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


def available():
    """Bytes that this process may still take: the machine's, or its container's if less."""
    free = psutil.virtual_memory().available
    for limit, used, stat, cached in _FILES:
        limit, used, stat = (_CONTROL_GROUPS / name for name in (limit, used, stat))
        if limit.exists() and (text := limit.read_text().strip()) != "max":
            cache = dict(line.split() for line in stat.read_text().splitlines())[cached]
            free = min(free, int(text) - int(used.read_text()) + int(cache))
    return free


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
