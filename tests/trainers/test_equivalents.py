import json
import math

import numpy as np
import pytest

from trainers.equivalents import Trace, kept, mean_losses, trace
from zoo.errors import UserError


def bowl(image):
    """Loss and gradient of a stretched quadratic whose minimum is 0.25."""
    slopes = np.linspace(1, 30, image.size).reshape(image.shape)
    difference = image - 0.25
    terms = {"loss": float((slopes * difference**2).sum())}
    return terms, (2 * slopes * difference).astype("float32")


START = np.full((4, 4, 3), 0.75, "float32")


def test_a_trace_begins_with_the_start_and_falls():
    found = trace(bowl, START, 6)
    assert found.losses[0] == bowl(START)[0]["loss"]
    assert len(found.losses) == len(found.evaluations) == 7
    assert all(
        after < before for before, after in zip(found.losses, found.losses[1:], strict=False)
    )
    assert found.evaluations[0] == 1
    assert all(n > before for before, n in enumerate(found.evaluations))


def test_where_nothing_lowers_the_loss_it_stays():
    def flat(image):
        return {"loss": 2.0}, np.zeros_like(image)

    assert trace(flat, START, 3).losses == [2.0] * 4


def test_the_observer_sees_each_iteration():
    seen = []
    found = trace(bowl, START, 3, lambda iteration, image, terms: seen.append((iteration, terms)))
    assert [iteration for iteration, _ in seen] == [1, 2, 3]
    assert [terms["loss"] for _, terms in seen] == found.losses[1:]


@pytest.mark.parametrize(
    ("loss", "iterations"), [(9, 0), (8, 0), (5, 1), (4.9, 2), (1.9, math.inf)]
)
def test_iterations_to_a_loss_are_the_fewest_that_reach_it(loss, iterations):
    assert Trace([8, 5, 2], [1, 2, 4]).iterations_to(loss) == iterations


def test_the_mean_curve():
    curve = mean_losses([Trace([8, 4], [1, 2]), Trace([2, 1], [1, 3])])
    assert curve.tolist() == [5, 2.5]


def test_a_trace_is_kept_for_the_same_circumstances_alone(tmp_path):
    file = tmp_path / "traces" / "cat.json"
    first, second = Trace([2.0, 1.0], [1, 2]), Trace([3.0, 0.5], [1, 3])
    assert kept(file, {"size": 256}, lambda: first) == first
    assert kept(file, {"size": 256}, lambda: pytest.fail("it is there")) == first
    assert kept(file, {"size": 512}, lambda: second) == second
    assert [path.name for path in file.parent.iterdir()] == ["cat.json"]


def test_a_damaged_file_is_named(tmp_path):
    file = tmp_path / "cat.json"
    for text in ("{", json.dumps({"trace": {}})):
        file.write_text(text)
        with pytest.raises(UserError, match=r"cat\.json is damaged: remove it"):
            kept(file, {}, lambda: None)
