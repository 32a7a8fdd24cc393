"""What a style network was trained to minimise, as far as it is of images alone."""

import dataclasses

from trainers.gradients import value_and_gradient
from trainers.objective import weighted_terms
from zoo import images
from zoo.criterion import PerceptualCriterion
from zoo.errors import UserError


@dataclasses.dataclass(frozen=True)
class StyleObjective:
    """The objective of a training; the term against spikes is of the network, and is left out.

    Attributes:
        criterion: a `zoo.criterion.PerceptualCriterion`.
        style_targets: its targets for the painting.
        weights: of the terms "content", "style" and "tv", floats.
    """

    criterion: PerceptualCriterion
    style_targets: dict
    weights: dict

    def of(self, photo):
        """The objective of images after a photo, float32 [H, W, 3] in [0, 1].

        Returns:
            A function of an image of the photo's size to its terms, floats, with their weighted
            sum "loss", and its gradient, see `trainers.gradients.value_and_gradient`.
        """
        content_targets = self.criterion.content_targets(photo[None])
        return value_and_gradient(
            weighted_terms(self.criterion, self.weights, content_targets, self.style_targets)
        )


def style_objective(record, painting, loss_network, index=0):
    """The `StyleObjective` of a training.

    Args:
        record: the contents of a run.json, or a stage of a model.json's "training": a dict of
            "settings", see `trainers.style.StyleSettings`, and "calibrated".
        painting: float32 [H, W, 3] in [0, 1], of any size.
        loss_network: a `zoo.vgg.LossNetwork`.
        index: of the painting among those of the training.

    Raises:
        UserError: the record does not tell its objective.
    """

    def of_it(values):
        if not isinstance(values, list):  # records from when a training had one painting
            return values
        return values[0] if len(values) == 1 else values[index]

    try:
        settings = record["settings"]
        criterion = PerceptualCriterion(
            loss_network, settings["content_layers"], settings["style_layers"]
        )
        weights = {
            "content": settings["content_weight"],
            "style": of_it(record["calibrated"]["style_weight"]),
            "tv": settings["tv_weight"],
        }
        style_size = of_it(settings["style_size"])
    except KeyError as error:
        raise UserError(f"the record of its training does not tell {error}") from None
    painting = images.resize_short_side(painting, style_size)
    return StyleObjective(criterion, criterion.style_targets(painting[None]), weights)
