"""Export a trained network as a SavedModel that TensorFlow Serving takes.

    python -m zoo.export --run=runs/NAME --name=starry-night --version=1
    python -m zoo.export --model=starry-night --version=2

The second exports a model again, as a further version with what newer exports have. It is checked
on a real photo, and appears under its final name whole or not at all.
"""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path

from absl import flags

from zoo import catalog, model_json, program, runs
from zoo.errors import UserError
from zoo.quiet import import_tensorflow

MAX_PIXELS = 4096 * 4096
WARMUP_SIDE = 128  # pixels: enough to build every kernel, small on disk


def export(
    run,
    name,
    version,
    saved_models,
    dtype_policy="float32",
    max_pixels=None,
    about=None,
    style=None,
):
    """Write SAVED_MODELS/NAME/VERSION from a run's newest checkpoint.

    Args:
        run: directory of a training run, see `zoo.runs`.
        name: of the model: lower-case letters, digits and hyphens.
        version: positive integer.
        saved_models: directory of the zoo.
        dtype_policy: arithmetic of the exported network, "float32" or "mixed_bfloat16".
        max_pixels: largest image that the model accepts or gives; see `zoo.signatures`.
        about: dict that goes into model.json as it is: painting, artist, year, source, licence.
        style: name of the one style to take out of a run on several; see
            `zoo.model_json.style_names`.

    Returns:
        The path of the new version.

    Raises:
        UserError: the run has no checkpoint, the version exists, or the model gives no picture.
    """
    final = _new_version(name, version, saved_models)
    paintings = runs.read_record(run)["settings"].get("style_image", [])
    styles = model_json.style_names(paintings)[:-1] if len(paintings) > 1 else []
    if style is not None and style not in styles:
        raise UserError(
            f"--style: {run} has no style {style!r}; it has {', '.join(styles) or 'one'}"
        )
    _, checkpoint = runs.latest_checkpoint(run)
    if checkpoint is None:
        raise UserError(f"{run} has no checkpoint yet")
    max_pixels = max_pixels or MAX_PIXELS
    description = model_json.describe(
        run, name, version, dtype_policy, max_pixels, about or {}, style
    )

    network = _network(checkpoint / runs.NETWORK, dtype_policy)
    if style is not None:
        network = _single(network, styles.index(style), dtype_policy)
    return _publish(final, network, description)


def export_again(model, version, saved_models):
    """Write a further version of a model, of the same network, in today's form.

    Args:
        model: a `zoo.catalog.Model`.
        version: positive integer.
        saved_models: directory of the zoo.

    Returns:
        The path of the new version.

    Raises:
        UserError: the version exists, or the model does not tell of which network it is made.
    """
    from zoo import saved_network

    final = _new_version(model.name, version, saved_models)
    description = {"styles": None, "max_pixels": MAX_PIXELS, **model.description}
    description |= {"name": model.name, "version": version}
    with _policy(description["export_dtype_policy"]):
        network = saved_network.load(model.path)
    return _publish(final, network, description)


def _new_version(name, version, saved_models):
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise UserError(f"model name {name!r}: use lower-case letters, digits and hyphens")
    final = Path(saved_models) / name / str(version)
    if final.exists():
        raise UserError(f"{final} exists, and a version never changes: give another --version")
    return final


def _publish(final, network, description):
    """Write the version beside its final place, and rename it; returns that."""
    description["receptive_field"] = _receptive_field(network, description["factor"])
    # TensorFlow Serving sees only directories whose name is a number.
    partial = final.with_name(f"partial-{final.name}-{os.getpid()}")
    try:
        _write(partial, network, description)
        (partial / model_json.FILE).write_text(json.dumps(description, indent=2) + "\n")
        os.rename(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(OSError):
            final.parent.rmdir()  # of a name that has no version after all; else it is not empty
    return final


@contextlib.contextmanager
def _policy(dtype_policy):
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype_policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _network(file, dtype_policy):
    import keras

    # They register what the file is made of.
    import zoo.networks
    import zoo.superres  # noqa: F401

    with _policy(dtype_policy):
        return keras.saving.load_model(file, compile=False)


def _single(network, style, dtype_policy):
    import keras

    from zoo.folding import folded

    with _policy(dtype_policy):
        return folded(network, keras.utils.to_categorical(style, network.styles))


def _receptive_field(network, factor):
    """What a client that cuts tiles needs to know; None for norms, which look everywhere."""
    from zoo.receptive_field import receptive_field

    return receptive_field(network) if factor > 1 else None


def _write(directory, network, description):
    import tensorflow as tf

    from zoo import saved_network
    from zoo.quality import check_saved_model
    from zoo.sample_photo import sample_photo
    from zoo.signatures import signatures
    from zoo.warmup import write_warmup

    factor, max_pixels = description["factor"], description["max_pixels"]
    endpoints = signatures(network, max_pixels, factor, model_json.served(description))
    # Not by Keras' ExportArchive: what it writes has every function twice.
    module = tf.Module()
    module.weights = [weight.value for weight in network.weights]
    tf.saved_model.save(module, str(directory), endpoints)
    saved_network.write_description(network, directory)
    photo = sample_photo()
    # As much work, and memory, whatever the factor.
    photo = photo[: photo.shape[0] // factor, : photo.shape[1] // factor]
    styles = description["styles"] or []
    check_saved_model(directory, photo, factor, len(styles))
    small = photo[:WARMUP_SIDE, :WARMUP_SIDE]
    write_warmup(directory, description["name"], small, len(styles))


# --- Flags ---


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("run", None, "The training run's directory.")
    flags.DEFINE_string("name", None, "The model's name: a-z, 0-9 and hyphens.")
    flags.DEFINE_string(
        "model", None, "In place of a run: a name of the catalogue, to export again."
    )
    flags.register_multi_flags_validator(
        ["run", "name", "model"],
        lambda values: bool(values["model"]) != bool(values["run"] and values["name"]),
        "give --run and --name, or --model",
    )
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
        MAX_PIXELS,
        "The exported model refuses larger images with INVALID_ARGUMENT, and what would make them.",
        lower_bound=1,
    )
    flags.DEFINE_string(
        "style", None, "Of a run on several paintings, the one to export; all if not given."
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
    if values["model"]:
        model = catalog.find(values["model"], values["saved_models"])
        path = export_again(model, values["version"], values["saved_models"])
        print(f"exported {path}")
        return
    about = ("painting", "artist", "year", "source", "training_data", "machine", "license")
    path = export(
        values["run"],
        values["name"],
        values["version"],
        values["saved_models"],
        values["dtype_policy"],
        values["max_pixels"],
        {key: values[key] for key in about if values[key]},
        values["style"],
    )
    print(f"exported {path}")


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "zoo.export", only_flags=True)


if __name__ == "__main__":
    cli()
