"""Write a model's card: README.md and pictures.jpg beside its versions.

    python -m zoo.card --model=starry-night --faults="What is still wrong with it."

Everything but the faults, which an eye has to find, comes from the model's model.json.
"""

from pathlib import Path

from absl import flags

from zoo import card_pictures, catalog, images, program
from zoo.errors import UserError

_CARD = """\
# {name}
{heading}

![{pictures}](pictures.jpg)

Photos: scikit-image's {photos}.

## What is still wrong with it
{faults}

## Where it comes from
| | |
| --- | --- |
{origin}

| training | steps | images | minutes | weights, calibrated | mean losses at the end |
| --- | --- | --- | --- | --- | --- |
{stages}

The losses are the unweighted terms on the training crops, averaged over the last interval of the
log; `loss` is their weighted sum.

## Exact commands
```
{commands}
```

File names stand for where you keep {inputs}; run names for
directories in `runs/`. A run with fewer steps above than in its command was stopped there.
"""

# Of each form of model: the line under its name, what its pictures show, what training takes.
_ONE_STYLE = {
    "heading": "Style model, version {version}, after *{painting}* by {artist}, {year}.",
    "pictures": "Three photos, and what the model makes of them",
    "inputs": "the painting, the photos and the weights",
}
_STYLES = {
    "heading": "Style model, version {version}, of {count} paintings, mixed by `style_weights`: "
    "{names}.",
    "pictures": "A photo, and what the model makes of it in each style",
    "inputs": "the paintings, the photos and the weights",
}
_SUPERRES = {
    "heading": "Super-resolution model, version {version}: images {factor} times as wide and as "
    "high, trained with a {loss} loss.",
    "pictures": "Details made small by bicubic, then large by bicubic and by the model, and as they"
    " were",
    "inputs": "the photos and the weights",
}
_PAINTING = {
    "painting": "{painting}, {artist}, {year}",
    "the picture trained on": "{source}",
}
_ORIGIN = {
    "training photos": "{training_data}",
    "trained on": "{machine}",
    "made with": "{environment}",
    "licence of the model": "{license}",
}


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
        settings = stages[-1]["settings"]
        form = _form(description)
        origin = _PAINTING | _ORIGIN if form is _ONE_STYLE else _ORIGIN
        styles = description.get("styles") or []
        known = {
            **description,
            "loss": settings.get("loss"),
            "count": len(styles) - 1,
            "names": ", ".join(styles),
            "environment": ", ".join(
                f"{name} {value}" for name, value in stages[-1]["environment"].items()
            ),
        }
        return _CARD.format(
            name=description["name"],
            **{part: text.format(**known) for part, text in form.items()},
            photos=_listed(card_pictures.photos(description)),
            faults=faults.strip(),
            origin="\n".join(f"| {row} | {text.format(**known)} |" for row, text in origin.items()),
            stages="\n".join(map(_row, stages)),
            commands="\n".join(
                [*(_command(description["kind"], stage) for stage in stages), _export(description)]
            ),
        )
    except KeyError as error:
        raise UserError(f"model.json does not tell {error}, which the card needs") from None


def _form(description):
    if description["kind"] == "superres":
        return _SUPERRES
    return _STYLES if description.get("styles") else _ONE_STYLE


def _listed(photos):
    *others, last = [f"{name} ({credit})" for name, credit in photos.items()]
    return f"{', '.join(others)} and {last}" if others else last


def _row(stage):
    images_seen = stage["steps"] * stage["settings"]["batch_size"]
    losses = ", ".join(f"{name} {loss}" for name, loss in stage["final_losses"].items())
    weights = ", ".join(f"{name} {_numbers(value)}" for name, value in stage["calibrated"].items())
    minutes = stage["seconds"] / 60
    return (
        f"| {stage['run']} | {stage['steps']} | {images_seen} | {minutes:.0f} | {weights} "
        f"| {losses} |"
    )


def _numbers(value):
    return ", ".join(f"{each:.4g}" for each in (value if isinstance(value, list) else [value]))


def _command(kind, stage):
    lines = [f"python -m trainers.{kind} --output=runs/{stage['run']}"]
    for name, value in stage["settings"].items():
        if value is not None:
            lines.append(f"    --{name}={_flag(value)}")
    return " \\\n".join(lines)


def _flag(value):
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _export(description):
    run = description["training"][-1]["run"]
    style = f" --style={description['style']}" if "style" in description else ""
    return (
        f"python -m zoo.export --run=runs/{run}{style} --name={description['name']} "
        f"--version={description['version']}"
    )


def write_card(model, faults):
    """Write README.md and pictures.jpg of a `zoo.catalog.Model`."""
    directory = Path(model.path).parent
    text = card(model.description, faults)
    images.write(card_pictures.sheet(model), directory / "pictures.jpg", quality=90)
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
