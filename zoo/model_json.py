"""What a SavedModel tells of itself: assets.extra/model.json."""

import csv
import subprocess
from pathlib import Path

from zoo import runs

FILE = "assets.extra/model.json"


def describe(run, name, version, dtype_policy, about):
    """The contents of model.json for a model exported from a run's newest checkpoint.

    Args:
        run: the training run's directory.
        name: the model's.
        version: its number.
        dtype_policy: arithmetic of the exported network.
        about: dict that goes in as it is: painting, artist, year, source, ...

    Returns:
        A dict; "training" lists the stages, each with its settings, the one that began it first.
    """
    record = runs.read_record(run)
    return {
        "name": name,
        "version": version,
        "kind": record["kind"],
        "factor": record["settings"].get("factor", 1),
        **about,
        "training": training_stages(run),
        "export_dtype_policy": dtype_policy,
        "git_commit": _git_commit(),
    }


def training_stages(run):
    """A run, after the runs that its weights come from by --init_from, as far as they are there."""
    record = runs.read_record(run)
    origin = record["settings"].get("init_from")
    earlier = training_stages(origin) if origin and (Path(origin) / "run.json").exists() else []
    return [*earlier, _stage(run, record)]


def _stage(run, record):
    settings = dict(record["settings"])
    for path in ("style_image", "content", "loss_network_weights", "init_from"):
        value = settings.get(path)
        if value and not value.startswith("tfds:"):  # a directory of this machine tells nobody
            settings[path] = Path(value).name
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


def _git_commit():
    command = ["git", "rev-parse", "HEAD"]
    answer = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None
