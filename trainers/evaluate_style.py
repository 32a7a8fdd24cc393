"""Measure style networks: their objective beside L-BFGS, their speed, and what they leave behind.

    python -m trainers.evaluate style --model=NAME --style_image=PAINTING --content=DIR --output=OUT

objective: of one pass of the network, and of L-BFGS on the same objective, from noise and from the
photo (Johnson 2016, section 4.1), on squares from the middle of photos. "Equal iterations" are the
fewest that reach no more than the network: the median of the photos, the least and the most. OUT
gets a figure of the mean curves for each model and size, and every descent's trace: what is in it
is not done again.
speed: how many passes of the network take as long as 100, 300 and 500 iterations, which are that
many times the average one of a short descent. The two take turns; each counts by its fastest block.
artefacts: see `zoo.artefacts`; levels are of 8 bits.

The objective is what the model's model.json tells: layers, weights, size of the painting. Network
and descent have the best arithmetic each: its own, and --dtype_policy.
"""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import math
from pathlib import Path

import keras
import numpy as np
from absl import app, flags

from trainers import curves, dtype_policy_flag, equivalents, loss_network_flags, speed
from trainers.descent import Scale, Step, noise_image
from trainers.hardware import default_dtype_policy
from trainers.progress import Progress
from trainers.style_objective import StyleObjective, style_objective
from zoo import catalog, images
from zoo.artefacts import artefacts, plain_inputs
from zoo.errors import UserError
from zoo.model_json import style_names
from zoo.saved_model import SavedModel
from zoo.vgg import LossNetwork

PARTS = ("objective", "speed", "artefacts")
MARKS = (100, 300, 500)  # iterations, as in table 1 of Johnson 2016
STARTS = {"noise": lambda photo: noise_image(photo.shape[:2]), "the photo": lambda photo: photo}


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model, and what it was trained on.

    Attributes:
        name: as in the tables.
        transform: maps an image, float32 [H, W, 3] in [0, 1], to another.
        objective: its `StyleObjective`; None if it is not asked for.
        circumstances: dict of what decides the objective, but for the photo.
    """

    name: str
    transform: SavedModel
    objective: StyleObjective | None
    circumstances: dict


def open_subject(model, saved_models=catalog.SAVED_MODELS, painting=None, loss_network=None):
    """The `Subject` of what `zoo.catalog.find` finds.

    Args:
        model: its name or directory.
        saved_models: directory of the zoo.
        painting: file of the painting that it was trained on; None: no objective is asked for.
        loss_network: {"loss_network", "loss_network_weights", "loss_network_preprocessing"}.

    Raises:
        UserError: there is no such model; it is none of one style; it was trained by another loss
            network; the painting or the weights cannot be read.
    """
    found = catalog.find(model, saved_models)
    if found.kind != "style" or found.description.get("styles"):
        raise UserError(f"{model} is no model of one style: only these are measured here")
    saved = SavedModel(found.path)

    def transform(image):
        return saved(images.Picture(image)).rgb

    if painting is None:
        return Subject(found.name, transform, None, {})
    stage = found.description["training"][-1]
    for name in ("loss_network", "loss_network_preprocessing"):
        trained = stage["settings"].get(name)
        if trained != loss_network[name]:
            raise UserError(f"{model} was trained with --{name}={trained}: give the same")
    rgb = images.read(painting).rgb
    index = 0
    if style := found.description.get("style"):  # taken out of a training on several paintings
        index = style_names(stage["settings"]["style_image"]).index(style)
    try:
        objective = style_objective(stage, rgb, LossNetwork(*loss_network.values()), index)
    except UserError as error:
        raise UserError(f"{model}: {error}") from error
    circumstances = {
        "painting": _digest(rgb),
        "style_size": stage["settings"]["style_size"],
        "weights": objective.weights,
        "content_layers": objective.criterion.content_layers,
        "style_layers": objective.criterion.style_layers,
        **loss_network,
        "dtype_policy": keras.config.dtype_policy().name,
    }
    return Subject(found.name, transform, objective, circumstances)


def _digest(array):
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()[:16]


def square(rgb, side):
    """The middle of an image [H, W, 3], its short side resized to `side`: [side, side, 3]."""
    resized = images.resize_short_side(rgb, side)
    top, left = ((length - side) // 2 for length in resized.shape[:2])
    return resized[top : top + side, left : left + side]


# --- Objective ---


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A network beside L-BFGS on some photos, all of one size.

    Attributes:
        network: the objective of its outputs, a list.
        traces: of each of `STARTS` a list of `trainers.equivalents.Trace`s.
    """

    network: list[float]
    traces: dict[str, list]

    def equal_iterations(self, start):
        """For each photo the fewest iterations that reach no more than the network, or infinity."""
        pairs = zip(self.traces[start], self.network, strict=True)
        return [each.iterations_to(loss) for each, loss in pairs]


