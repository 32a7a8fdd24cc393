"""The loss of an image at one size: from pictures and settings to a function of its pixels."""

import keras
import numpy as np

from trainers.calibration import calibrated_style_weight
from trainers.gradients import value_and_gradient
from trainers.presets import CRITERIA
from zoo.criterion import PerceptualCriterion
from zoo.errors import UserError


def layers_in_use(settings):
    """Content layers and style layers of `trainers.presets.Settings`, each as {name: weight}.

    Without a photo there are none of the former, without a painting none of the latter.
    """
    return (
        settings.content_layers if settings.content else {},
        settings.style_layers if settings.style else {},
    )


def perceptual_criterion(settings, loss_network):
    """The `zoo.criterion.PerceptualCriterion` of `trainers.presets.Settings`."""
    form = CRITERIA[settings.criterion]
    return PerceptualCriterion(
        loss_network,
        *layers_in_use(settings),
        form.content_distance,
        form.style_statistic,
        form.style_distance,
    )


def objective(settings, criterion, pictures, size):
    """Weighted content, style and total variation of one image.

    Where the settings have no style weight it is calibrated, see `trainers.calibration`; it is 1
    if nothing is kept of a photo.

    Args:
        settings: a `trainers.presets.Settings`.
        criterion: what `perceptual_criterion` gave for it.
        pictures: a `trainers.pictures.Pictures`.
        size: (height, width) of the image in pixels.

    Returns:
        The weights of the terms "content", "style" and "tv", and a function of a float array
        [H, W, 3] of that size to the terms, unweighted, with their weighted sum "loss", all
        floats, and its gradient, float32 [H, W, 3].

    Raises:
        UserError: the style weight cannot be calibrated.
    """
    photo = pictures.content_at(size)
    content_targets = {} if photo is None else criterion.content_targets(photo[None])
    targets = _style_targets(criterion, pictures, settings.style_scale * max(size))
    if pictures.regions is None:
        (targets,) = targets
    weights = {
        "content": settings.content_weight,
        "style": settings.style_weight,
        "tv": settings.tv_weight,
    }
    if weights["style"] is None:
        weights["style"] = _style_weight(settings, criterion, targets, photo, pictures.regions)

    terms_of = weighted_terms(criterion, weights, content_targets, targets, pictures.regions)
    return weights, value_and_gradient(terms_of)


def weighted_terms(criterion, weights, content_targets, style_targets, regions=None):
    """A function of images [N, H, W, 3] to their terms, unweighted, and their weighted sum "loss".

    Args:
        criterion: a `zoo.criterion.PerceptualCriterion`.
        weights: of the terms "content", "style" and "tv".
        content_targets: what the criterion is called with, as those that follow.
        style_targets: see there.
        regions: see there.
    """

    def terms_of(images):
        terms = criterion(images, content_targets, style_targets, regions)
        return {"loss": sum(weights[name] * terms[name] for name in weights), **terms}

    return terms_of


def _style_weight(settings, criterion, targets, photo, regions):
    if photo is None or not settings.style or not settings.content_weight:
        return 1.0
    # Upside down a photo is as unlike itself as another one.
    pair = np.stack([photo, photo[::-1, ::-1]])
    try:
        weight = calibrated_style_weight(
            criterion, targets, pair, settings.content_weight, settings.style_balance, regions
        )
    except ZeroDivisionError:
        weight = 0.0
    if settings.style_balance and not weight:
        raise UserError(
            "the style weight cannot be calibrated, because the photo is the same upside down or "
            "has the painting's style already, or all layers weigh 0: give --style_weight"
        )
    return weight


def _style_targets(criterion, pictures, long_side):
    """Targets of the paintings at a size, one for each region: those of its parts, averaged."""

    def mean(parts):
        targets = [
            criterion.style_targets(
                pictures.painting_at(part.painting, long_side)[None], part.region
            )
            for part in parts
        ]
        return keras.tree.map_structure(
            lambda *values: sum(p.weight * v for p, v in zip(parts, values, strict=True)), *targets
        )

    return [mean(parts) if parts else {} for parts in pictures.parts]
