"""What the machine is, and what it is good at."""

import platform
from importlib.metadata import version
from pathlib import Path

import keras


def _has_accelerator():
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.default_backend() != "cpu"
    if backend == "torch":
        import torch

        return torch.cuda.is_available()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def default_dtype_policy():
    """`mixed_bfloat16` on an accelerator or a CPU with bfloat16 instructions, else `float32`."""
    cpu = Path("/proc/cpuinfo")
    if _has_accelerator() or (cpu.exists() and "_bf16" in cpu.read_text()):
        return "mixed_bfloat16"
    return "float32"


def environment():
    """What a record of a run tells of where it ran: machine, backend and versions, as strings."""
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "backend": keras.backend.backend(),
        **{package: version(package) for package in ("keras", "numpy", "pillow")},
    }
