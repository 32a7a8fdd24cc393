import numpy as np
import pytest

from benchmarks import litert_pictures
from zoo import catalog, images
from zoo.errors import UserError

FILES = catalog.SAVED_MODELS / "udnie" / "tflite"


def test_the_files_pictures_lie_beside_the_savedmodels(run_program, monkeypatch, tmp_path):
    monkeypatch.setattr(litert_pictures, "PHOTOS", ("coffee",))
    file = tmp_path / "sheet.png"
    run_program(litert_pictures, "--model=udnie", f"--files={FILES}", f"--output={file}")
    sheet = images.read(file).rgb
    margin = 12
    assert sheet.shape[1] == 3 * 384 + 4 * margin  # the SavedModel, dynamic, float16
    made = [
        sheet[margin : margin + 384, left : left + 384]
        for left in (margin + i * (384 + margin) for i in range(3))
    ]
    assert np.std(made[0]) > 0.1
    for picture in made[1:]:
        assert 0 < np.abs(picture - made[0]).mean() < 0.02


def test_a_directory_without_files_is_refused(run_program, tmp_path):
    with pytest.raises(UserError, match="has no TFLite files of udnie for one size"):
        run_program(
            litert_pictures,
            "--model=udnie",
            f"--files={tmp_path}",
            f"--output={tmp_path / 'a.png'}",
        )
