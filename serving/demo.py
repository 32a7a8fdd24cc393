"""Serve every model of the zoo here, send one photo through each, and show the results.

    python -m serving.demo --output=demo

It starts the embedded server on a free port, and stops it at the end, however it ends.
"""

import time
from pathlib import Path

from absl import flags

from serving.client import ZooClient
from serving.local_server import running_server
from zoo import catalog, images, program
from zoo.contact_sheet import contact_sheet
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
    photo = images.read(flags.FLAGS.photo or sample_photo("coffee"))
    results = []
    print(f"starting the embedded server over {len(models)} models")
    with running_server(models, output) as server, ZooClient(server.address) as zoo:
        for model in models:
            started = time.perf_counter()
            picture = zoo.stylize(photo, model=model.name)
            seconds = time.perf_counter() - started
            images.write(picture, output / f"{model.name}.png")
            results.append(picture)
            print(f"{model.name}: {picture.width}x{picture.height} in {seconds:.2f} s")
    gallery = contact_sheet([photo, *results], ["photo", *[model.name for model in models]])
    images.write(gallery, output / "gallery.png")
    print(f"the server is stopped; pictures: {output}/*.png, all together: {output}/gallery.png")


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "serving.demo", only_flags=True)


if __name__ == "__main__":
    cli()
