"""Convert a model of the zoo to LiteRT (TFLite) files, and show how near their pictures are.

    python -m zoo.tflite --model=starry-night --variants=float32,float16,dynamic,int8 \
        --sizes=256,384,512,dynamic --calibration=PHOTOS --output=DIR

Each file is measured against the SavedModel on --photos, and is only written if every photo is
near enough. A model card lies beside the files: DIR/NAME.md.
"""

from pathlib import Path

from absl import flags

from zoo import catalog, images, program
from zoo.errors import UserError
from zoo.quiet import import_tensorflow
from zoo.sample_photo import sample_photo


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("model", None, "A name of the catalogue, or a directory.", required=True)
    flags.DEFINE_string("output", None, "Directory to write to.", required=True)
    flags.DEFINE_list("variants", ["float16", "dynamic"], "float32, float16, dynamic, int8.")
    flags.DEFINE_list("sizes", ["dynamic"], "Pixels (384), WIDTHxHEIGHT, or dynamic: any.")
    flags.DEFINE_string("calibration", None, "Photos for int8: a directory or a glob.")
    flags.DEFINE_string("photos", None, "Photos to measure on; scikit-image's three if none.")
    flags.DEFINE_string("lpips_heads", None, "Measure LPIPS too; see zoo.lpips.")
    flags.DEFINE_string("loss_network_weights", None, "VGG-16's of torchvision, for LPIPS.")
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    model = catalog.find(values["model"], values["saved_models"])
    calibration = images.find(values["calibration"]) if values["calibration"] else ()
    photos = images.find(values["photos"]) if values["photos"] else _sample_photos()
    import_tensorflow()
    try:
        from zoo import saved_network
        from zoo.tflite import card
        from zoo.tflite.convert_model import convert_model
        from zoo.tflite.lowering import smallest_side
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: pip install '.[convert]'") from error

    lpips = _lpips(values["lpips_heads"], values["loss_network_weights"])
    print(card.HEADER, flush=True)
    files = []
    for file in convert_model(
        model,
        values["variants"],
        values["sizes"],
        values["output"],
        photos,
        calibration,
        lpips,
    ):
        print(card.row(file), flush=True)
        files.append(file)
    print("\n" + card.operators(files))
    written = [file for file in files if file.passed]
    if written:
        smallest = smallest_side(saved_network.load(model.path))
        text = card.card(model, written, len(photos), smallest)
        (Path(values["output"]) / f"{model.name}.md").write_text(text)
    if failed := [file.path.name for file in files if not file.passed]:
        raise UserError(f"too far from the SavedModel, so not written: {', '.join(failed)}")


def _sample_photos():
    return [sample_photo(name) for name in ("chelsea", "coffee", "rocket")]


def _lpips(heads, weights):
    if not heads:
        return None
    from zoo.lpips import LPIPS
    from zoo.vgg import LossNetwork

    return LPIPS(LossNetwork("vgg16", weights, "torch"), heads)


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "zoo.tflite", only_flags=True)


if __name__ == "__main__":
    cli()
