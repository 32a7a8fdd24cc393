"""The flag that chooses the arithmetic, alike in every program that trains or descends."""

from absl import flags

flags.disclaim_key_flags()  # it is the calling program's, whose --help shows it


def define():
    """Define --dtype_policy; None stands for `trainers.hardware.default_dtype_policy`."""
    flags.DEFINE_enum(
        "dtype_policy",
        None,
        ["float32", "mixed_bfloat16"],
        "Arithmetic of networks; mixed_bfloat16 where the hardware has it if not given.",
    )