def compare(subject, photos, iterations, folder):
    """The `Comparison` of a `Subject`.

    Args:
        subject: with an objective.
        photos: {name: float32 [side, side, 3]}.
        iterations: of each descent.
        folder: path of the traces' folder.

    Raises:
        UserError: the loss is not finite; a trace that was kept cannot be read.
    """
    network, traces = [], {start: [] for start in STARTS}
    descents = [Scale(photo.shape[:2], iterations) for photo in photos.values() for _ in STARTS]
    numbers = itertools.count()
    with contextlib.closing(Progress(descents)) as progress:
        for name, photo in photos.items():
            evaluate = subject.objective.of(photo)
            network.append(evaluate(subject.transform(photo))[0]["loss"])
            for start, first_image in STARTS.items():
                circumstances = {
                    **subject.circumstances,
                    "photo": _digest(photo),
                    "start": start,
                    "iterations": iterations,
                }
                observe = functools.partial(_tell, progress, next(numbers))
                traces[start].append(
                    equivalents.kept(
                        Path(folder) / f"{name}-from-{start.split()[-1]}.json",
                        circumstances,
                        functools.partial(
                            equivalents.trace, evaluate, first_image(photo), iterations, observe
                        ),
                    )
                )
    return Comparison(network, traces)


def _tell(progress, descent, iteration, image, terms):
    progress(Step(descent, iteration, evaluations=0, image=image, terms=terms, weights={}))


def marks(iterations):
    """The numbers of `MARKS` that so many iterations come to; or else the iterations alone."""
    return [mark for mark in MARKS if mark <= iterations] or [iterations]


def objective_head(iterations):
    """First lines of the table of `objective_row`s."""
    columns = [
        *("model", "size", "photos", "the photo", "network"),
        *(f"{mark} from {start}" for start in STARTS for mark in marks(iterations)),
        *(f"equal iterations from {start}" for start in STARTS),
    ]
    return _line(columns) + "\n" + "| --- " * len(columns) + "|"


def objective_row(name, side, comparison, iterations):
    """A line of the table: means of the objective, and equal iterations."""
    means = {s: equivalents.mean_losses(traces) for s, traces in comparison.traces.items()}
    losses = [
        *(means["the photo"][0], np.mean(comparison.network)),
        *(means[start][mark] for start in STARTS for mark in marks(iterations)),
    ]
    cells = [f"{loss:.4g}" for loss in losses]
    for start in STARTS:
        equal = comparison.equal_iterations(start)
        middle, least, most = (
            _count(number, iterations) for number in (np.median(equal), min(equal), max(equal))
        )
        cells.append(f"**{middle}** ({least} to {most})")
    return _line([name, f"{side}", f"{len(comparison.network)}", *cells])


def _count(number, iterations):
    return f"{number:.0f}" if number < math.inf else f"> {iterations}"


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def measure_objective(subjects, photos, sides, iterations, output):
    """Print the table, a line as soon as it is known, and draw the figures.

    Args:
        subjects: `Subject`s with objectives.
        photos: {name: float32 [H, W, 3]}.
        sides: of the squares, pixels.
        iterations: of each descent.
        output: path of the folder that receives figures and traces.
    """
    print(objective_head(iterations), flush=True)
    for side in sides:
        squares = {name: square(photo, side) for name, photo in photos.items()}
        equal = {start: [] for start in STARTS}
        for subject in subjects:
            folder = Path(output) / "traces" / subject.name / str(side)
            comparison = compare(subject, squares, iterations, folder)
            curves.draw(
                {s: equivalents.mean_losses(traces) for s, traces in comparison.traces.items()},
                np.mean(comparison.network),
                f"{subject.name}, {side} x {side} pixels, mean of {len(squares)} photos",
                Path(output) / f"{subject.name}-{side}.png",
            )
            print(objective_row(subject.name, side, comparison, iterations), flush=True)
            for start, medians in equal.items():
                medians.append(np.median(comparison.equal_iterations(start)))
        if len(subjects) > 1:
            cells = [f"**{_count(np.median(each), iterations)}**" for each in equal.values()]
            empty = [""] * (3 + len(STARTS) * len(marks(iterations)))
            print(_line([f"median of {len(subjects)} models", f"{side}", *empty, *cells]))


