"""How many iterations of L-BFGS on an image reach what one pass of a network does.

Johnson 2016, section 4.1 and figure 5.
"""

import dataclasses
import json
import math
import os
from pathlib import Path

import numpy as np

from trainers.minimizers import LBFGS
from zoo.errors import UserError


@dataclasses.dataclass(frozen=True)
class Trace:
    """What a descent did.

    Attributes:
        losses: after 0, 1, 2, ... iterations; where nothing lowers the loss any more it stays.
        evaluations: of the loss and its gradient, by then.
    """

    losses: list[float]
    evaluations: list[int]

    def iterations_to(self, loss):
        """The fewest iterations after which the loss is no larger than `loss`; or infinity."""
        return next((n for n, reached in enumerate(self.losses) if reached <= loss), math.inf)


def trace(evaluate, start, iterations, observe=lambda iteration, image, terms: None):
    """Descend by L-BFGS on pixels, and keep the `Trace`.

    Args:
        evaluate: the objective, see `trainers.minimizers.LBFGS`.
        start: float32 [H, W, 3] in [0, 1].
        iterations: to do.
        observe: called after each iteration with its number, counted from 1, image and terms.

    Raises:
        UserError: the loss is not finite.
    """
    losses, evaluations = [], []

    def evaluated(image):
        terms, gradient = evaluate(image)
        if not losses:
            losses.append(terms["loss"])
            evaluations.append(1)
        return terms, gradient

    def iterated(iteration, image, terms):
        losses.append(terms["loss"])
        evaluations.append(minimizer.evaluations)
        observe(iteration, image, terms)

    minimizer = LBFGS()
    minimizer.minimize(evaluated, start, iterations, iterated)
    missing = iterations + 1 - len(losses)
    return Trace(losses + missing * losses[-1:], evaluations + missing * [minimizer.evaluations])


def kept(file, circumstances, make):
    """The `Trace` of a file, if it was made in the same circumstances, or else a new one.

    Args:
        file: path of a JSON file, written anew unless it is used.
        circumstances: a dict as JSON has it: everything that decides the trace.
        make: function that gives a `Trace`.

    Raises:
        UserError: the file cannot be read.
    """
    file = Path(file)
    if file.exists():
        try:
            record = json.loads(file.read_text())
            if record["circumstances"] == circumstances:
                return Trace(**record["trace"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} is damaged: remove it") from error
    made = make()
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    record = {"circumstances": circumstances, "trace": dataclasses.asdict(made)}
    partial.write_text(json.dumps(record) + "\n")
    os.replace(partial, file)
    return made


def mean_losses(traces):
    """The curve of several `Trace`s of as many iterations: float64 [iterations + 1]."""
    return np.mean([each.losses for each in traces], axis=0)
