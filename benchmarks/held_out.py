"""Compare models of one painting by their training's objective, on photos they never saw.

    python -m benchmarks.held_out --run=runs/NAME --content=PHOTOS MODEL [MODEL ...]

A model is a SavedModel's directory or a name of the catalogue. The run gives the painting, the
layers and the weights, alike for all; features are computed in float32.
"""

import keras
import numpy as np
from absl import app, flags
from tqdm import tqdm

from trainers.style_objective import style_objective
from zoo import catalog, images, program, runs
from zoo.saved_model import SavedModel
from zoo.vgg import LossNetwork

TERMS = ("content", "style", "tv")


def held_out_terms(transform, criterion, style_targets, photos):
    """Mean terms of what a model makes of photos.

    Args:
        transform: maps a `zoo.images.Picture` to one of its size.
        criterion: a `zoo.criterion.PerceptualCriterion`.
        style_targets: its targets for the painting.
        photos: a list of `Picture`s.

    Returns:
        {term: float}, unweighted, one photo counting as much as another.
    """
    rows = []
    for photo in tqdm(photos, unit="photo", leave=False):
        content_targets = criterion.content_targets(photo.rgb[None])
        terms = criterion(transform(photo).rgb[None], content_targets, style_targets)
        rows.append([float(keras.ops.convert_to_numpy(terms[name])) for name in TERMS])
    return dict(zip(TERMS, np.mean(rows, axis=0).tolist(), strict=True))


def objective_of(run, image_size, content):
    """What a run is trained on, of its first painting, and photos to hold it against.

    Args:
        run: the run's directory.
        image_size: short side of the photos in pixels.
        content: photos: a directory or a glob.

    Returns:
        A function of a model, which maps a `Picture` to one, to its terms, see `held_out_terms`,
        with their weighted sum "total"; the weights {term: float}; and the photos.
    """
    record = runs.read_record(run)
    settings = record["settings"]
    network = LossNetwork(
        settings["loss_network"],
        settings["loss_network_weights"],
        settings["loss_network_preprocessing"],
    )
    painting = images.read(settings["style_image"][0]).rgb
    objective = style_objective(record, painting, network)
    photos = [
        images.Picture(images.resize_short_side(images.read(path).rgb, image_size))
        for path in images.find(content)
    ]

    def terms_of(model):
        terms = held_out_terms(model, objective.criterion, objective.style_targets, photos)
        total = sum(weight * terms[term] for term, weight in objective.weights.items())
        return {**terms, "total": total}

    return terms_of, objective.weights, photos


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("run", None, "Directory of the run whose objective it is.", required=True)
    flags.DEFINE_string("content", None, "Photos: a directory or a glob.", required=True)
    flags.DEFINE_integer("image_size", 512, "Short side of the photos in pixels.", lower_bound=32)
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the program; see the module's docstring."""
    if len(argv) < 2:
        raise app.UsageError("give a model, or several")
    terms_of, weights, photos = objective_of(
        flags.FLAGS.run, flags.FLAGS.image_size, flags.FLAGS.content
    )
    print(f"{len(photos)} photos; " + ", ".join(f"{k} x {v:.4g}" for k, v in weights.items()))
    print("| model | content | style | tv | weighted sum |\n| --- | --- | --- | --- | --- |")
    for name in argv[1:]:
        model = SavedModel(catalog.find(name, flags.FLAGS.saved_models).path)
        terms = terms_of(model)
        print(f"| {name} | " + " | ".join(f"{value:.4g}" for value in terms.values()) + " |")


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.held_out")
