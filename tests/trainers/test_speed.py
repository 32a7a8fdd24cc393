import time

import numpy as np

from trainers import speed


def test_an_iteration_is_timed_without_the_set_up_and_each_by_its_fastest_block(monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    costs = iter([7.0, *[2.0] * 100])  # the first evaluation compiles

    def evaluate(image):
        nonlocal now
        now += next(costs)
        return {"loss": float(((image - 0.25) ** 2).sum())}, 2 * (image - 0.25)

    passes = iter([9.0, *[0.5] * 3, 9.0, *[0.25] * 3])  # each block begins with one that compiles

    def model(picture):
        nonlocal now
        now += next(passes)

    slopes = np.linspace(0.1, 0.9, 48).reshape(4, 4, 3).astype("float32")
    once, iteration = speed.side_by_side(model, None, evaluate, slopes, blocks=2)
    assert once == 0.25
    assert iteration == 2.0
