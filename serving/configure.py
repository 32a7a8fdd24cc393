"""Write the models.config that TensorFlow Serving takes, for the models of the catalogue.

python -m serving.configure --output=models.config
"""

from pathlib import Path

from absl import flags

from zoo import catalog, program
from zoo.errors import UserError


def models_config(models):
    """A ModelServerConfig in text form, which serves the newest version of each model.

    Args:
        models: `zoo.catalog.Model`s.
    """
    entries = [
        f'  config {{ name: "{model.name}" base_path: "{model.path.resolve().parent}" '
        'model_platform: "tensorflow" }'
        for model in models
    ]
    return "\n".join(["model_config_list {", *entries, "}"]) + "\n"


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("output", "models.config", "File to write.")
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the program; see the module's docstring."""
    models = catalog.models(flags.FLAGS.saved_models)
    if not models:
        raise UserError(f"no models in {flags.FLAGS.saved_models}")
    Path(flags.FLAGS.output).write_text(models_config(models))
    print(f"{len(models)} models in {flags.FLAGS.output}")


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "serving.configure", only_flags=True)


if __name__ == "__main__":
    cli()
