"""Make an image by descent on VGG features: style transfer, texture synthesis, feature inversion.

    python -m trainers.optimize --content=PHOTO --style=PAINTING --output=OUT.png

With --style alone it makes a texture, with --content alone it inverts features. The folder OUT
holds pictures on the way and trace.json. Ctrl-C leaves the best so far in OUT.png; --resume goes
on from there. Gatys 2016; Johnson 2016, equation 10.
"""

import contextlib
import dataclasses
import math
from pathlib import Path

import numpy as np
from absl import app, flags

from trainers import descent, dtype_policy_flag, loss_network_flags
from trainers.hardware import default_dtype_policy
from trainers.journal import Journal
from trainers.pictures import read_pictures
from trainers.preparation import check, loss_network
from trainers.presets import CRITERIA, PRESETS, Settings
from trainers.progress import Progress
from zoo import images, program
from zoo.errors import UserError


def optimize(settings, output, image_interval=50, resume=False):
    """Make the image that `settings` describe and write it.

    Args:
        settings: a `trainers.presets.Settings`.
        output: path of the picture; see `trainers.journal` for what else is left.
        image_interval: iterations between pictures and states.
        resume: whether to go on with an unfinished run.

    Raises:
        UserError: an input cannot be used; memory will not do; there is an unfinished run and
            `resume` is false, or the reverse; the loss is not finite.
        KeyboardInterrupt: as it came, after the best so far was written.
    """
    _check_output(output, settings)
    pictures = read_pictures(settings)
    network = loss_network(settings)
    scales = check(settings, pictures, network)

    def finish(image):
        return pictures.finished(image, settings.preserve_color)

    journal = Journal(output, dataclasses.asdict(settings), finish, image_interval, resume)

    def observe(step):
        journal(step)
        progress(step)

    try:
        with contextlib.closing(Progress(scales, journal.start)) as progress, journal:
            image = descent.descend(settings, pictures, network, observe, journal.start)
            images.write(finish(image), output)
    except KeyboardInterrupt:
        if journal.image is not None:
            images.write(finish(images.resize(journal.image, scales[-1].size)), output)
            print(f"{output}: the best so far; the same command with --resume goes on")
        raise
    print(f"{output}: done; {journal.folder} holds pictures on the way and trace.json")


def _check_output(path, settings):
    """Refuse what `images.write` would refuse after the work, and to write over an input."""
    try:
        images.encode(np.zeros((1, 1, 3)), Path(path).suffix[1:])
    except images.ImageError as error:
        raise UserError(f"--output={path}: {error}") from error
    if Path(path).is_dir():
        raise UserError(f"--output={path} is a directory: give the name of a picture to write")
    inputs = (settings.content, settings.content_regions, settings.init)
    for each in (*filter(None, inputs), *settings.style, *settings.style_regions):
        if Path(path).exists() and Path(each).exists() and Path(path).samefile(each):
            raise UserError(f"--output={path} is one of the inputs: give another name")


# --- Flags ---


