"""From pictures to a new one: descent on the perceptual loss, from coarse to fine."""

import dataclasses
import functools
import itertools

import numpy as np

from trainers.minimizers import LBFGS, Adam, Best, ExponentialAverage
from trainers.objective import layers_in_use, objective, perceptual_criterion
from trainers.pyramid import long_sides
from zoo import images
from zoo.errors import UserError

# Standard deviation of white noise about grey. What is stronger the descent leaves in the image: no
# layer of a VGG sees much of it.
NOISE = 0.05
# Of settings, to be called with them.
MINIMIZERS = {
    "lbfgs": lambda settings: LBFGS(),
    "whitened_lbfgs": lambda settings: LBFGS(whitened=True),
    "adam": lambda settings: Adam(settings.learning_rate),
}


@dataclasses.dataclass(frozen=True)
class Scale:
    """One size of the pyramid: (height, width) in pixels, and the iterations done at it."""

    size: tuple[int, int]
    iterations: int


@dataclasses.dataclass(frozen=True)
class Step:
    """One iteration, as the observer of `descend` gets it.

    Attributes:
        scale: its index.
        iteration: at this scale, counted from 1.
        evaluations: of the loss and its gradient at this scale, so far.
        image: float32 [H, W, 3] in [0, 1]: the average, if one is kept, or else the iterate with
            the lowest loss so far.
        terms: of the iterate: "loss", the weighted sum, and "content", "style" and "tv",
            unweighted.
        weights: of these.
    """

    scale: int
    iteration: int
    evaluations: int
    image: np.ndarray
    terms: dict
    weights: dict


def plan(settings, pictures, loss_network):
    """The scales of a run.

    Those too small for the deepest layer are left out, and where there are fewer iterations than
    scales the coarsest.

    Args:
        settings: a `trainers.presets.Settings`.
        pictures: a `trainers.pictures.Pictures`.
        loss_network: a `zoo.vgg.LossNetwork`.

    Returns:
        `Scale`s, coarse to fine, the settings' iterations divided among them by the
        cubes of their sides.

    Raises:
        UserError: the last size, or the paintings', is too small, or a layer does not exist.
    """
    content_layers, style_layers = layers_in_use(settings)
    smallest = loss_network.smallest_side([*content_layers, *style_layers])
    smallest = max(smallest, 2)  # total variation is that of neighbours

    def short_side(long_side):
        paintings = pictures.painting_sizes(settings.style_scale * long_side)
        return min(map(min, [pictures.size(long_side), *paintings]))

    if short_side(settings.size) < smallest:
        enough = next(n for n in itertools.count(settings.size) if short_side(n) >= smallest)
        raise UserError(
            f"--size={settings.size} makes pictures with a side of {short_side(settings.size)} "
            f"pixels, and these layers of {loss_network.architecture} need {smallest}: "
            f"--size={enough} would do, and so would shallower layers"
        )
    sides = [
        side
        for side in long_sides(settings.start_size, settings.size)
        if short_side(side) >= smallest
    ][-settings.iterations :]
    # Two thirds of them at the last size; coarse ones converge sooner.
    parts = np.power(sides, 3.0)
    ends = settings.iterations * np.cumsum([0, *parts]) / sum(parts)
    shares = np.diff(ends.round().astype(int))
    return [
        Scale(pictures.size(side), int(share)) for side, share in zip(sides, shares, strict=True)
    ]


def first_image(settings, pictures, size):
    """What a run starts from: float32 [height, width, 3] in [0, 1].

    Raises:
        UserError: there is no such picture.
    """
    if settings.init == "noise":
        return noise_image(size, settings.seed)
    if settings.init == "gray":
        return np.full((*size, 3), 0.5, "float32")
    if settings.init == "content":
        if not pictures.content:
            raise UserError("--init=content without --content")
        return pictures.content_at(size)
    if settings.init == "style":
        if not pictures.paintings:
            raise UserError("--init=style without --style")
        return images.resize(pictures.paintings[0], size)
    return images.resize(images.read(settings.init).over_white(), size)


def noise_image(size, seed=0):
    """White noise about grey: float32 [height, width, 3] in [0, 1]."""
    noise = np.random.default_rng(seed).standard_normal((*size, 3), "float32")
    return (0.5 + NOISE * noise).clip(0, 1)


def descend(settings, pictures, loss_network, observe=lambda step: None, start=None):
    """Make the image.

    Args:
        settings: a `trainers.presets.Settings`.
        pictures: a `trainers.pictures.Pictures`.
        loss_network: a `zoo.vgg.LossNetwork`.
        observe: called with a `Step` after each iteration. What it raises ends the run.
        start: None, or (scale, iteration, image) of the `Step` to go on after.

    Returns:
        float32 [H, W, 3] in [0, 1]: the average, if one is kept, or else the iterate of the last
        scale with the lowest loss.

    Raises:
        UserError: see `plan` and `first_image`; or the loss is not finite.
    """
    scales = plan(settings, pictures, loss_network)
    criterion = perceptual_criterion(settings, loss_network)
    first, done, image = start or (0, 0, first_image(settings, pictures, scales[0].size))
    for index in range(first, len(scales)):
        size, left = scales[index].size, scales[index].iterations - done
        if image.shape[:2] != size:
            image = images.resize(image, size)
        if left:
            weights, evaluate = objective(settings, criterion, pictures, size)
            told = functools.partial(_tell, observe, index, done, weights)
            image = _minimized(settings, evaluate, image, left, told)
        done = 0
    return image


def _tell(observe, scale, done, weights, iteration, **what):
    observe(Step(scale, done + iteration, weights=weights, **what))


def _minimized(settings, evaluate, image, iterations, tell):
    """What `iterations` at one scale make of an image."""
    minimizer = MINIMIZERS[settings.optimizer](settings)
    average, best = ExponentialAverage(settings.average), Best()
    kept = image

    def iterated(iteration, iterate, terms):
        nonlocal kept
        best.update(iterate, terms)
        average.update(iterate)
        kept = average.value.clip(0, 1).astype("float32") if settings.average else best.image
        tell(iteration, evaluations=minimizer.evaluations, image=kept, terms=terms)

    minimizer.minimize(evaluate, image, iterations, iterated)
    return kept
