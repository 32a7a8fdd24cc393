"""What TFLite files of a model make, beside the SavedModel: one sheet to look at.

    python -m zoo.tflite --model=NAME --variants=float32,float16,dynamic,int8 --sizes=256 \
        --calibration=PHOTOS --output=DIR
    python -m benchmarks.litert_pictures --model=NAME --files=DIR --output=NAME.jpg

Every file of known size in DIR is shown, of the smallest size that there is. A model of several
styles paints in the first.
"""

import numpy as np
from absl import flags

from benchmarks import litert
from zoo import catalog, images, program
from zoo.contact_sheet import contact_sheet
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
    """The program's flags: those of `benchmarks.litert`, and one more."""
    litert.define_flags()
    flags.DEFINE_string("output", None, "File of the picture.", required=True)


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    model = catalog.find(values["model"], values["saved_models"])
    found = litert.files_of(model, values["files"])
    size = min(found)
    images.write(sheet(model, found[size], size), values["output"], quality=90)
    print(f"wrote {values['output']}")


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.litert_pictures", only_flags=True)