def define_flags():
    """The program's flags; but for the last four they are the fields of `Settings`."""
    flags.DEFINE_string("content", None, "The photo whose content is to be kept.")
    flags.DEFINE_list("style", [], "The painting whose style is to be taken, or several.")
    flags.DEFINE_list("style_blend", [], "A weight for each painting; equal if not given.")
    flags.DEFINE_string(
        "content_regions",
        None,
        "Map of the photo's regions: a PNG of its size, a colour for each. The first painting goes "
        "to the darkest colour, and so on, or, with --style_regions, colour to colour.",
    )
    flags.DEFINE_list("style_regions", [], "Maps of the paintings' regions, one for each.")
    flags.DEFINE_integer("size", 512, "Long side of the image in pixels.", lower_bound=1)
    flags.DEFINE_integer(
        "start_size",
        None,
        "Long side at which to start; it grows by the square root of 2. 0: at --size.",
        lower_bound=0,
    )
    flags.DEFINE_float(
        "style_scale",
        1.0,
        "Long side of the paintings over that of the image: larger strokes if larger.",
        lower_bound=0.01,
    )
    flags.DEFINE_integer("iterations", 300, "Of the optimiser, over all sizes.", lower_bound=1)
    flags.DEFINE_string(
        "init",
        None,
        "What to start from: content, style, noise, gray, or a picture file. Noise where there is "
        "no photo or no painting.",
    )
    flags.DEFINE_enum(
        "criterion",
        None,
        list(CRITERIA),
        "How features are compared: by the sums of gatys2016 or the means of johnson2016; with "
        "Gram matrices relative to the painting's; or with means and covariances (wasserstein).",
    )
    for name, what in (("content", "features are kept"), ("style", "statistics are matched")):
        flags.DEFINE_list(
            f"{name}_layers", None, f"VGG layers whose {what}, or LAYER:WEIGHT, for instance "
            "relu4_2:0.5.",
        )  # fmt: skip
        flags.register_validator(
            f"{name}_layers", lambda layers: layers is None or layers, "give at least one layer"
        )
    flags.DEFINE_float("content_weight", None, "Weight of the content term.", lower_bound=0)
    flags.DEFINE_float(
        "style_weight", None, "Weight of the style term, instead of --style_balance.", lower_bound=0
    )
    flags.DEFINE_float(
        "style_balance",
        None,
        "What calibrates the style weight at each size: weighted style term of the photo over "
        "weighted content term of an unrelated one; more style if larger.",
        lower_bound=0,
    )
    flags.DEFINE_float("tv_weight", None, "Weight of the total variation term.", lower_bound=0)
    flags.DEFINE_enum(
        "optimizer",
        None,
        list(descent.MINIMIZERS),
        "Adam, or L-BFGS: by pixels, or in coordinates that favour coarse structure.",
    )
    flags.DEFINE_float("learning_rate", None, "Adam's: about the step of a pixel.", lower_bound=0)
    flags.DEFINE_float(
        "average",
        None,
        "Decay of the moving average of iterates that the result is; 0: no average.",
        lower_bound=0,
        upper_bound=0.9999,
    )
    flags.DEFINE_enum(
        "preserve_color",
        "none",
        ["none", "luminance", "histogram", "covariance"],
        "Keep the photo's colours: take luminance alone, or first give the paintings its colours.",
    )
    loss_network_flags.define(None, pooling=None)
    dtype_policy_flag.define()
    flags.DEFINE_integer("seed", 0, "Of the noise.", lower_bound=0)
    flags.DEFINE_enum(
        "preset",
        "best",
        list(PRESETS),
        "Values of all flags that are not given: those of the papers, or ours.",
    )
    flags.DEFINE_string(
        "output", None, "The picture to write, for instance OUT.png.", required=True
    )
    flags.DEFINE_integer("image_interval", 50, "Iterations between pictures on the way.", 1)
    flags.DEFINE_bool("resume", False, "Go on with a run that was stopped.")


def settings_from(values):
    """The `Settings` of flag values, a dict; None is filled in from the preset.

    Raises:
        ValueError: a weight is not a number of 0 or more.
    """
    given = {
        field.name: values[field.name]
        for field in dataclasses.fields(Settings)
        if values[field.name] is not None
    }
    for name in ("style", "style_regions"):
        given[name] = tuple(given[name])
    given["style_blend"] = tuple(_weight(text) for text in given["style_blend"])
    for name in ("content_layers", "style_layers"):
        if name in given:
            given[name] = _layers(given[name])
    if not (given.get("content") and given["style"]):
        given.setdefault("init", "noise")
    given.setdefault("dtype_policy", default_dtype_policy())
    return Settings(**{**PRESETS[values["preset"]], **given})


def _layers(texts):
    """{"relu1_1": 0.5} of ["relu1_1:0.5"]."""
    pairs = (text.partition(":") for text in texts)
    return {name: _weight(weight or "1") for name, _, weight in pairs}


def _weight(text):
    with contextlib.suppress(ValueError):
        if 0 <= (weight := float(text)) < math.inf:
            return weight
    raise ValueError(f"{text!r} is no weight: give a number of 0 or more")


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    try:
        settings = settings_from(values)
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    optimize(settings, values["output"], values["image_interval"], values["resume"])


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "trainers.optimize", only_flags=True)


if __name__ == "__main__":
    cli()
