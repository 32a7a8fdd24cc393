"""What a run of `trainers.optimize` leaves on the way, in a folder named like its output.

For OUT.png the folder OUT holds `trace.json` (settings and losses), a picture each so many
iterations, and, until the run is done, `state.npz` to go on from.
"""

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

    Args:
        output: the final picture's path.
        settings: dict of what decides the picture; a run goes on only with equal ones.
        finish: maps an image, float32 [H, W, 3], to the `zoo.images.Picture` of it.
        interval: iterations between pictures and states.
        resume: whether to go on after the state that there is.

    Attributes:
        start: (scale, iteration, image) to go on after, or None.
        latest: the newest `Step`, or None.

    Raises:
        UserError: there is a state and `resume` is false, none and it is true, or one of a run
            with other settings; or the folder cannot be made.
    """

    def __init__(self, output, settings, finish, interval, resume=False):
        self.folder = Path(output).with_suffix("")
        self._state = self.folder / "state.npz"
        self._trace = self.folder / "trace.json"
        self._finish = finish
        self._interval = interval
        self.start = self.latest = None
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
        self._since = time.monotonic()

    def _go_on(self):
        if not self._state.exists():
            raise UserError(f"--resume: there is no {self._state} to go on with")
        try:
            record = json.loads(self._trace.read_text())
            with np.load(self._state) as state:
                self.start = (int(state["scale"]), int(state["iteration"]), state["image"])
            before, now = record["settings"], self._record["settings"]
        except Exception as error:  # a file cut off gives any of json's, zipfile's and NumPy's
            raise UserError(f"--resume: {self.folder} is damaged: {error}") from error
        changed = [name for name in now if before.get(name) != now[name]]
        if changed:
            raise UserError(
                f"{self.folder} holds a run with other settings: "
                + ", ".join(f"{n} was {before.get(n)!r}, now {now[n]!r}" for n in changed)
            )
        self._record["trace"] = [
            row for row in record["trace"] if (row["scale"], row["iteration"]) <= self.start[:2]
        ]
        self._seconds = self._record["trace"][-1]["seconds"] if self._record["trace"] else 0.0

    def __call__(self, step):
        self.latest = step
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
        if step.iteration % self._interval == 0:
            self.save()

    def save(self):
        """Write trace, picture and state as they are now; each whole or not at all."""
        step = self.latest
        _replace(self._trace, (json.dumps(self._record, indent=1) + "\n").encode())
        picture = f"{max(step.image.shape[:2]):05d}-{step.iteration:05d}.png"
        images.write(self._finish(step.image), self.folder / picture)
        partial = self._state.with_suffix(".partial.npz")
        np.savez(partial, scale=step.scale, iteration=step.iteration, image=step.image)
        os.replace(partial, self._state)

    def close(self):
        """Write the trace whole; the run is done and needs no state any more."""
        _replace(self._trace, (json.dumps(self._record, indent=1) + "\n").encode())
        self._state.unlink(missing_ok=True)


def _plain(settings):
    """As JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(settings))


def _replace(path, data):
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)
