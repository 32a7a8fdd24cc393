"""What a run of `trainers.optimize` leaves on the way, in a folder named like its output.

For OUT.png the folder OUT holds `trace.json` (settings and losses), a picture each so many
iterations, and, until the run is done, `state.npz` to go on from.
"""

import contextlib
import json
import os
import time
from pathlib import Path

import numpy as np

from trainers.hardware import environment
from zoo import images
from zoo.errors import UserError


class Journal:
    """Keeps a run's trace, pictures and state; call it with each `trainers.descent.Step`.

    A context manager: what ends the run early, Ctrl-C or an error, leaves the state to go on from.

    Args:
        output: the final picture's path.
        settings: dict of what decides the picture; a run goes on only with equal ones.
        finish: maps an image, float32 [H, W, 3], to the `zoo.images.Picture` of it.
        interval: iterations, over all sizes, between pictures and states.
        resume: whether to go on after the state that there is.

    Attributes:
        start: (scale, iteration, image) to go on after, or None.
        image: float32 [H, W, 3] in [0, 1], the best so far; None before the first iteration.

    Raises:
        UserError: there is a state and `resume` is false, none and it is true, or one of a run
            with other settings; or the folder or a file in it cannot be written.
    """

    def __init__(self, output, settings, finish, interval, resume=False):
        self.folder = Path(output).with_suffix("")
        self._state = self.folder / "state.npz"
        self._trace = self.folder / "trace.json"
        self._finish = finish
        self._interval = interval
        self.start = self.image = self._latest = None
        self._seconds = 0.0
        self._record = {"settings": _plain(settings), "environment": environment(), "trace": []}
        if resume:
            self._go_on()
        elif self._state.exists():
            raise UserError(
                f"{self._state} is of a run that was not finished: --resume goes on with it; "
                "remove it to begin anew"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--output: cannot make {self.folder}: {error.strerror}") from error
        self._write_trace()
        self._since = time.monotonic()

    def _go_on(self):
        if not self._state.exists():
            raise UserError(f"--resume: there is no {self._state} to go on with")
        try:
            record = json.loads(self._trace.read_text())
            with np.load(self._state) as state:
                self.start = (int(state["scale"]), int(state["iteration"]), state["image"])
            before, now = record["settings"], self._record["settings"]
            changed = [name for name in now if before.get(name) != now[name]]
            rows = [r for r in record["trace"] if (r["scale"], r["iteration"]) <= self.start[:2]]
            self._seconds = rows[-1]["seconds"] if rows else 0.0
        except Exception as error:  # a file cut off gives any of json's, zipfile's and NumPy's
            raise UserError(f"--resume: {self.folder} is damaged: {error}") from error
        if changed:
            raise UserError(
                f"{self.folder} holds a run with other settings: "
                + ", ".join(f"{n} was {before.get(n)!r}, now {now[n]!r}" for n in changed)
                + ". Give another --output, or the settings of before."
            )
        self._record["trace"] = rows
        self.image = self.start[2]

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if error is None:
            self._write_trace()
            self._state.unlink(missing_ok=True)
        elif self._latest:
            self._save()

    def __call__(self, step):
        self._latest, self.image = step, step.image
        self._record["trace"].append(
            {
                "scale": step.scale,
                "size": list(step.image.shape[:2]),
                "iteration": step.iteration,
                "evaluations": step.evaluations,
                "seconds": round(self._seconds + time.monotonic() - self._since, 2),
                **step.terms,
                "weights": step.weights,
            }
        )
        if len(self._record["trace"]) % self._interval == 0:
            self._save()

    def _save(self):
        """Write trace, state and picture, in this order: rows after the state are dropped."""
        step = self._latest
        self._write_trace()
        with _written_whole(self._state) as file:
            np.savez(file, scale=step.scale, iteration=step.iteration, image=step.image)
        picture = f"{max(step.image.shape[:2]):05d}-{step.iteration:05d}.png"
        images.write(self._finish(step.image), self.folder / picture)

    def _write_trace(self):
        with _written_whole(self._trace) as file:
            file.write((json.dumps(self._record, indent=1) + "\n").encode())


def _plain(settings):
    """As JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(settings))


@contextlib.contextmanager
def _written_whole(path):
    """A binary file to write, which gets its name when it is complete."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
