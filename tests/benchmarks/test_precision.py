import dataclasses
import functools

import numpy as np
import pytest

from benchmarks import optimization, precision
from trainers import descent, timing
from trainers.objective import objective, perceptual_criterion
from trainers.pictures import read_pictures
from trainers.preparation import loss_network
from zoo.errors import UserError


@pytest.fixture
def compared(preset, monkeypatch):
    """Settings and what `compare` gives for them."""
    monkeypatch.setattr(
        precision, "alternating_seconds", functools.partial(timing.alternating_seconds, blocks=2)
    )
    settings = preset("gatys2016")
    return settings, precision.compare(settings)


def test_both_results_are_held_to_one_loss_in_float32(compared):
    settings, results = compared
    pictures, network = read_pictures(settings), loss_network(settings)
    criterion = perceptual_criterion(settings, network)
    _, evaluate = objective(settings, criterion, pictures, (24, 32))
    start = evaluate(descent.first_image(settings, pictures, (24, 32)))[0]["loss"]
    assert results.keys() == set(precision.POLICIES)
    for row in results.values():
        assert row["loss"] == pytest.approx(evaluate(row["image"])[0]["loss"], rel=1e-5)
        assert row["loss"] < 0.9 * start
        assert row["evaluations"] > row["iterations"] == 4
        assert row["seconds"] > 3 * row["iteration"] > 0
        assert len(row["blocks"]) == 2
    exact, fast = (results[policy]["image"] for policy in precision.POLICIES)
    assert not np.array_equal(exact, fast)


def test_what_would_fail_is_refused_before_the_work(preset):
    with pytest.raises(UserError, match="need 16: --size=21 would do"):
        precision.compare(dataclasses.replace(preset("gatys2016"), size=20))


def test_the_table_has_the_ratio_of_neighbouring_blocks_and_the_difference_of_losses():
    exact = {
        "blocks": [2.0, 20.0, 2.0],  # something else was running
        "seconds": 640.0,
        "iteration": 2.125,
        "iterations": 300,
        "evaluations": 310,
        "loss": 200.0,
    }
    fast = {
        "blocks": [0.5, 5.0, 1.0],
        "seconds": 160.0,
        "iteration": 0.425,
        "iterations": 299,
        "evaluations": 320,
        "loss": 203.0,
    }
    rows = precision.table({"float32": exact, "mixed_bfloat16": fast}).splitlines()[2:]
    assert rows == [
        "| float32 | 2.000 | 2.125 | 640 | 300 | 310 | 200 |",
        "| mixed_bfloat16 | 1.000 | 0.425 | 160 | 299 | 320 | 203 |",
        "| bfloat16 / float32 | 0.250 | 0.200 | 0.250 | | | +1.50 % |",
    ]


def test_the_program_prints_the_table_and_names_the_machine(
    run_program, small_vgg, photo, painting, monkeypatch, capsys
):
    monkeypatch.setattr(
        precision, "alternating_seconds", functools.partial(timing.alternating_seconds, blocks=1)
    )
    flags = [f"--content={photo}", f"--style={painting}", "--size=32", "--iterations=2"]
    run_program(precision, *flags)
    first, _, *table = capsys.readouterr().out.splitlines()
    assert first == f"32 x 24 pixels on {optimization.machine()}"
    assert [line.count("|") for line in table] == [8] * 5
    assert [line.split()[1] for line in table[2:]] == ["float32", "mixed_bfloat16", "bfloat16"]
