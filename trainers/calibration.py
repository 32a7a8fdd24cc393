"""A style weight that balances content and style for any painting."""

import numpy as np
from keras import ops


def calibrated_style_weight(
    criterion, style_targets, photos, content_weight, balance, regions=None
):
    """The weight at which two extreme outputs cost the trainer a given ratio.

    One extreme is the photo itself: no content lost, none of the style gained. The other is an
    unrelated photo: all content lost. With `balance` 1 the two cost the same; the larger it is,
    the more style. The ratio is what the eye needs to be constant: the style term of a plain
    photo differs severalfold from painting to painting and from layer set to layer set.

    Args:
        criterion: a `zoo.criterion.PerceptualCriterion`.
        style_targets: its targets for the painting.
        photos: float32 [N, H, W, 3] in [0, 1], N at least 2.
        content_weight: of the content term.
        balance: weighted style of the photo itself over weighted content of an unrelated one.
        regions: of the photos, see `PerceptualCriterion`.

    Returns:
        The weight as a float.
    """
    targets = criterion.content_targets(photos)
    unrelated = {
        layer: np.roll(ops.convert_to_numpy(ops.cast(f, "float32")), 1, axis=0)
        for layer, f in targets.items()
    }
    terms = criterion(photos, unrelated, style_targets, regions)
    content, style = (float(ops.convert_to_numpy(terms[k])) for k in ("content", "style"))
    return balance * content_weight * content / style
