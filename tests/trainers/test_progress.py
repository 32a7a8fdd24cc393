import re

import numpy as np
import pytest

from trainers.descent import Scale, Step
from trainers.progress import Progress

SCALES = [Scale((30, 40), 10), Scale((60, 80), 5)]


def step(scale, iteration):
    image = np.zeros((*SCALES[scale].size, 3), "float32")
    return Step(scale, iteration, 1, image, {"loss": 12345.678, "tv": 0.5}, {})


@pytest.fixture
def shown(capsys):
    """The bar's last state after some steps, and whether a line ends it."""

    def shown(*steps, start=None):
        progress = Progress(SCALES, start)
        for scale, iteration in steps:
            progress(step(scale, iteration))
        progress.close()
        progress.close()  # again does no harm
        return capsys.readouterr().err

    return shown


def percentage(text):
    return int(re.findall(r"(\d+)%", text)[-1])


def test_it_shows_size_iteration_and_terms(shown):
    text = shown((0, 1), (0, 2))
    assert text.endswith(", 40x30 2/10, loss 1.235e+04, tv 0.5\n")


def test_an_iteration_counts_by_its_pixels(shown):
    # 10 of 1,200 pixels and 5 of 4,800.
    assert percentage(shown()) == 0
    assert percentage(shown((0, 5))) == 17
    assert percentage(shown((0, 10))) == 33
    assert percentage(shown((0, 10), (1, 1))) == 47
    assert percentage(shown((0, 10), (1, 5))) == 100


def test_a_size_that_ended_early_counts_as_done(shown):
    assert percentage(shown((0, 3), (1, 1))) == 47


def test_it_goes_on_where_a_run_was_stopped(shown):
    assert percentage(shown(start=(0, 5, None))) == 17
    assert percentage(shown((1, 2), start=(1, 1, None))) == 60
