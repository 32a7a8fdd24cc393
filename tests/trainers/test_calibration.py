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


def test_regions_cost_together_what_the_balance_says(criterion, crops):
    paintings = [(PAINTINGS[name]() / 255).astype("float32") for name in ("dark", "busy")]
    targets = [criterion.style_targets(painting[None]) for painting in paintings]
    left = np.zeros(crops.shape[1:3], "float32")
    left[:, :8] = 1
    regions = [left, 1 - left]
    weight = calibrated_style_weight(criterion, targets, crops, 2.0, 3.0, regions)
    content = criterion.content_targets(crops)
    style = float(criterion(crops, content, targets, regions)["style"])
    lost = float(criterion(np.roll(crops, -1, axis=0), content, targets, regions)["content"])
    assert weight * style == pytest.approx(3 * 2 * lost, rel=1e-3)
    swapped = calibrated_style_weight(criterion, targets[::-1], crops, 2.0, 3.0, regions)
    assert swapped != pytest.approx(weight, rel=0.01)


def test_a_region_of_the_whole_photo_changes_nothing(criterion, style_targets, crops):
    whole = [np.ones(crops.shape[1:3], "float32")]
    weight = calibrated_style_weight(criterion, [style_targets], crops, 1.0, 1.0, whole)
    expected = calibrated_style_weight(criterion, style_targets, crops, 1.0, 1.0)
    assert weight == pytest.approx(expected, rel=1e-4)
