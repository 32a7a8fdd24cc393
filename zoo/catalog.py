"""List the models of the zoo, and find one by name.

python -m zoo.catalog
python -m zoo.catalog --model=starry-night
python -m zoo.catalog --model=FILE.tflite
"""

import dataclasses
import json
from pathlib import Path

from absl import flags

from zoo import model_json, program
from zoo.errors import UserError

SAVED_MODELS = Path(__file__).resolve().parent.parent / "saved_models"


@dataclasses.dataclass(frozen=True)
class Model:
    """The newest version of a model on disk.

    Attributes:
        name: its directory's name, which is also what it is served as.
        version: the largest version number.
        path: directory of that version's SavedModel.
        description: contents of its model.json; empty for a SavedModel of another origin.
    """

    name: str
    version: int
    path: Path
    description: dict

    @property
    def kind(self):
        """For instance "style"."""
        return self.description.get("kind", "unknown")

    @property
    def size(self):
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    @property
    def source(self):
        """What it was trained on, in a line; of super-resolution what it does."""
        if self.kind == "superres":
            (*_, last) = self.description.get("training") or [{}]
            loss = last.get("settings", {}).get("loss")
            return f"x{self.description['factor']}" + (f", {loss} loss" if loss else "")
        if styles := self.description.get("styles"):
            return ", ".join(styles)
        keys = ("artist", "painting", "year")
        return ", ".join(str(self.description[k]) for k in keys if k in self.description)


def models(saved_models=SAVED_MODELS):
    """The models below a directory NAME/VERSION/saved_model.pb, by name; versions are integers."""
    directories = sorted(path for path in Path(saved_models).glob("*") if _versions(path))
    return [_newest(directory) for directory in directories]


def find(model, saved_models=SAVED_MODELS):
    """The model of a name, or of a directory: a SavedModel's, or one that holds its versions.

    Raises:
        UserError: there is none.
    """
    for directory in (Path(saved_models) / model, Path(model)):
        if (directory / "saved_model.pb").is_file():
            directory = directory.resolve()
            versioned = directory.name.isdecimal()
            name = directory.parent.name if versioned else directory.name
            version = int(directory.name) if versioned else 0
            return Model(name, version, directory, _description(directory))
        if _versions(directory):
            return _newest(directory)
    known = ", ".join(each.name for each in models(saved_models)) or "none"
    raise UserError(
        f"no model {model!r}: it is neither in {saved_models} (which has: {known}) nor the "
        "directory of a SavedModel"
    )


def for_outscale(model, outscale):
    """Of a super-resolution model and those named alike, such as sr-x2 and sr-x8 of sr-x4, the one
    with the smallest factor that is no less than `outscale`, or the largest factor there is.

    Args:
        model: a `Model` of the catalogue.
        outscale: how many times as large a picture is to become.
    """
    factor = model.description.get("factor", 1)
    saved_models = model.path.parent.parent
    alike = [
        other
        for other in models(saved_models)
        if (of := other.description.get("factor", 1)) > 1
        and other.name.replace(f"x{of}", "x") == model.name.replace(f"x{factor}", "x")
    ]
    factors = {each.description["factor"]: each for each in [*alike, model] if factor > 1}
    enough = [each for each in factors if each >= outscale]
    return factors[min(enough) if enough else max(factors)] if factors else model


def _versions(directory):
    # Others, such as an export that is not finished yet, TensorFlow Serving does not see either.
    files = directory.glob("*/saved_model.pb")
    return [file.parent for file in files if file.parent.name.isdecimal()]


def _newest(directory):
    newest = max(_versions(directory), key=lambda path: int(path.name))
    return Model(directory.resolve().name, int(newest.name), newest, _description(newest))


def _description(path):
    file = path / model_json.FILE
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(f"{file} is damaged: {error}") from error


def _described(model, saved_models):
    if Path(model).suffix == ".tflite":
        from zoo.tflite import metadata

        return metadata.read(model)
    return find(model, saved_models).description


def table(listed):
    """The models as lines of aligned text: name, version, kind, size, source."""
    rows = [("name", "version", "kind", "size", "source")]
    rows += [
        (each.name, str(each.version), each.kind, f"{each.size / 1e6:.1f} MB", each.source)
        for each in listed
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("model", None, "Show what is known of this model, as JSON; all if empty.")
    flags.DEFINE_string("saved_models", str(SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the program; see the module's docstring."""
    directory = flags.FLAGS.saved_models
    if flags.FLAGS.model:
        print(json.dumps(_described(flags.FLAGS.model, directory), indent=2))
        return
    listed = models(directory)
    if not listed:
        raise UserError(f"no models in {directory}")
    print(table(listed))


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "zoo.catalog", only_flags=True)


if __name__ == "__main__":
    cli()
