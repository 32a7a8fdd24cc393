"""The flags that every training program has."""

from absl import flags

from trainers import dtype_policy_flag

flags.disclaim_key_flags()  # they are the calling program's, whose --help shows them


def define(steps, learning_rate):
    """Define --content, --output, --steps, --learning_rate, --seed, --dtype_policy, ...

    Args:
        steps: default of that flag.
        learning_rate: the same.
    """
    flags.DEFINE_string(
        "content",
        None,
        "Photos to train on: a directory, a glob, or tfds:NAME[:SPLIT], NAME a TensorFlow Datasets "
        "name or the directory of a prepared dataset with an 'image' feature.",
        required=True,
    )
    flags.DEFINE_string(
        "output", None, "The run's directory, for instance runs/NAME.", required=True
    )
    flags.DEFINE_integer("steps", steps, "Training steps.", lower_bound=1)
    flags.DEFINE_float(
        "learning_rate", learning_rate, "Adam's at the start; a cosine takes it down.", 0
    )
    flags.DEFINE_integer("seed", 0, "Of the initial weights and of the crops.", lower_bound=0)
    dtype_policy_flag.define()
    flags.DEFINE_list("preview_images", [], "Photos to show on the way; content photos if empty.")
    flags.DEFINE_integer(
        "checkpoint_interval", 200, "Steps between checkpoints, log rows and previews.", 1
    )
