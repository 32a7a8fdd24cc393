import keras
import numpy as np
import pytest

from trainers.style_objective import style_objective
from zoo.criterion import PerceptualCriterion
from zoo.errors import UserError
from zoo.images import resize_short_side


@pytest.fixture
def record():
    return {
        "settings": {
            "content_layers": ["relu2_2"],
            "style_layers": ["relu1_2", "relu2_1"],
            "content_weight": 2.0,
            "tv_weight": 5.0,
            "style_size": 24,
        },
        "calibrated": {"style_weight": 3.0},
    }


def test_it_is_the_weighted_sum_of_the_trainings_terms(record, tiny_loss_network, crops):
    photo, image, painting, _ = crops
    objective = style_objective(record, painting, tiny_loss_network)
    terms, gradient = objective.of(photo)(image)
    criterion = PerceptualCriterion(tiny_loss_network, ["relu2_2"], ["relu1_2", "relu2_1"])
    targets = criterion.style_targets(resize_short_side(painting, 24)[None])
    expected = criterion(image[None], criterion.content_targets(photo[None]), targets)
    for name, value in expected.items():
        value = float(keras.ops.convert_to_numpy(value))
        assert terms[name] == pytest.approx(value, rel=1e-4)
    total = 2 * terms["content"] + 3 * terms["style"] + 5 * terms["tv"]
    assert terms["loss"] == pytest.approx(total, rel=1e-5)
    assert gradient.shape == image.shape
    assert np.abs(gradient).max() > 0


def test_of_several_paintings_it_is_that_of_one(record, tiny_loss_network, crops):
    record["calibrated"]["style_weight"] = [3.0, 4.0]
    record["settings"]["style_size"] = [24, 32]
    objective = style_objective(record, crops[2], tiny_loss_network, index=1)
    assert objective.weights == {"content": 2.0, "style": 4.0, "tv": 5.0}
    targets = objective.criterion.style_targets(crops[2][None])
    for layer, gram in targets.items():
        np.testing.assert_allclose(objective.style_targets[layer], gram, rtol=1e-5)
    record["settings"]["style_size"] = [24]
    style_objective(record, crops[2], tiny_loss_network, index=1)


def test_a_record_that_does_not_tell_is_refused(record, tiny_loss_network, crops):
    with pytest.raises(UserError, match="does not tell 'calibrated'"):
        style_objective({"settings": record["settings"]}, crops[2], tiny_loss_network)
