import keras
import numpy as np
import pytest

from benchmarks import enlargements
from tests.conftest import write_run
from zoo import images, runs
from zoo.errors import UserError
from zoo.superres import SuperResolutionNetwork


@pytest.fixture
def run_for(tmp_path):
    """Makes the run's directory of an untrained network for a factor."""

    def run_for(factor):
        keras.utils.set_random_seed(0)
        network = SuperResolutionNetwork("subpixel", factor, 0.1)
        run = write_run(tmp_path / f"x{factor}", network)
        settings = {"factor": factor}
        runs.write_record(run, {**runs.read_record(run), "kind": "superres", "settings": settings})
        return run

    return run_for


def test_the_sheet_has_bicubic_the_models_and_the_original_in_each_row(
    run_program, run_for, tmp_path
):
    file = tmp_path / "sheet.png"
    run_program(enlargements, f"--models={run_for(4)}", f"--output={file}")
    sheet = images.read(file).rgb
    side, margin = 2 * enlargements.SIDE, 10
    assert sheet.shape[1] == 3 * side + 4 * margin
    bicubic, _, original = (
        sheet[margin : margin + side, left : left + side]
        for left in (margin + i * (side + margin) for i in range(3))
    )
    assert np.abs(np.diff(bicubic, axis=1)).mean() < np.abs(np.diff(original, axis=1)).mean()


def test_models_of_two_factors_are_refused(run_program, run_for, tmp_path):
    models = f"{run_for(2)},{run_for(4)}"
    with pytest.raises(UserError, match=r"factors \[2, 4\]; give those of one"):
        run_program(enlargements, f"--models={models}", f"--output={tmp_path / 'sheet.png'}")
