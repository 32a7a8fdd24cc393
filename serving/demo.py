"""Serve every model of the zoo here, send one photo through each, and show the results.

    python -m serving.demo --output=demo

It starts the embedded server on a free port, and stops it at the end, however it ends.
"""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

from absl import flags

from serving.client import NotReady, ZooClient
from serving.configure import models_config
from zoo import catalog, images, program
from zoo.contact_sheet import contact_sheet
from zoo.errors import UserError
from zoo.sample_photo import sample_photo

START_SECONDS = 300


def _free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running_server(models, directory):
    """The embedded server over models of the catalogue, as a process of its own, ready.

    Args:
        models: `zoo.catalog.Model`s.
        directory: `pathlib.Path` that receives `models.config` and `server.log`.

    Yields:
        A `ZooClient` of the server.

    Raises:
        UserError: the server did not start.
    """
    config = directory / "models.config"
    config.write_text(models_config(models))
    port = _free_port()
    command = [sys.executable, "-m", "serving.server"]
    command += [f"--model_config_file={config.resolve()}", f"--port={port}"]
    command += ["--max_num_load_retries=0"]  # a broken model is told at once
    log = directory / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        with ZooClient(f"localhost:{port}") as zoo:
            # It listens once all models are loaded.
            _wait_ready(zoo, models[0].name, server, log)
            yield zoo
    finally:
        server.terminate()
        server.wait()


def _wait_ready(zoo, model, server, log):
    for _ in range(START_SECONDS):
        with contextlib.suppress(NotReady):
            return zoo.wait_ready(model, timeout=1)
        if server.poll() is not None:
            raise UserError(f"the server ended at once; {log} says:\n{log.read_text()}")
    raise UserError(f"the server was not ready after {START_SECONDS} s; see {log}")


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
    with running_server(models, output) as zoo:
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
