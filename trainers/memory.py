"""How much memory an optimisation will take, told before it starts."""

import math
from pathlib import Path

import psutil

from zoo.errors import UserError

# Of the features that are kept for the gradient, measured at 512 to 2048 pixels: what TensorFlow
# takes beyond them for gradients, convolution workspaces and the process itself.
_FEATURES_FACTOR = 2.2
_PROCESS = 1.0e9  # bytes


def bytes_needed(loss_network, layers, size, optimizer="lbfgs", dtype_policy="float32"):
    """Estimate of a run's peak in bytes.

    Args:
        loss_network: a `zoo.vgg.LossNetwork`.
        layers: names of the layers whose features are used.
        size: (height, width) of the largest image in pixels.
        optimizer: "lbfgs" or "adam".
        dtype_policy: of the features.
    """
    pixels = math.prod(size)
    return _PROCESS + pixels * _bytes_per_pixel(loss_network, layers, optimizer, dtype_policy)


def _bytes_per_pixel(loss_network, layers, optimizer, dtype_policy):
    width = 2 if "16" in dtype_policy else 4
    features = width * _FEATURES_FACTOR * loss_network.features_per_pixel(layers)
    arrays = 45 * 8 if optimizer == "lbfgs" else 8 * 4  # see `trainers.minimizers`
    return features + 3 * arrays


def available():
    """Bytes that this process may still take: the machine's, or its container's if less."""
    free = psutil.virtual_memory().available
    limit = Path("/sys/fs/cgroup/memory.max")
    used = Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and (text := limit.read_text().strip()) != "max":
        free = min(free, int(text) - int(used.read_text()))
    return free


def check(loss_network, layers, size, optimizer, dtype_policy, free=None):
    """Refuse a run that memory will not do for.

    Args:
        loss_network: a `zoo.vgg.LossNetwork`.
        layers: names of the layers whose features are used.
        size: (height, width) of the largest image in pixels.
        optimizer: "lbfgs" or "adam".
        dtype_policy: of the features.
        free: bytes; `available()` if None.

    Raises:
        UserError: it is too little; the text names a size that would do.
    """
    free = available() if free is None else free
    needed = bytes_needed(loss_network, layers, size, optimizer, dtype_policy)
    if needed <= free:
        return
    per_pixel = _bytes_per_pixel(loss_network, layers, optimizer, dtype_policy)
    scale = math.sqrt(max(free - _PROCESS, 0) / per_pixel / math.prod(size))
    fits = int(scale * max(size)) // 32 * 32
    advice = f"--size={fits} would do" if fits else "no size would do"
    raise UserError(
        f"--size={max(size)} needs about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} are "
        f"free: {advice}"
        + (", or --optimizer=adam takes less" if optimizer == "lbfgs" else "")
        + ("" if "16" in dtype_policy else "; --dtype_policy=mixed_bfloat16 halves the features")
    )
