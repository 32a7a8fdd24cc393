"""Serve every model of the zoo here, send one photo through each, and show the results.

    python -m serving.demo --output=demo

Models that enlarge get the photo made small. It starts the embedded server on a free port, and
stops it at the end, however it ends.
"""

import time
from pathlib import Path

from absl import flags

from serving.client import ZooClient
from serving.local_server import running_server
from zoo import catalog, images, program
from zoo.bicubic import rescale
from zoo.contact_sheet import contact_sheet
from zoo.degradations import bicubic, crop_to_multiple
from zoo.errors import UserError
from zoo.sample_photo import sample_photo


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("output", "demo", "Directory for the pictures.")
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")
    flags.DEFINE_string("photo", None, "Picture to send; scikit-image's coffee if not given.")


def main(argv):
    """Run the program; see the module's docstring."""
    models = catalog.models(flags.FLAGS.saved_models)
    if not models:
        raise UserError(f"no models in {flags.FLAGS.saved_models}")
    output = Path(flags.FLAGS.output)
    output.mkdir(parents=True, exist_ok=True)
    photo = images.read(flags.FLAGS.photo or sample_photo("coffee")).rgb
    # By factor of enlargement: labels and pictures of a sheet. 1 is the style models'.
    sheets = {}
    print(f"starting the embedded server over {len(models)} models")
    with running_server(models, output) as server, ZooClient(server.address) as zoo:
        for model in models:
            factor = model.description.get("factor", 1)
            sheet = sheets.setdefault(factor, _beside(photo, factor))
            started = time.perf_counter()
            picture = _picture(zoo, model, photo, factor)
            seconds = time.perf_counter() - started
            images.write(picture, output / f"{model.name}.png")
            sheet[model.name] = picture
            print(f"{model.name}: {picture.width}x{picture.height} in {seconds:.2f} s")
    for factor, sheet in sheets.items():
        columns = 4 if factor == 1 else len(sheet)
        name = "gallery.png" if factor == 1 else f"enlarged-x{factor}.png"
        images.write(contact_sheet([*sheet.values()], [*sheet], columns=columns), output / name)
        print(f"all together: {output / name}")
    print(f"the server is stopped; every picture is in {output}/")


def _beside(photo, factor):
    """What stands first on a sheet, {label: picture}."""
    if factor == 1:
        return {"photo": photo}
    return {"photo": photo, "bicubic": rescale(_small(photo, factor), factor).clip(0, 1)}


def _small(photo, factor):
    return bicubic(crop_to_multiple(photo, factor), factor)


def _picture(zoo, model, photo, factor):
    """What a model makes of the photo, asked of the server; of many styles the first two mixed."""
    if factor > 1:
        return zoo.upscale(_small(photo, factor), factor, model=model.name)
    styles = model.description.get("styles") or []
    mixture = dict.fromkeys(styles[:2], 1) or None
    return zoo.stylize(photo, model=model.name, style=mixture)


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "serving.demo", only_flags=True)


if __name__ == "__main__":
    cli()
