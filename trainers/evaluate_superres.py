"""Measure super-resolution: the tables of the papers, recomputed.

    python -m trainers.evaluate superres --set=DIR [--set=DIR2] --models=runs/NAME,sr-x4

Images of each set are cropped to a multiple of the factor, made small, and enlarged again by
bicubic and by each model, a training run or a SavedModel, for its factor. PSNR and SSIM are on Y
without the outermost `factor` pixels, see `zoo.fidelity`. LPIPS, lower is better, needs its heads.
"back" is the PSNR of the small image and what bicubic makes of the enlarged one. "energy" is that
at the frequencies of the small pixels (`zoo.artefacts.stride_energy`), and "grid" how much they
stand out from those beside them (`zoo.artefacts.grid_energy`); both over the original's.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from absl import flags
from skimage.exposure import match_histograms

import zoo.superres  # noqa: F401  (registers what runs are made of)
from trainers import loss_network_flags
from zoo import catalog, fidelity, images, runs
from zoo.artefacts import grid_energy, stride_energy
from zoo.bicubic import rescale
from zoo.degradations import DEGRADATIONS, crop_to_multiple
from zoo.errors import UserError
from zoo.lpips import LPIPS
from zoo.saved_model import SavedModel
from zoo.vgg import LossNetwork

NO_ENERGY = 1e-12  # of an image of one colour


@dataclasses.dataclass(frozen=True)
class Enlarger:
    """What enlarges images.

    Attributes:
        name: as in the table.
        factor: of enlargement.
        enlarge: maps float32 [H, W, 3] in [0, 1] to the same of factor times the size.
    """

    name: str
    factor: int
    enlarge: Callable


def bicubic(factor):
    """The field's bicubic as an `Enlarger`."""
    return Enlarger("bicubic", factor, lambda image: rescale(image, factor))


def open_model(model, saved_models=catalog.SAVED_MODELS):
    """An `Enlarger` of a training run's directory, or of what `zoo.catalog.find` finds.

    Raises:
        UserError: there is no such model, or it is none for super-resolution.
    """
    if (Path(model) / "run.json").is_file():
        record = runs.read_record(model)
        _check_kind(model, record["kind"])
        _, checkpoint = runs.latest_checkpoint(model)
        if checkpoint is None:
            raise UserError(f"{model} has no checkpoint yet")
        network = keras.saving.load_model(checkpoint / runs.NETWORK, compile=False)

        def enlarge(image):
            return keras.ops.convert_to_numpy(network(image[None], training=False))[0]

        return Enlarger(Path(model).name, record["settings"]["factor"], enlarge)
    found = catalog.find(model, saved_models)
    _check_kind(model, found.kind)
    saved = SavedModel(found.path)
    return Enlarger(
        found.name,
        found.description["factor"],
        lambda image: saved(images.Picture(image)).rgb,
    )


def _check_kind(model, kind):
    if kind != "superres":
        raise UserError(f"{model} is of kind {kind!r}: super-resolution is measured here")


def measure(enlarger, original, degrade, lpips=None, is_matched=False):
    """Enlarge one image and compare.

    Args:
        enlarger: an `Enlarger`.
        original: float32 [H, W, 3] in [0, 1].
        degrade: one of `zoo.degradations.DEGRADATIONS`.
        lpips: a `zoo.lpips.LPIPS`, or None.
        is_matched: whether the result's histograms are matched to the small image's (Johnson 2016,
            section 4.2), channel by channel.

    Returns:
        The enlarged image, rounded to 8 bits, and {"PSNR", "SSIM", "LPIPS", "back", "energy",
        "grid"}, the third only if there is `lpips`.

    Raises:
        UserError: the image is too small to be compared.
    """
    original = crop_to_multiple(original, enlarger.factor)
    small = degrade(original, enlarger.factor, np.random.default_rng(0))
    enlarged = enlarger.enlarge(small)
    if is_matched:
        enlarged = match_histograms(enlarged, small, channel_axis=-1)
    enlarged = (np.rint(enlarged.clip(0, 1) * 255) / 255).astype(np.float32)
    figures = {
        "PSNR": fidelity.psnr(enlarged, original, enlarger.factor),
        "SSIM": fidelity.ssim(enlarged, original, enlarger.factor),
    }
    if lpips:
        distance = lpips(enlarged[None], original[None])
        figures["LPIPS"] = float(keras.ops.convert_to_numpy(distance)[0])
    figures["back"] = fidelity.psnr(rescale(enlarged, 1 / enlarger.factor), small, 0)
    for name, energy in (("energy", stride_energy), ("grid", grid_energy)):
        ours, theirs = (energy(image, enlarger.factor) for image in (enlarged, original))
        figures[name] = ours / max(theirs, NO_ENERGY)
    return enlarged, figures


