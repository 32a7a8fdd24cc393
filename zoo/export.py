"""Export a trained network as a SavedModel that TensorFlow Serving takes.

    python -m zoo.export --run=runs/NAME --name=starry-night --version=1

It is checked on a real photo, and appears under its final name whole or not at all.
"""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path

from absl import flags

from zoo import model_json, program, runs
from zoo.errors import UserError
from zoo.quiet import import_tensorflow

WARMUP_SIDE = 128  # pixels: enough to build every kernel, small on disk


def export(run, name, version, saved_models, dtype_policy="float32", max_pixels=None, about=None):
    """Write SAVED_MODELS/NAME/VERSION from a run's newest checkpoint.

    Args:
        run: directory of a training run, see `zoo.runs`.
        name: of the model: lower-case letters, digits and hyphens.
        version: positive integer.
        saved_models: directory of the zoo.
        dtype_policy: arithmetic of the exported network, "float32" or "mixed_bfloat16".
        max_pixels: largest image that the model accepts or gives; see `zoo.signatures`.
        about: dict that goes into model.json as it is: painting, artist, year, source, licence.

    Returns:
        The path of the new version.

    Raises:
        UserError: the run has no checkpoint, the version exists, or the model gives no picture.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise UserError(f"model name {name!r}: use lower-case letters, digits and hyphens")
    final = Path(saved_models) / name / str(version)
    if final.exists():
        raise UserError(f"{final} exists, and a version never changes: give another --version")
    runs.read_record(run)  # says so if it is no run
    _, checkpoint = runs.latest_checkpoint(run)
    if checkpoint is None:
        raise UserError(f"{run} has no checkpoint yet")
    description = model_json.describe(run, name, version, dtype_policy, about or {})

    # TensorFlow Serving sees only directories whose name is a number.
    partial = final.with_name(f"partial-{version}-{os.getpid()}")
    try:
        factor = description["factor"]
        description["receptive_field"] = _write(
            partial, name, checkpoint / runs.NETWORK, dtype_policy, max_pixels, factor
        )
        (partial / model_json.FILE).write_text(json.dumps(description, indent=2) + "\n")
        os.rename(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(OSError):
            final.parent.rmdir()  # of a name that has no version after all; else it is not empty
    return final


def _write(directory, name, network_file, dtype_policy, max_pixels, factor):
    """Write the SavedModel; returns the network's receptive field, None if it knows no bounds."""
    import keras

    # They register what the file is made of.
    import zoo.networks
    import zoo.superres  # noqa: F401
    from zoo import saved_network
    from zoo.quality import check_saved_model
    from zoo.receptive_field import receptive_field
    from zoo.sample_photo import sample_photo
    from zoo.signatures import MAX_PIXELS, signatures
    from zoo.warmup import write_warmup

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype_policy)
    try:
        network = keras.saving.load_model(network_file, compile=False)
    finally:
        keras.config.set_dtype_policy(before)
    archive = keras.export.ExportArchive()
    for endpoint, function in signatures(network, max_pixels or MAX_PIXELS, factor).items():
        archive.add_endpoint(endpoint, function)
    archive.write_out(str(directory), verbose=False)
    saved_network.write_description(network, directory)
    photo = sample_photo()
    # As much work, and memory, whatever the factor.
    photo = photo[: photo.shape[0] // factor, : photo.shape[1] // factor]
    check_saved_model(directory, photo, factor)
    write_warmup(directory, name, photo[:WARMUP_SIDE, :WARMUP_SIDE])
    return receptive_field(network) if factor > 1 else None  # norms look everywhere


# --- Flags ---


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("run", None, "The training run's directory.", required=True)
    flags.DEFINE_string("name", None, "The model's name: a-z, 0-9 and hyphens.", required=True)
    flags.DEFINE_integer("version", 1, "The model's version; must be new.", lower_bound=1)
    flags.DEFINE_string("saved_models", "saved_models", "Directory to export to.")
    flags.DEFINE_enum(
        "dtype_policy",
        "float32",
        ["float32", "mixed_bfloat16"],
        "Arithmetic of the exported network; float32 is as fast or faster wherever the hardware "
        "has no bfloat16.",
    )
    flags.DEFINE_integer(
        "max_pixels",
        4096 * 4096,
        "The exported model refuses larger images with INVALID_ARGUMENT, and what would make them.",
        lower_bound=1,
    )
    flags.DEFINE_string("painting", None, "Title of the painting, for model.json.")
    flags.DEFINE_string("artist", None, "Its artist.")
    flags.DEFINE_string("year", None, "Its year.")
    flags.DEFINE_string("source", None, "Where to get the picture.")
    flags.DEFINE_string("training_data", None, "What the training photos were, with licences.")
    flags.DEFINE_string("machine", None, "What the network was trained on.")
    flags.DEFINE_string("license", None, "Licence of the model.")


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    import_tensorflow()
    about = ("painting", "artist", "year", "source", "training_data", "machine", "license")
    path = export(
        values["run"],
        values["name"],
        values["version"],
        values["saved_models"],
        values["dtype_policy"],
        values["max_pixels"],
        {key: values[key] for key in about if values[key]},
    )
    print(f"exported {path}")


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "zoo.export", only_flags=True)


if __name__ == "__main__":
    cli()
