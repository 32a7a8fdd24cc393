"""Rescale a VGG so that each filter's mean activation over photos is 1 (Gatys 2016, section 2).

    python -m trainers.normalize_vgg --content=DIR --output=vgg19_normalized.weights.h5

The file goes wherever --loss_network_weights is a flag, with the same --loss_network,
--loss_network_preprocessing and --loss_network_pooling as here: features are what they were, but
for one factor for each filter. The last line says how many filters were never active.

200 photos at 256 pixels take under three minutes of processor time; the file has 80 MB. Of the
Oxford VGG-19's 5504 filters none was without activation over them. Means over other photos are
then near 1, not 1: within about 0.7 to 1.4 for nine filters in ten of most layers.
"""

import os
import sys
from pathlib import Path

import keras
import numpy as np
from absl import flags
from tqdm import tqdm

from trainers import loss_network_flags
from trainers.content import Photos
from trainers.sources import open_source
from zoo import program
from zoo.errors import UserError
from zoo.vgg import ARCHITECTURES, LossNetwork
from zoo.vgg_normalization import mean_activations, rescaled

SUFFIX = ".weights.h5"  # Keras wants it


def normalize(network, photos, output):
    """Write the weights of `network`, normalised over `photos`, for its architecture without top.

    Args:
        network: a `zoo.vgg.LossNetwork`; its activations are computed in its own dtype.
        photos: iterable of float32 [H, W, 3] in [0, 1]; passed over once.
        output: the file, never partial under this name.

    Returns:
        {layer: float64 [C]}: the mean activations before.

    Raises:
        UserError: the file cannot be written.
    """
    means = mean_activations(network, photos)
    vgg = ARCHITECTURES[network.architecture](include_top=False, weights=None)
    before = network.features(network.layers).get_weights()
    vgg.set_weights(rescaled(before, means.values()))
    output = Path(output)
    partial = output.with_name(f".{os.getpid()}.partial{SUFFIX}")
    try:
        vgg.save_weights(partial)
        os.replace(partial, output)
    except OSError as error:
        raise UserError(f"--output: cannot write {output}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return means


def sample(photos, count):
    """Yield `count` photos, all if there are fewer, as float32 [H, W, 3] in [0, 1], with progress.

    They are spread evenly over `photos`, a `trainers.content.Photos`.
    """
    indices = np.linspace(0, len(photos), min(count, len(photos)), endpoint=False, dtype=int)
    interval = 0.5 if sys.stderr.isatty() else 30
    for index in tqdm(indices, unit="img", dynamic_ncols=True, mininterval=interval):
        yield photos[index].astype(np.float32) / 255


def _check_output(output):
    """Find out before the work what would lose it."""
    if Path(output).exists():
        raise UserError(f"{output} exists: give another --output, or remove it first")
    try:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output: cannot make {error.filename}: {error.strerror}") from error


# --- Flags ---


def define_flags():
    """The program's flags."""
    loss_network_flags.define(loss_network="vgg19")
    flags.DEFINE_string(
        "content",
        None,
        "Photos: a directory, a glob, or tfds:NAME[:SPLIT], see trainers.style.",
        required=True,
    )
    flags.DEFINE_string("output", None, f"The weight file, NAME{SUFFIX}.", required=True)
    flags.register_validator(
        "output", lambda name: name.endswith(SUFFIX), f"the name must end in {SUFFIX}"
    )
    flags.DEFINE_integer(
        "images", 200, "How many photos, spread evenly over those there are.", lower_bound=1
    )
    flags.DEFINE_integer("image_size", 256, "Short side of the photos in pixels.", lower_bound=32)


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    _check_output(values["output"])
    keras.config.set_dtype_policy("float32")
    network = LossNetwork(
        values["loss_network"],
        values["loss_network_weights"],
        values["loss_network_preprocessing"],
        values["loss_network_pooling"],
    )
    photos = Photos(open_source(values["content"]), values["image_size"], cache_bytes=0)
    means = normalize(network, sample(photos, values["images"]), values["output"])
    filters = np.concatenate(list(means.values()))
    print(
        f"{values['output']}: {values['loss_network']} for {values['loss_network_pooling']} "
        f"pooling, normalised over {min(values['images'], len(photos))} photos; "
        f"{np.count_nonzero(filters == 0)} of {filters.size} filters were never active and keep "
        "their scale"
    )


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "trainers.normalize_vgg", only_flags=True)


if __name__ == "__main__":
    cli()
