import numpy as np
import pytest

from zoo.errors import UserError
from zoo.style_weights import parse_style, style_weights

STYLES = ["starry-night", "great-wave", "scream", "photo"]


@pytest.mark.parametrize(
    ("style", "strength", "expected"),
    [
        ("great-wave", 1, [0, 1, 0, 0]),
        ({"starry-night": 6, "scream": 4}, 1, [0.6, 0, 0.4, 0]),
        ({"starry-night": 0.5, "scream": 0}, 1, [1, 0, 0, 0]),
        ("scream", 0.7, [0, 0, 0.7, 0.3]),
        ({"scream": 1, "photo": 1}, 0.5, [0, 0, 0.25, 0.75]),
        ("scream", 0, [0, 0, 0, 1]),
    ],
)
def test_weights_sum_to_one_and_strength_mixes_the_photo_in(style, strength, expected):
    weights = style_weights(STYLES, style, strength)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("style", "strength", "words"),
    [
        ("great-waves", 1, "did you mean 'great-wave'"),
        ("zzz", 1, "The model has: starry-night, great-wave, scream, photo"),
        ({"scream": -1, "photo": 2}, 1, "0 or more"),
        ({"scream": 0}, 1, "one of them above 0"),
        ({"scream": float("nan")}, 1, "0 or more"),
        ({}, 1, "one of them above 0"),
        ("scream", 1.1, "strength 1.1"),
        ("scream", float("nan"), "strength nan"),
    ],
)
def test_what_means_nothing_is_refused(style, strength, words):
    with pytest.raises(UserError, match=words):
        style_weights(STYLES, style, strength)


def test_without_a_style_of_the_photo_there_is_no_strength():
    np.testing.assert_array_equal(style_weights(["a", "b"], "b"), [0, 1])
    with pytest.raises(UserError, match="no style 'photo'"):
        style_weights(["a", "b"], "b", 0.5)


def test_styles_are_read_as_programs_take_them():
    assert parse_style("scream") == "scream"
    assert parse_style("scream:0.6,great-wave:4") == {"scream": 0.6, "great-wave": 4}
    for text in ("scream,great-wave", "scream:x"):
        with pytest.raises(UserError, match="NAME:WEIGHT"):
            parse_style(text)
