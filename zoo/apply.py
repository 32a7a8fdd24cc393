"""Transform pictures with a model of the zoo, without a server.

    python -m zoo.apply --model=starry-night --output=OUT INPUT [INPUT ...]

An input is a file, a directory or a glob. OUT is a directory, or a file's name for a single
picture. A file that cannot be read is named and skipped; the exit code is then 1.
"""

import sys
from pathlib import Path

from absl import app, flags
from tqdm import tqdm

from zoo import catalog, images, program
from zoo.destinations import destinations
from zoo.errors import UserError
from zoo.quiet import import_tensorflow


class SavedModel:
    """A model of the zoo in this process.

    Args:
        path: directory of the SavedModel.

    Raises:
        UserError: it cannot be loaded, or does not map images to images.
    """

    def __init__(self, path):
        self._tf = import_tensorflow()
        try:
            loaded = self._tf.saved_model.load(str(path))
            self._transform = loaded.signatures["serving_default"]
        except Exception as error:  # protobuf, TensorFlow and a missing signature, each its own
            raise UserError(f"{path} cannot be loaded: {error}") from error
        if "image" not in self._transform.structured_outputs:
            raise UserError(f"{path}: signature serving_default has no output 'image'")
        self._loaded = loaded  # its functions hold its variables only weakly

    def __call__(self, picture):
        """Transform a `zoo.images.Picture`; transparency is kept.

        Raises:
            UserError: the model refuses the picture.
        """
        try:
            outputs = self._transform(image=self._tf.constant(picture.rgb[None]))
        except self._tf.errors.OpError as error:
            # Its lines above tell where in the graph, those below which node.
            raise UserError(error.message.split("\n\t [[")[0].splitlines()[-1]) from error
        return picture.with_rgb(outputs["image"].numpy()[0])


def load(model, saved_models=catalog.SAVED_MODELS):
    """A `SavedModel` by name or directory, or a `zoo.tflite.runtime.LiteRTModel` of a .tflite file.

    Raises:
        UserError: there is none, or it cannot be loaded.
    """
    if Path(model).suffix == ".tflite":
        from zoo.tflite.runtime import LiteRTModel

        return LiteRTModel(model)
    return SavedModel(catalog.find(model, saved_models).path)


def transform_files(model, inputs, output):
    """Transform picture files one by one, with a progress bar if there are many.

    Args:
        model: a `SavedModel`, or what else `load` gives.
        inputs: paths.
        output: see `destinations`.

    Returns:
        The paths that were written, and the inputs that failed, each with the reason.
    """
    written, failed = [], {}
    pairs = list(zip(inputs, destinations(inputs, output), strict=True))
    for source, destination in tqdm(pairs, unit="picture", disable=len(pairs) == 1):
        try:
            if destination.exists() and destination.samefile(source):
                raise UserError("it would be overwritten: give another --output")
            images.write(model(images.read(source)), destination)
            written.append(destination)
        except UserError as error:
            failed[source] = str(error)
            named = str(error).startswith(str(source))
            tqdm.write(f"skipped {error if named else f'{source}: {error}'}", file=sys.stderr)
    return written, failed


def define_flags():
    """The program's flags."""
    flags.DEFINE_string(
        "model",
        None,
        "A name of the catalogue, a SavedModel's directory, or a .tflite file.",
        required=True,
    )
    flags.DEFINE_string(
        "output", None, "Directory to write to; a file's name for one picture.", required=True
    )
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the program; see the module's docstring."""
    if len(argv) < 2:
        raise app.UsageError("no input: give picture files, directories or globs", exitcode=2)
    inputs = images.find(argv[1:])
    if not inputs:
        raise UserError(f"no pictures in {', '.join(argv[1:])}")
    model = load(flags.FLAGS.model, flags.FLAGS.saved_models)
    written, failed = transform_files(model, inputs, flags.FLAGS.output)
    print(f"{len(written)} of {len(inputs)} pictures written to {flags.FLAGS.output}")
    return 1 if failed else 0


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "zoo.apply")


if __name__ == "__main__":
    cli()
