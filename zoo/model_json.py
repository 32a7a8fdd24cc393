"""What a SavedModel tells of itself: assets.extra/model.json."""

import csv
import json
import re
import subprocess
from pathlib import Path

from zoo import runs
from zoo.errors import UserError

FILE = "assets.extra/model.json"


PHOTO = "photo"  # the last style of a network of several: the photo itself
_SERVED = ("name", "version", "kind", "factor", "styles", "max_pixels", "receptive_field")


def style_names(paintings):
    """Names of the styles of a run on several paintings, in the order of their style weights.

    Args:
        paintings: paths of their files.

    Raises:
        UserError: two have the same name, or one that of the photo.
    """
    names = [re.sub(r"[^a-z0-9]+", "-", Path(path).stem.lower()).strip("-") for path in paintings]
    names.append(PHOTO)
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"--style_image: two styles would be called {twice[0]!r}; rename a file")
    return names


def describe(run, name, version, dtype_policy, max_pixels, about, style=None):
    """The contents of model.json for a model exported from a run's newest checkpoint.

    Args:
        run: the training run's directory.
        name: the model's.
        version: its number.
        dtype_policy: arithmetic of the exported network.
        max_pixels: that it takes or gives in a call.
        about: dict that goes in as it is: painting, artist, year, source, ...
        style: the one of several that the model is of; None for all.

    Returns:
        A dict; "training" lists the stages, each with its settings, the one that began it first.
    """
    record = runs.read_record(run)
    paintings = record["settings"].get("style_image", [])
    several = len(paintings) > 1 and style is None
    return {
        "name": name,
        "version": version,
        "kind": record["kind"],
        "factor": record["settings"].get("factor", 1),
        "styles": style_names(paintings) if several else None,
        "max_pixels": max_pixels,
        **({"style": style} if style else {}),
        **about,
        "training": training_stages(run),
        "export_dtype_policy": dtype_policy,
        "git_commit": _git_commit(),
    }


def served(description):
    """What a served model tells of itself, see `zoo.signatures`: JSON text."""
    return json.dumps({key: description[key] for key in _SERVED})


def training_stages(run):
    """A run, after those that its weights come from by --init_from: runs as far as they are there,
    and the stages of a model.
    """
    record = runs.read_record(run)
    origin = record["settings"].get("init_from")
    is_run = origin and (Path(origin) / "run.json").exists()
    earlier = training_stages(origin) if is_run else record.get("origin", [])
    stage = _stage(run, record)
    if earlier and not is_run:
        # The run that the model was exported from: another may have the model's name.
        stage["settings"]["init_from"] = earlier[-1]["run"]
    return [*earlier, stage]


def _stage(run, record):
    settings = {key: _without_directories(value) for key, value in record["settings"].items()}
    with (Path(run) / "log.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    return {
        "run": Path(run).name,
        "steps": int(last.pop("step")),
        "seconds": float(last.pop("seconds")),
        "final_losses": {name: float(f"{float(loss):.5g}") for name, loss in last.items()},
        "settings": settings,
        "calibrated": record["calibrated"],
        "environment": record["environment"],
    }


def _without_directories(value):
    """A setting with files' names for their paths: a directory here tells nobody anything."""
    if isinstance(value, list):
        return [*map(_without_directories, value)]
    if not isinstance(value, str) or value.startswith("tfds:"):
        return value
    return Path(value).name


def _git_commit():
    command = ["git", "rev-parse", "HEAD"]
    answer = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None