# --- Speed ---


def measure_speed(subjects, photo, sides):
    """Print the table.

    Args:
        subjects: `Subject`s with objectives.
        photo: float32 [H, W, 3].
        sides: of the squares, pixels.
    """
    columns = ["model", "size", "network, ms", "an iteration, s"]
    columns += [f"passes in {mark} iterations" for mark in MARKS]
    print(_line(columns) + "\n" + "| --- " * len(columns) + "|", flush=True)
    for side in sides:
        picture = square(photo, side)
        for subject in subjects:
            evaluate = subject.objective.of(picture)
            once, iteration = speed.side_by_side(
                subject.transform, picture, evaluate, noise_image(picture.shape[:2])
            )
            cells = [f"{1000 * once:.1f}", f"{iteration:.3f}"]
            cells += [f"{mark * iteration / once:,.0f}" for mark in MARKS]
            print(_line([subject.name, f"{side}", *cells]), flush=True)


# --- Artefacts ---


def measure_artefacts(subjects):
    """Print the table."""
    columns = ["model", "input", "grid, levels", "outer 16 px, levels", "inside, levels"]
    print(_line(columns) + "\n" + "| --- " * len(columns) + "|", flush=True)
    for subject in subjects:
        for name, image in plain_inputs().items():
            found = artefacts(subject.transform, image)
            cells = [f"{value:.2f}" for value in dataclasses.astuple(found)]
            print(_line([subject.name, name, *cells]), flush=True)


# --- Flags ---


def define_flags():
    """The command's flags."""
    flags.DEFINE_list(
        "model", None, "Names of the catalogue, or SavedModels' directories.", required=True
    )
    flags.DEFINE_list("style_image", [], "The painting of each model, in their order.")
    flags.DEFINE_list(
        "content", [], "Photos that no model was trained on: files, directories or globs."
    )
    flags.DEFINE_multi_enum("part", list(PARTS), PARTS, "What to measure; may be repeated.")
    flags.DEFINE_list("sizes", ["256", "512", "1024"], "Sides of the images in pixels.")
    flags.register_validator("sizes", _are_sizes, "sizes are whole numbers of 32 or more")
    flags.DEFINE_integer("iterations", 500, "Of L-BFGS, for the objective.", lower_bound=1)
    flags.DEFINE_string("output", None, "Directory of the figures and traces.")
    loss_network_flags.define(preprocessing="torch", has_pooling=False)
    dtype_policy_flag.define()
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def _are_sizes(texts):
    return bool(texts) and all(text.isdecimal() and int(text) >= 32 for text in texts)


def main(argv):
    """Run the command; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    models, parts, sides = values["model"], values["part"], [int(s) for s in values["sizes"]]
    paintings, photos = [None] * len(models), {}
    if set(parts) & {"objective", "speed"}:
        paintings = values["style_image"]
        if len(paintings) != len(models) or not values["content"]:
            raise app.UsageError(
                "objective and speed need --content and a --style_image for each model"
            )
        photos = {path.name: images.read(path).rgb for path in images.find(values["content"])}
    if "objective" in parts:
        if not values["output"]:
            raise app.UsageError("the objective needs --output")
        curves.check_matplotlib()
    keras.config.set_dtype_policy(values["dtype_policy"] or default_dtype_policy())
    names = ("loss_network", "loss_network_weights", "loss_network_preprocessing")
    loss_network = {name: values[name] for name in names}
    subjects = [
        open_subject(model, values["saved_models"], painting, loss_network)
        for model, painting in zip(models, paintings, strict=True)
    ]
    for part in parts:
        print(f"\n{part}")
        if part == "objective":
            measure_objective(subjects, photos, sides, values["iterations"], values["output"])
        elif part == "speed":
            measure_speed(subjects, next(iter(photos.values())), sides)
        else:
            measure_artefacts(subjects)
