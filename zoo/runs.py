"""A training run's directory: `run.json` and `checkpoints/step-N/`, written by the trainers.

run.json holds {"settings": {...}, "calibrated": {...}, "origin": [...], "environment": {...}}, of
which "origin" is the training of the model that --init_from names; a checkpoint holds the network
as `network.keras`, and what the trainer needs to go on.
"""

import json
import os
from pathlib import Path

from zoo.errors import UserError

_PREFIX = "step-"
NETWORK = "network.keras"


def checkpoint_path(run, step):
    """Where the checkpoint of a step lies."""
    return Path(run) / "checkpoints" / f"{_PREFIX}{step:08d}"


def checkpoint_steps(run):
    """Steps of the complete checkpoints, oldest first."""
    paths = (Path(run) / "checkpoints").glob(f"{_PREFIX}*")
    return sorted(int(path.name.removeprefix(_PREFIX)) for path in paths)


def latest_checkpoint(run):
    """(step, path) of the newest checkpoint; (0, None) if there is none."""
    steps = checkpoint_steps(run)
    return (steps[-1], checkpoint_path(run, steps[-1])) if steps else (0, None)


def read_record(run):
    """The contents of run.json.

    Raises:
        UserError: `run` is not a run's directory.
    """
    path = Path(run) / "run.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{run} is not a training run: it has no run.json") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from error


def write_record(run, record):
    """Write run.json whole or not at all."""
    path = Path(run) / "run.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=2) + "\n")
    os.replace(partial, path)
