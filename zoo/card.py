"""Write a model's card: README.md and pictures.jpg beside its versions.

    python -m zoo.card --model=starry-night --faults="What is still wrong with it."

Everything but the faults, which an eye has to find, comes from the model's model.json.
"""

from pathlib import Path

from absl import flags

from zoo import catalog, images, program
from zoo.contact_sheet import contact_sheet
from zoo.errors import UserError
from zoo.sample_photo import sample_photo
from zoo.saved_model import SavedModel

PHOTOS = ("chelsea", "coffee", "rocket")
_CARD = """\
# {name}
{kind} model, version {version}, after *{painting}* by {artist}, {year}.

![Three photos, and what the model makes of them](pictures.jpg)

Photos: scikit-image's chelsea (CC0, Stefan van der Walt), coffee (CC0, Rachel Michetti) and
rocket (public domain, SpaceX).

## What is still wrong with it
{faults}

## Where it comes from
| | |
| --- | --- |
| painting | {painting}, {artist}, {year} |
| the picture trained on | {source} |
| training photos | {training_data} |
| trained on | {machine} |
| made with | {environment} |
| licence of the model | {license} |

| training | steps | images | minutes | style weight, calibrated | mean losses at the end |
| --- | --- | --- | --- | --- | --- |
{stages}

The losses are the unweighted terms on the training crops, averaged over the last interval of the
log; `loss` is their weighted sum.

## Exact commands
```
{commands}
python -m zoo.export --run=runs/{run} --name={name} --version={version}
```

File names stand for where you keep the painting, the photos and the weights; run names for
directories in `runs/`. A run with fewer steps above than in its command was stopped there.
"""


def card(description, faults):
    """The card's text.

    Args:
        description: a model.json, as `zoo.export` writes it.
        faults: Markdown.

    Raises:
        UserError: model.json does not tell something that a card needs.
    """
    try:
        stages = description["training"]
        return _CARD.format(
            **{
                **description,
                "kind": description["kind"].capitalize(),
                "faults": faults.strip(),
                "run": stages[-1]["run"],
                "environment": ", ".join(
                    f"{name} {value}" for name, value in stages[-1]["environment"].items()
                ),
                "stages": "\n".join(map(_row, stages)),
                "commands": "\n".join(map(_command, stages)),
            }
        )
    except KeyError as error:
        raise UserError(f"model.json does not tell {error}, which the card needs") from None


def _row(stage):
    images_seen = stage["steps"] * stage["settings"]["batch_size"]
    losses = ", ".join(f"{name} {loss}" for name, loss in stage["final_losses"].items())
    weights = ", ".join(f"{weight:.4g}" for weight in stage["calibrated"]["style_weight"])
    minutes = stage["seconds"] / 60
    return (
        f"| {stage['run']} | {stage['steps']} | {images_seen} | {minutes:.0f} | {weights} "
        f"| {losses} |"
    )


def _command(stage):
    lines = [f"python -m trainers.style --output=runs/{stage['run']}"]
    for name, value in stage["settings"].items():
        if value is not None:
            lines.append(f"    --{name}={_flag(value)}")
    return " \\\n".join(lines)


def _flag(value):
    return ",".join(map(str, value)) if isinstance(value, list) else value


def write_card(model, faults):
    """Write README.md and pictures.jpg of a `zoo.catalog.Model` of kind "style"."""
    directory = Path(model.path).parent
    text = card(model.description, faults)
    transform = SavedModel(model.path)
    photos = [images.read(sample_photo(name)) for name in PHOTOS]
    pictures = photos + [transform(photo) for photo in photos]
    sheet = contact_sheet(pictures, [""] * len(pictures), height=320, columns=len(photos))
    images.write(sheet, directory / "pictures.jpg", quality=90)
    (directory / "README.md").write_text(text)


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("model", None, "Name of the model.", required=True)
    flags.DEFINE_string("faults", None, "What is still wrong with its pictures.", required=True)
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the program; see the module's docstring."""
    model = catalog.find(flags.FLAGS.model, flags.FLAGS.saved_models)
    write_card(model, flags.FLAGS.faults)
    print(f"wrote {model.path.parent / 'README.md'}")


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "zoo.card", only_flags=True)


if __name__ == "__main__":
    cli()
