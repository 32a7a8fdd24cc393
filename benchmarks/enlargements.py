"""Details of photos made small, and made large again by several models: one sheet to look at.

    python -m benchmarks.enlargements --models=sr-x4-pixel,sr-x4 --output=x4.jpg

All models are for one factor. From left to right: bicubic, the models in their order, the original.
"""

import numpy as np
from absl import flags

from trainers.evaluate_superres import bicubic, open_model
from zoo import catalog, degradations, images, program
from zoo.contact_sheet import contact_sheet
from zoo.errors import UserError
from zoo.sample_photo import sample_photo

# What is hard: top left corners of SIDE x SIDE pixels, and a standard deviation of noise.
SIDE = 160
DETAILS = {
    "face and hair": ("astronaut", 16, 145, 0),
    "the same, with noise": ("astronaut", 16, 145, 0.03),
    "lettering": ("astronaut", 300, 90, 0),
    "writing": ("text", 0, 0, 0),
    "fur": ("chelsea", 60, 90, 0),
    "foliage": ("grass", 100, 100, 0),
    "edges": ("coffee", 200, 300, 0),
}


def detail(name):
    """One of `DETAILS`: float32 [SIDE, SIDE, 3] in [0, 1], and the noise of its small image."""
    photo, top, left, noise = DETAILS[name]
    return sample_photo(photo)[top : top + SIDE, left : left + SIDE], noise


def sheet(enlargers):
    """The picture.

    Args:
        enlargers: `trainers.evaluate_superres.Enlarger`s, all of one factor, which divides SIDE.
    """
    factor = enlargers[0].factor
    pictures, labels = [], []
    for name in DETAILS:
        original, noise = detail(name)
        small = degradations.bicubic(original, factor)
        small = small + np.random.default_rng(0).normal(scale=noise, size=small.shape)
        small = small.clip(0, 1).astype(np.float32)
        for enlarger in enlargers:
            pictures.append(enlarger.enlarge(small).clip(0, 1))
            labels.append(enlarger.name)
        pictures.append(original)
        labels.append(name)
    return contact_sheet(pictures, labels, height=2 * SIDE, columns=len(enlargers) + 1)


def define_flags():
    """The program's flags."""
    flags.DEFINE_list(
        "models", None, "Training runs, names of the catalogue, SavedModels.", required=True
    )
    flags.DEFINE_string("output", None, "File of the picture.", required=True)
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the program; see the module's docstring."""
    models = [open_model(model, flags.FLAGS.saved_models) for model in flags.FLAGS.models]
    if len(factors := {model.factor for model in models}) > 1:
        raise UserError(f"--models: they are for factors {sorted(factors)}; give those of one")
    images.write(sheet([bicubic(*factors), *models]), flags.FLAGS.output, quality=90)
    print(f"wrote {flags.FLAGS.output}")


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.enlargements", only_flags=True)
