"""Descent on an image: L-BFGS and Adam with one interface, and what to keep of their iterates."""

import contextlib
import dataclasses
import math

import numpy as np
from scipy import optimize

from trainers.coordinates import Pixels, Whitened, excess
from zoo.errors import UserError

# Root mean square of the first change of pixels: well above what bfloat16 rounds away.
_FIRST_STEP = 0.01
# A good line search takes one or two; what many do not find is noise.
_LINE_SEARCH_EVALUATIONS = 10
# Of the excess over [0, 1], relative to the first loss, where there are no bounds.
_EXCESS_WEIGHT = 100


class _SpentError(Exception):
    """As many evaluations as were allowed are done."""


class _Minimizer:
    """What both have in common; evaluations are counted, bounded and checked.

    Args:
        max_evaluations: no more of the objective than this, at least 1; None for no bound.

    Attributes:
        evaluations: of the objective, so far, by the last `minimize`.
    """

    def __init__(self, max_evaluations=None):
        self.max_evaluations = max_evaluations
        self.evaluations = 0

    def minimize(self, evaluate, image, iterations, callback):
        """Descend from an image.

        Args:
            evaluate: maps an image, float32 [H, W, 3], to (terms as a dict of floats, among them
                "loss"; the loss's gradient, float32 [H, W, 3]), as
                `trainers.gradients.value_and_gradient` makes it.
            image: float32 [H, W, 3], to start from.
            iterations: the most to do. Fewer are done where nothing lowers the loss any more, or
                where `max_evaluations` are spent.
            callback: called as callback(iteration, image, terms) after each iteration, which
                count from 1, with the image so far, a float32 copy in [0, 1], and its terms. What
                it raises ends the descent and comes through (but for StopIteration, which scipy
                keeps).

        Returns:
            The image after the last iteration, float32 [H, W, 3].

        Raises:
            UserError: the loss or its gradient is not finite.
        """
        self.evaluations = self._iteration = 0
        self._evaluate, self._callback = evaluate, callback
        self._image = np.array(image, "float32")
        with contextlib.suppress(_SpentError):
            self._descend(iterations)
        return self._image

    def _evaluated(self, image):
        """Terms and gradient of an image."""
        if self.evaluations == self.max_evaluations:
            raise _SpentError
        self.evaluations += 1
        terms, gradient = self._evaluate(image)
        if not math.isfinite(terms["loss"]):
            raise self._not_finite(f"loss is {terms['loss']}")
        if not np.isfinite(gradient).all():
            raise self._not_finite("gradient is not finite")
        return terms, gradient

    def _not_finite(self, what):
        return UserError(
            f"the {what} at iteration {self._iteration + 1}: try --dtype_policy=float32, or "
            "smaller weights"
        )

    def _iterate(self, image, terms):
        """Tell that an iteration is done."""
        self._iteration += 1
        self._image = image
        self._callback(self._iteration, image.copy(), terms)


@dataclasses.dataclass(frozen=True)
class _Point:
    image: np.ndarray
    terms: dict
    gradient: np.ndarray  # by pixels, of the loss
    loss: float  # what is minimised


