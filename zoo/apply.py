"""Transform pictures with a model of the zoo, without a server.

    python -m zoo.apply --model=starry-night --output=OUT INPUT [INPUT ...]

An input is a file, a directory or a glob. OUT is a directory, or a file's name for a single
picture. A file that cannot be read is named and skipped; the exit code is then 1. docs/apply.md
tells of large pictures, of models that enlarge, and of videos.
"""

import sys
from pathlib import Path

from absl import app, flags
from tqdm import tqdm

from zoo import catalog, images, program, striped, video
from zoo.any_size import Transformation
from zoo.destinations import destinations
from zoo.errors import UserError
from zoo.saved_model import SavedModel
from zoo.steady import Steadied
from zoo.style_weights import parse_style, style_weights

_SAVED_MODELS_ONLY = ("tile", "preserve_color", "outscale", "steady")
_STYLES_ONLY = ("style", "strength")


def transform_files(transform, inputs, output):
    """Transform pictures and videos one by one, with a progress bar if there are many.

    Args:
        transform: from a `zoo.images.Picture` to a `zoo.striped.StripedPicture`.
        inputs: paths, in the order of frames if they are those of a video.
        output: see `destinations`.

    Returns:
        The paths that were written, and the inputs that failed, each with the reason.
    """
    written, failed = [], {}
    pairs = list(zip(inputs, destinations(inputs, output), strict=True))
    for source, destination in tqdm(pairs, unit="picture", disable=len(pairs) == 1):
        try:
            if destination.exists() and destination.samefile(source):
                raise UserError("it would be overwritten: give another --output")
            if video.is_video(source):
                video.transform_video(transform, source, destination)
            else:
                striped.write(transform(images.read(source)), destination)
            written.append(destination)
        except UserError as error:
            failed[source] = str(error)
            named = str(error).startswith(str(source))
            tqdm.write(f"skipped {error if named else f'{source}: {error}'}", file=sys.stderr)
    return written, failed


def define_flags():
    """The program's flags."""
    flags.DEFINE_string(
        "model",
        None,
        "A name of the catalogue, a SavedModel's directory, or a .tflite file.",
        required=True,
    )
    flags.DEFINE_string(
        "output", None, "Directory to write to; a file's name for one picture.", required=True
    )
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")
    flags.DEFINE_string(
        "tile",
        "auto",
        "Side in pixels of the tiles that larger pictures are transformed in; auto: as memory "
        "does; off: never in tiles.",
    )
    flags.DEFINE_string(
        "style",
        None,
        "For a model of many styles: one of them, or a mixture: starry-night:0.6,great-wave:0.4",
    )
    flags.DEFINE_float(
        "strength",
        1.0,
        "For such a model: how far to go from the photo (0) to the style (1).",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    flags.DEFINE_bool("preserve_color", False, "Keep the picture's colours: only strokes change.")
    flags.DEFINE_float(
        "outscale",
        None,
        "How many times as large a picture becomes, for models that enlarge; by the next larger "
        "factor that the zoo has of the model, and bicubic.",
        lower_bound=0.01,
    )
    flags.DEFINE_float(
        "steady",
        0.0,
        "For videos, and frames in a directory: less flicker where nothing moves. How much of the "
        "last frame stays there; 0.8 is much.",
        lower_bound=0.0,
        upper_bound=0.95,
    )


def _tile():
    value = flags.FLAGS.tile
    if value in ("auto", "off"):
        return value
    if not value.isdecimal() or int(value) == 0:
        raise app.UsageError(f"--tile={value}: give auto, off or a number of pixels", exitcode=2)
    return int(value)


def _transformation():
    """From a `Picture` to a `StripedPicture`, as the flags say."""
    values = flags.FLAGS.flag_values_dict()
    tile, outscale, steady = _tile(), values["outscale"], values["steady"]
    if Path(values["model"]).suffix == ".tflite":
        return _litert_transformation(values)
    found = catalog.find(values["model"], values["saved_models"])
    if outscale is not None:
        found = catalog.for_outscale(found, outscale)
    style = parse_style(values["style"]) if values["style"] else None
    model = SavedModel(found.path, style, values["strength"])
    transform = Transformation(model, tile, values["preserve_color"], outscale)
    if not steady:
        return transform
    if model.factor > 1:
        raise UserError("--steady is for models of style: leave it out")
    return Steadied(transform, steady)


def _litert_transformation(values):
    from zoo.tflite.runtime import LiteRTModel

    model = LiteRTModel(values["model"])
    styles = model.description.get("styles") if model.styles else None
    refused = _SAVED_MODELS_ONLY if styles else (*_SAVED_MODELS_ONLY, *_STYLES_ONLY)
    for flag in refused:
        if not flags.FLAGS[flag].using_default_value:
            raise UserError(f"this .tflite file takes no --{flag}: leave it out")
    weights = None
    if styles:
        style = parse_style(values["style"]) if values["style"] else styles[0]
        weights = style_weights(styles, style, values["strength"])
    return lambda picture: striped.of(model(picture, weights))


def main(argv):
    """Run the program; see the module's docstring."""
    if len(argv) < 2:
        raise app.UsageError("no input: give picture files, directories or globs", exitcode=2)
    inputs = images.find(argv[1:])
    if not inputs:
        raise UserError(f"no pictures in {', '.join(argv[1:])}")
    transform = _transformation()
    written, failed = transform_files(transform, inputs, flags.FLAGS.output)
    print(f"{len(written)} of {len(inputs)} pictures written to {flags.FLAGS.output}")
    return 1 if failed else 0


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "zoo.apply")


if __name__ == "__main__":
    cli()