def evaluate(enlargers, sets, degrade, lpips=None, is_matched=False, output=None):
    """Measure every enlarger on every set.

    Args:
        enlargers: `Enlarger`s.
        sets: directories of images.
        degrade: see `measure`, as what follows but `output`.
        lpips: or None.
        is_matched: not for bicubic.
        output: directory that receives the enlarged images, or None.

    Returns:
        For each enlarger {set's name: {figure: mean over the set's images}}.

    Raises:
        UserError: a set has no images, or one that cannot be used.
    """
    rows = [{} for _ in enlargers]
    for directory in sets:
        every = [[] for _ in enlargers]
        for path in images.find([directory]):
            original = images.read(path).rgb
            for enlarger, figures in zip(enlargers, every, strict=True):
                try:
                    matched = is_matched and enlarger.name != "bicubic"
                    enlarged, measured = measure(enlarger, original, degrade, lpips, matched)
                except UserError as error:
                    raise UserError(f"{path}, {enlarger.name}: {error}") from error
                figures.append(measured)
                if output:
                    name = f"{path.stem}-x{enlarger.factor}-{enlarger.name}.png"
                    images.write(enlarged, Path(output) / Path(directory).name / name)
        for row, figures in zip(rows, every, strict=True):
            names = figures[0]
            row[Path(directory).name] = {n: np.mean([f[n] for f in figures]) for n in names}
    return rows


_DIGITS = {"PSNR": 2, "SSIM": 4, "LPIPS": 4, "back": 2, "energy": 2, "grid": 2}


def table(enlargers, rows):
    """Markdown of what `evaluate` gave."""
    columns = [(name, figure) for name, figures in rows[0].items() for figure in figures]
    lines = [
        "| factor | model | " + " | ".join(f"{name} {figure}" for name, figure in columns) + " |",
        "| --- " * (2 + len(columns)) + "|",
    ]
    for enlarger, row in zip(enlargers, rows, strict=True):
        cells = [f"{row[name][figure]:.{_DIGITS[figure]}f}" for name, figure in columns]
        lines.append(f"| x{enlarger.factor} | {enlarger.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


# --- Flags ---


def define_flags():
    """The command's flags."""
    flags.DEFINE_multi_string("set", None, "Directory of images; may be repeated.", required=True)
    flags.DEFINE_list(
        "models",
        [],
        "Training runs' directories, names of the catalogue, SavedModels' directories.",
    )
    flags.DEFINE_list("factors", [], "Of bicubic, besides those of the models.")
    flags.DEFINE_enum("degradation", "bicubic", list(DEGRADATIONS), "What makes the images small.")
    flags.DEFINE_bool(
        "match_histograms",
        False,
        "Match what models give to the small image's histograms, as Johnson 2016 did.",
    )
    flags.DEFINE_string("lpips_heads", None, "File of LPIPS heads, see zoo.lpips; none: no LPIPS.")
    loss_network_flags.define(preprocessing="torch", has_pooling=False)
    flags.DEFINE_string("output", None, "Directory to write the enlarged images to.")
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the command; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    models = [open_model(model, values["saved_models"]) for model in values["models"]]
    factors = {*map(_factor, values["factors"]), *(model.factor for model in models)}
    if not factors:
        raise UserError("nothing to measure: give --models, or --factors for bicubic alone")
    enlargers = sorted(
        [*map(bicubic, factors), *models],
        key=lambda enlarger: enlarger.factor,  # of one factor in their order, bicubic first
    )
    lpips = None
    if values["lpips_heads"]:
        trunk = LossNetwork(
            values["loss_network"],
            values["loss_network_weights"],
            values["loss_network_preprocessing"],
        )
        lpips = LPIPS(trunk, values["lpips_heads"])
    degrade = DEGRADATIONS[values["degradation"]]
    matched = values["match_histograms"]
    print(
        table(
            enlargers,
            evaluate(enlargers, values["set"], degrade, lpips, matched, values["output"]),
        )
    )


def _factor(text):
    try:
        return int(text)
    except ValueError:
        raise UserError(f"--factors: {text!r} is no whole number") from None