class LBFGS(_Minimizer):
    """Limited-memory BFGS with bounds (Byrd 1995), by `scipy.optimize`, in float64.

    Coordinates and loss are scaled so that the first step has one length whatever the loss's size
    is; no tolerance ends the descent. Where a line search fails, because features in bfloat16 make
    the loss noisy, it starts again from the best image with an empty memory; it ends where that
    lowers nothing.

    It holds about 2 * memory + 30 arrays of the image's size in float64.

    Args:
        memory: number of last steps that the curvature is estimated from.
        whitened: steps are taken in `trainers.coordinates.Whitened`, and pixels outside of [0, 1]
            cost something; else in pixels, which stay in [0, 1].
        max_evaluations: no more of the objective than this, at least 1; None for no bound.
    """

    def __init__(self, memory=10, whitened=False, max_evaluations=None):
        super().__init__(max_evaluations)
        self.memory = memory
        self.whitened = whitened

    def _descend(self, iterations):
        space = (Whitened if self.whitened else Pixels)(self._image.shape[:2])
        self._image = self._image.clip(0, 1)
        self._excess_weight = 0.0
        best = self._point(self._image)
        if self.whitened:
            self._excess_weight = _EXCESS_WEIGHT * best.loss
        while self._iteration < iterations:
            start, best = best, self._run(space, best, iterations - self._iteration)
            if best.loss >= start.loss:
                break

    def _point(self, image):
        terms, gradient = self._evaluated(image)
        if not self._excess_weight:
            return _Point(image, terms, gradient, terms["loss"])
        cost, slope = excess(image)
        loss = terms["loss"] + self._excess_weight * cost
        return _Point(image, terms, gradient + self._excess_weight * slope, loss)

    def _run(self, space, start, iterations):
        """One run of scipy; gives the best point that it came by."""

        def flat(values):
            return values.ravel().astype("float64")

        latest = best = start
        reached = start.loss
        # scipy's first step has the Euclidean length 1.
        stretch = 1 / (_FIRST_STEP * math.sqrt(start.image.size))
        first_gradient = space.gradient(start.gradient.astype("float64"))
        slope = np.linalg.norm(first_gradient) / stretch or 1.0

        def objective(stretched):
            nonlocal latest, best
            coordinates = (stretched / stretch).reshape(start.image.shape)
            image = space.image(coordinates).astype("float32")
            if not np.array_equal(image, latest.image):
                latest = self._point(image)
                best = min(best, latest, key=lambda point: point.loss)
            gradient = space.gradient(latest.gradient.astype("float64"))
            return latest.loss / slope, flat(gradient) / (slope * stretch)

        def iterated(_):
            # An iteration is where its line search evaluated last. One that does not lower the
            # loss was given up; scipy counts it, and stops.
            nonlocal reached
            if latest.loss < reached:
                reached = latest.loss
                self._iterate(latest.image.clip(0, 1), latest.terms)

        bounds = space.bounds and [tuple(stretch * edge for edge in space.bounds)]
        optimize.fmin_l_bfgs_b(
            objective,
            flat(space.coordinates(start.image)) * stretch,
            bounds=bounds and bounds * start.image.size,
            m=self.memory,
            factr=0,
            pgtol=0,
            maxfun=math.inf,
            maxiter=iterations,
            maxls=_LINE_SEARCH_EVALUATIONS,
            callback=iterated,
        )
        return best


class Adam(_Minimizer):
    """Adam (Kingma 2015, algorithm 1), each step of it clipped to [0, 1].

    Gradients are divided by the first one's size, which changes nothing but the meaning of
    Adam's epsilon.

    Args:
        learning_rate: about the change of a pixel in one step.
        max_evaluations: no more of the objective than this, at least 1; None for no bound.
    """

    def __init__(self, learning_rate=0.02, max_evaluations=None):
        super().__init__(max_evaluations)
        self.learning_rate = learning_rate

    def _descend(self, iterations):
        image = self._image = self._image.clip(0, 1)
        terms, gradient = self._evaluated(image)
        size = float(np.sqrt(np.mean(gradient.astype("float64") ** 2))) or 1.0
        mean, square = np.zeros_like(image), np.zeros_like(image)
        for step in range(1, iterations + 1):
            gradient = gradient / size
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            deviation = np.sqrt(square / (1 - 0.999**step)) + 1e-8
            change = mean / (1 - 0.9**step) / deviation
            image = (image - self.learning_rate * change).clip(0, 1)
            terms, gradient = self._evaluated(image)
            self._iterate(image, terms)


class ExponentialAverage:
    """Moving average of the images so far, as if there had been none before the first.

    The correction of the start is Adam's (Kingma 2015, section 3).

    Args:
        decay: weight of an image relative to the next one's.
    """

    def __init__(self, decay=0.99):
        self.decay = decay
        self._sum = self._weight = 0.0

    def update(self, image):
        """Take one in, floats [H, W, 3]."""
        self._sum = self.decay * self._sum + image
        self._weight = self.decay * self._weight + 1

    @property
    def value(self):
        """The average; there must have been an image."""
        return self._sum / self._weight


class Best:
    """The image with the lowest loss so far.

    Attributes:
        image: float32 [H, W, 3]; None before the first.
        terms: its terms.
    """

    def __init__(self):
        self.image = None
        self.terms = {"loss": math.inf}

    def update(self, image, terms):
        """Take one in, with its terms; it is not copied."""
        if terms["loss"] < self.terms["loss"]:
            self.image, self.terms = image, terms
