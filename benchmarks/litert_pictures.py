"""What TFLite files of a model make, beside the SavedModel: one sheet to look at.

    python -m zoo.tflite --model=NAME --variants=float32,float16,dynamic,int8 --sizes=256 \
        --calibration=PHOTOS --output=DIR
    python -m benchmarks.litert_pictures --model=NAME --files=DIR --output=NAME.jpg

Every file of known size in DIR is shown, of the smallest size that there is. A model of several
styles paints in the first.
"""

from pathlib import Path

import numpy as np
from absl import flags

from benchmarks.litert import sizes_of
from zoo import catalog, images, program
from zoo.contact_sheet import contact_sheet
from zoo.errors import UserError
from zoo.sample_photo import sample_photo
from zoo.saved_model import SavedModel

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


def sheet(model, files, size):
    """The picture.

    Args:
        model: a `zoo.catalog.Model`.
        files: {label: path}, all for `size`.
        size: (height, width).
    """
    from zoo.tflite.convert_model import fitted
    from zoo.tflite.runtime import LiteRTModel

    saved = SavedModel(model.path)
    styles = len(model.description.get("styles") or [])
    weights = np.eye(styles)[0] if styles else None
    runtimes = {label: LiteRTModel(path, 2) for label, path in files.items()}
    pictures, labels = [], []
    for name in PHOTOS:
        photo = fitted(sample_photo(name), size)
        pictures += [saved.image(photo)]
        pictures += [runtime.transform(photo, weights) for runtime in runtimes.values()]
        labels += ["SavedModel", *runtimes]
    return contact_sheet(pictures, labels, height=size[0], columns=1 + len(runtimes))


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("model", None, "The model that the files are of.", required=True)
    flags.DEFINE_string("files", None, "Directory of its TFLite files.", required=True)
    flags.DEFINE_string("output", None, "File of the picture.", required=True)
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    model = catalog.find(values["model"], values["saved_models"])
    found = sizes_of(Path(values["files"]).glob(f"{model.name}-*.tflite"))
    if not found:
        raise UserError(f"{values['files']} has no TFLite files of {model.name} for one size")
    size = min(found)
    images.write(sheet(model, found[size], size), values["output"], quality=90)
    print(f"wrote {values['output']}")


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.litert_pictures", only_flags=True)
