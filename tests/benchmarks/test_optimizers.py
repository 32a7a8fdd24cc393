import absl.flags
import numpy as np
import pytest

from benchmarks import optimization, optimizers
from benchmarks.optimizers import Result
from trainers.descent import Scale, Step, plan
from trainers.pictures import read_pictures
from trainers.preparation import loss_network
from trainers.presets import PRESETS
from zoo import images
from zoo.errors import UserError


def step(scale, iteration, evaluations):
    image = np.full((2, 2, 3), evaluations / 100, "float32")
    return Step(scale, iteration, evaluations, image, {}, {})


@pytest.fixture
def three_steps(monkeypatch):
    """Puts two sizes with 2, 4 and then 3 evaluations in the place of a descent."""
    scales = [Scale((3, 4), 2), Scale((6, 8), 1)]
    told = [step(0, 1, 2), step(0, 2, 4), step(1, 1, 3)]

    def descend(settings, pictures, network, observe):
        for each in told:
            observe(each)
        return told[-1].image

    monkeypatch.setattr(optimizers.descent, "plan", lambda *run: scales)
    monkeypatch.setattr(optimization, "descend", descend)
    return told


@pytest.mark.parametrize(
    ("allowed", "counts"),
    [(1, [2, 0]), (2, [2, 0]), (3, [4, 0]), (5, [4, 3]), (7, [4, 3]), (9, [4, 3])],
)
def test_a_descent_ends_after_the_iteration_that_spends_its_evaluations(
    three_steps, allowed, counts
):
    result = optimizers.descended(None, None, None, allowed)
    assert result.evaluations == counts
    last = three_steps[{2: 0, 4: 1, 7: 2}[sum(counts)]]
    np.testing.assert_array_equal(result.image, last.image)


def test_coarse_evaluations_count_by_their_pixels_among_full_size_ones(three_steps):
    assert optimizers.descended(None, None, None).full_size_evaluations == 4 / 4 + 3


def test_noise_has_the_evaluations_of_the_best_preset_and_no_iteration_more(preset):
    best = preset("best", start_size=20, iterations=5)
    noise = preset("gatys2016", iterations=1)
    pictures, network = read_pictures(best), loss_network(best)
    results = optimizers.compare(noise, best, pictures, network)
    assert [len(result.scales) for result in results.values()] == [1, 2]
    assert results["best"].scales == plan(best, pictures, network)
    assert all(results["best"].evaluations)
    allowed = sum(results["best"].evaluations)
    (spent,) = results["noise"].evaluations
    assert allowed <= spent < allowed + 10  # a line search takes no more
    for result in results.values():
        assert result.image.shape == (24, 32, 3)


def test_the_judge_knows_the_photo_by_its_content_and_the_painting_by_its_style(preset):
    settings = preset("gatys2016")
    pictures = read_pictures(settings)
    network = loss_network(settings)
    terms_of = optimizers.judge(settings, pictures, network, (24, 32))
    photo = terms_of(pictures.content_at((24, 32)))
    painting = terms_of(pictures.painting_at(0, 32))
    assert photo["content"] < 1e-6 * painting["content"]
    assert painting["style"] < 1e-6 * photo["style"]


def test_the_lower_of_two_terms_is_bold():
    image = np.zeros((2, 2, 3), "float32")
    scales = [Scale((3, 4), 9), Scale((6, 8), 9)]
    results = {"noise": Result(image, scales[1:], [21]), "best": Result(image, scales, [12, 8])}
    terms = {
        "noise": {"content": 10.0, "style": 3000.0},
        "best": {"content": 11.0, "style": 123.456},
    }
    assert optimizers.row("cat, cells", results, terms) == (
        "| cat, cells | **10** | 11 | 3000 | **123.5** | 21 | 20 | 11 |"
    )


# --- The program ---


def test_the_balance_is_lowered_until_no_more_content_is_lost_than_from_noise(
    run_program, small_vgg, photo, painting, tmp_path, capsys, monkeypatch
):
    contents = iter([5.0, 9.0, 8.0, 5.0])  # noise, and the best preset at three balances
    monkeypatch.setattr(
        optimizers, "judge", lambda *run: lambda image: {"content": next(contents), "style": 1.0}
    )
    pair = f"--pairs={photo}:{painting}"
    run_program(optimizers, pair, "--size=32", "--iterations=1", f"--output={tmp_path / 'out'}")
    labels = [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines()[4:]]
    first = PRESETS["best"]["style_balance"] * optimizers.MARGIN * (5 / 9) ** optimizers.ROOT
    second = first * optimizers.MARGIN * (5 / 8) ** optimizers.ROOT
    lowered = [f"| the same, balance {balance:.3g}" for balance in (first, second)]
    assert labels == ["| cat, cells", *lowered]


def test_the_program_prints_a_row_and_leaves_two_pictures_for_each_pair(
    run_program, small_vgg, photo, painting, tmp_path, capsys
):
    pairs = f"--pairs={photo}:{painting},{painting}:{photo}"
    run_program(optimizers, pairs, "--size=32", "--iterations=2", f"--output={tmp_path / 'out'}")
    first, _, *table = capsys.readouterr().out.splitlines()
    lowered = [line for line in table if line.startswith("| the same, balance ")]
    table = [line for line in table if line not in lowered]
    assert first.startswith("Long side 32 pixels, ")
    assert first.endswith(f"; {optimization.machine()}")
    assert [line.count("|") for line in table] == [9] * 4
    assert [line.split(" | ")[0] for line in table[2:]] == ["| cat, cells", "| cells, cat"]
    assert all(line.count("**") == 4 for line in table[2:])
    names = [
        f"{pair}-{name}.png" for pair in ("cat-cells", "cells-cat") for name in ("best", "noise")
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert {images.read(tmp_path / "out" / name).rgb.shape for name in names} == {(24, 32, 3)}


def test_a_picture_that_is_missing_is_told_before_the_work(
    run_program, photo, painting, tmp_path, capsys
):
    pairs = f"--pairs={photo}:{painting},{photo}:/nowhere.png"
    with pytest.raises(UserError, match=r"nowhere\.png: .*No such file"):
        run_program(optimizers, pairs, f"--output={tmp_path}")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("pairs", ["", "photo.png", "a.png:b.png,c.png", "a.png:b.png:c.png"])
def test_what_is_no_pair_is_a_wrong_flag(run_program, pairs, tmp_path):
    with pytest.raises(absl.flags.IllegalFlagValueError, match="give PHOTO:PAINTING, or several"):
        run_program(optimizers, f"--pairs={pairs}", f"--output={tmp_path}")
