import numpy as np
import pytest
import skimage.data
from keras import ops

from trainers.calibration import calibrated_style_weight

PAINTINGS = {
    "dark": lambda: skimage.data.astronaut()[:48, :48] // 8,
    "busy": lambda: skimage.data.immunohistochemistry()[:64, :48],
    "flat": lambda: np.full((40, 40, 3), 200, np.uint8),
}


@pytest.fixture(params=PAINTINGS)
def style_targets(criterion, request):
    return criterion.style_targets((PAINTINGS[request.param]() / 255).astype("float32")[None])


def costs_of_extremes(criterion, style_targets, photos, content_weight, style_weight):
    """Of the photos themselves, and of other photos in their place, by the trainer's formula."""
    targets = criterion.content_targets(photos)
    itself = criterion(photos, targets, style_targets)
    unrelated = criterion(np.roll(photos, -1, axis=0), targets, style_targets)
    assert float(ops.convert_to_numpy(itself["content"])) == 0
    style, content = itself["style"], unrelated["content"]
    return style_weight * float(style), content_weight * float(content)


@pytest.mark.parametrize("content_weight", [1.0, 7.0])
def test_with_balance_1_the_two_extremes_cost_the_same(
    criterion, style_targets, crops, content_weight
):
    weight = calibrated_style_weight(criterion, style_targets, crops, content_weight, balance=1)
    style, content = costs_of_extremes(criterion, style_targets, crops, content_weight, weight)
    assert content > 0
    assert style == pytest.approx(content, rel=1e-3)


def test_the_weight_grows_in_proportion_to_balance_and_content_weight(
    criterion, style_targets, crops
):
    one = calibrated_style_weight(criterion, style_targets, crops, 1, 1)
    assert calibrated_style_weight(criterion, style_targets, crops, 1, 5) == pytest.approx(5 * one)
    assert calibrated_style_weight(criterion, style_targets, crops, 4, 1) == pytest.approx(4 * one)
    assert isinstance(one, float)
