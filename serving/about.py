"""What a model of the zoo tells of itself, through its signature `about`."""

import json
from dataclasses import dataclass

SIGNATURE = "about"
INPUTS = {"request": [b""]}  # anything
_OUTPUT = "model_json"


@dataclass(frozen=True)
class About:
    """What a model is.

    Attributes:
        name: as it was exported; it may be served under another.
        version: its number.
        kind: "style" or "superres".
        factor: how many times it enlarges; 1 for style.
        styles: names of its styles, in the order of `style_weights`; empty if it has only one.
        max_pixels: of the largest picture that it takes or gives in one call.
        receptive_field: pixels of the input around a place that its output there depends on; None
            where that is the whole picture.
    """

    name: str
    version: int
    kind: str
    factor: int
    styles: tuple[str, ...]
    max_pixels: int
    receptive_field: int | None


def read(outputs) -> About:
    """Read the arrays that the signature gave.

    Raises:
        ValueError: they do not say what they should.
    """
    try:
        said = json.loads(outputs[_OUTPUT].item())
        return About(
            name=said["name"],
            version=said["version"],
            kind=said["kind"],
            factor=said["factor"] or 1,
            styles=tuple(said["styles"] or ()),
            max_pixels=said["max_pixels"],
            receptive_field=said["receptive_field"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{_OUTPUT} is not as expected: {error!r}") from error
