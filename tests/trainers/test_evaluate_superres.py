import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tests.conftest import write_run
from trainers.evaluate_superres import Enlarger, bicubic, evaluate, measure, open_model, table
from zoo import fidelity, images, runs
from zoo.artefacts import grid_energy, stride_energy
from zoo.bicubic import rescale
from zoo.degradations import DEGRADATIONS
from zoo.errors import UserError
from zoo.superres import SuperResolutionNetwork

ROOT = Path(__file__).parents[2]
DEGRADE = DEGRADATIONS["bicubic"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two directories of two images and of one."""
    directory = tmp_path_factory.mktemp("sets")
    cuts = {"cats/one": 100, "cats/two": 130, "nuts/three": 0}
    for name, top in cuts.items():
        path = directory / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(skimage.data.chelsea()[top : top + 49, 120:182]).save(path)
    return [directory / "cats", directory / "nuts"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of x2 with an untrained network; its path."""
    path = write_run(
        tmp_path_factory.mktemp("runs") / "fresh", SuperResolutionNetwork("subpixel", 2, 0.1)
    )
    runs.write_record(path, {"kind": "superres", "settings": {"factor": 2}})
    return path


def original(path):
    return images.read(path).rgb


def test_figures_are_those_of_the_cropped_image_and_its_enlargement(sets):
    image = original(sets[0] / "one.png")
    enlarged, figures = measure(bicubic(4), image, DEGRADE)
    cropped = image[:48, :60]
    small = DEGRADE(cropped, 4)
    expected = np.rint(rescale(small, 4) * 255) / 255
    np.testing.assert_allclose(enlarged, expected, atol=1e-6)
    assert figures == {
        "PSNR": fidelity.psnr(enlarged, cropped, 4),
        "SSIM": fidelity.ssim(enlarged, cropped, 4),
        "back": fidelity.psnr(rescale(enlarged, 1 / 4), small, 0),
        "energy": stride_energy(enlarged, 4) / stride_energy(cropped, 4),
        "grid": grid_energy(enlarged, 4) / grid_energy(cropped, 4),
    }


def test_a_cross_hatch_along_the_small_pixels_shows_in_the_grid(sets):
    def hatched(small):
        enlarged = rescale(small, 4)
        enlarged[::4] += 0.03
        return enlarged

    image = original(sets[0] / "one.png")
    _, plain = measure(bicubic(4), image, DEGRADE)
    _, figures = measure(Enlarger("hatched", 4, hatched), image, DEGRADE)
    assert figures["grid"] > 10 * max(1, plain["grid"])


def test_what_falls_out_of_the_range_is_clipped(sets):
    wild = Enlarger("wild", 4, lambda image: 3 * rescale(image, 4) - 1)
    enlarged, _ = measure(wild, original(sets[0] / "one.png"), DEGRADE)
    assert (enlarged.min(), enlarged.max()) == (0, 1)


def test_histograms_can_be_matched_to_the_small_image(sets):
    image = original(sets[0] / "two.png")[:48, :60]
    pale = Enlarger("pale", 4, lambda small: 0.5 + rescale(small, 4) / 2)
    matched, _ = measure(pale, image, DEGRADE, is_matched=True)
    small = DEGRADE(image, 4)
    for channel in range(3):
        shares = (0.1, 0.5, 0.9)
        ours, theirs = (np.quantile(each[..., channel], shares) for each in (matched, small))
        np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_lpips_is_a_figure_where_it_is_given(sets):
    _, figures = measure(
        bicubic(4), original(sets[0] / "one.png"), DEGRADE, lambda x, y: np.array([0.25])
    )
    assert figures["LPIPS"] == 0.25


def test_rows_hold_means_over_each_set_and_images_can_be_kept(sets, tmp_path):
    enlargers = [bicubic(2), Enlarger("mine", 2, lambda image: rescale(image, 2))]
    rows = evaluate(enlargers, sets, DEGRADE, output=tmp_path)
    assert rows[0] == rows[1]
    assert list(rows[0]) == ["cats", "nuts"]
    each = [measure(bicubic(2), original(path), DEGRADE)[1] for path in images.find([sets[0]])]
    for figure, mean in rows[0]["cats"].items():
        assert mean == pytest.approx(np.mean([figures[figure] for figures in each]))
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    assert written == [
        f"{name}-x2-{enlarger}.png"
        for name in ("cats/one", "cats/two", "nuts/three")
        for enlarger in ("bicubic", "mine")
    ]
    assert Image.open(tmp_path / written[0]).size == (62, 48)


def test_the_table_is_markdown():
    rows = [{"set5": {"PSNR": 28.4251, "SSIM": 0.81134, "LPIPS": 0.28136, "back": 38.888}}]
    assert table([bicubic(4)], rows).splitlines() == [
        "| factor | model | set5 PSNR | set5 SSIM | set5 LPIPS | set5 back |",
        "| --- | --- | --- | --- | --- | --- |",
        "| x4 | bicubic | 28.43 | 0.8113 | 0.2814 | 38.89 |",
    ]


# --- Models ---


def test_a_run_is_measured_by_its_newest_network(run, sets):
    enlarger = open_model(run)
    assert (enlarger.name, enlarger.factor) == ("fresh", 2)
    enlarged, figures = measure(enlarger, original(sets[0] / "one.png"), DEGRADE)
    assert enlarged.shape == (48, 62, 3)
    assert figures["PSNR"] > 15


def test_models_of_another_kind_are_refused(tiny_run, tiny_model):
    for model in (tiny_run, tiny_model):
        with pytest.raises(UserError, match="is of kind 'style'"):
            open_model(model)


def test_an_image_that_is_too_small_is_named(tmp_path):
    Image.new("RGB", (30, 30)).save(tmp_path / "icon.png")
    with pytest.raises(UserError, match=r"icon\.png, bicubic: .* too small"):
        evaluate([bicubic(8)], [tmp_path], DEGRADE)


def run_program(*flags):
    command = [sys.executable, "-m", "trainers.evaluate", "superres", *flags]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True)


def test_the_program_prints_bicubic_before_the_models_of_its_factor(run, sets):
    done = run_program(f"--set={sets[0]}", f"--set={sets[1]}", f"--models={run}", "--factors=4")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    rows = [line.split(" | ")[:2] for line in done.stdout.splitlines()[2:]]
    assert rows == [["| x2", "bicubic"], ["| x2", "fresh"], ["| x4", "bicubic"]]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "nothing to measure: give --models, or --factors for bicubic alone"),
        (["--factors=two"], "--factors: 'two' is no whole number"),
        (["--models=nothing"], "no model 'nothing'"),
        (["--factors=2", "--set=/nowhere"], "/nowhere: no such file"),
    ],
)
def test_what_cannot_be_measured_is_named(sets, flags, message):
    done = run_program(f"--set={sets[1]}", *flags)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_bicubic_has_the_published_figures(factor):
    if "ZOO_SET5" not in os.environ:
        pytest.skip("needs the images of Set5: set ZOO_SET5 to their directory")
    (row,) = evaluate([bicubic(factor)], [Path(os.environ["ZOO_SET5"])], DEGRADE)
    (figures,) = row.values()
    expected = {2: (33.68, 0.931), 4: (28.43, 0.811), 8: (24.40, 0.658)}[factor]
    assert figures["PSNR"] == pytest.approx(expected[0], abs=0.03)
    assert figures["SSIM"] == pytest.approx(expected[1], abs=0.003)
