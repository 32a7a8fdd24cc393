"""How long an iteration of L-BFGS takes, and one pass of a network, on the same machine."""

import time

from trainers.minimizers import LBFGS
from trainers.timing import alternating_seconds

BLOCKS = 5
ITERATIONS = 10


def iteration_seconds(evaluate, start, iterations=ITERATIONS):
    """Seconds that an iteration takes, on average over all but the first, with which set-up goes.

    Args:
        evaluate: the objective, see `trainers.minimizers.LBFGS`.
        start: float32 [H, W, 3] in [0, 1].
        iterations: 2 or more; the descent must not end before.
    """
    ends = []
    LBFGS().minimize(evaluate, start, iterations, lambda *_: ends.append(time.perf_counter()))
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def side_by_side(model, picture, evaluate, start, blocks=BLOCKS):
    """Seconds of one pass and of one iteration, each of the fastest of blocks that take turns.

    Args:
        model: a function of a `zoo.images.Picture`.
        picture: what it is called with.
        evaluate: see `iteration_seconds`.
        start: see there.
        blocks: of each.

    Returns:
        Two floats.
    """
    passes, iterations = [], []
    for _ in range(blocks):
        passes += alternating_seconds({"pass": model}, picture, blocks=1)["pass"]
        iterations.append(iteration_seconds(evaluate, start))
    return min(passes), min(iterations)
