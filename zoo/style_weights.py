"""The `style_weights` of a model of many styles, from what a person asks for."""

import difflib

import numpy as np

from zoo.errors import UserError

# The last style of such a model gives the photo back: strengths below 1 are mixed with it.
PHOTO = "photo"


def parse_style(text) -> str | dict[str, float]:
    """A style as programs take it: "starry-night", or "starry-night:0.6,great-wave:0.4".

    Raises:
        UserError: a weight is missing or no number.
    """
    if ":" not in text and "," not in text:
        return text
    weights = {}
    for part in text.split(","):
        name, _, weight = part.partition(":")
        try:
            weights[name] = float(weight)
        except ValueError as error:
            raise UserError(f"style {part!r}: give NAME:WEIGHT,NAME:WEIGHT,...") from error
    return weights


def style_weights(styles, style, strength=1.0) -> np.ndarray:
    """A row of `style_weights`.

    Args:
        styles: names of the model's styles, in its order.
        style: one name, or weights by name, of any positive sum: {"starry-night": 2, "wave": 1}.
        strength: 0 for the photo as it is, 1 for the styles alone.

    Returns:
        float32 [S], whose sum is 1.

    Raises:
        UserError: a name that the model does not have, weights or a strength that mean nothing.
    """
    wanted = {style: 1.0} if isinstance(style, str) else dict(style)
    for name in wanted:
        if name not in styles:
            near = difflib.get_close_matches(name, styles, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UserError(f"no style {name!r}{hint} The model has: {', '.join(styles)}")
    weights = np.array([wanted.get(name, 0.0) for name in styles], np.float64)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise UserError(f"style {style!r}: give weights of 0 or more, one of them above 0")
    if not 0 <= strength <= 1:
        raise UserError(f"strength {strength!r}: give a number from 0 (the photo) to 1")
    weights /= weights.sum()
    if strength < 1:
        if PHOTO not in styles:
            raise UserError(
                f"strength {strength:g}: the model has no style {PHOTO!r} to mix the others with"
            )
        weights *= strength
        weights[list(styles).index(PHOTO)] += 1 - strength
    return weights.astype(np.float32)
