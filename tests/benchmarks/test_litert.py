import subprocess
import sys

import keras
import numpy as np
import pytest

from benchmarks import litert
from zoo.tflite import metadata
from zoo.tflite.convert import convert

SIZE = (24, 32)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    image = keras.Input((None, None, 3), name="image")
    network = keras.Model(image, keras.layers.Conv2D(3, 3, padding="same")(image))
    path = tmp_path_factory.mktemp("files") / "tiny-float32-32x24.tflite"
    path.write_bytes(metadata.with_metadata(convert(network, SIZE), {"factor": 1}))
    return path


def test_every_file_is_measured_beside_the_savedmodel(file):
    seen = []
    figures, tensorflow = litert.measured(
        {litert.BASELINE: file, "other": file}, seen.append, SIZE, blocks=2, calls=1
    )
    assert {image.shape for image in seen} == {(*SIZE, 3)}
    assert tensorflow > 0
    for each in figures.values():
        assert each.bytes == file.stat().st_size
        assert set(each.milliseconds) == set(litert.THREADS)
        assert 20 < each.peak < 2000
    lines = litert.table(figures, tensorflow, SIZE).splitlines()
    assert len(lines) == 2 + 1 + 2
    assert len({line.count("|") for line in lines}) == 1


def test_files_are_sorted_by_their_size(file):
    assert litert.sizes_of([file]) == {SIZE: {"tiny-float32": file}}


def test_the_baseline_is_a_file_of_johnsons_network(tmp_path):
    path = litert.johnson((16, 16), tmp_path)
    assert litert.LiteRTModel(path).transform(np.zeros((16, 16, 3))).shape == (16, 16, 3)


def test_a_directory_without_files_is_refused(tmp_path):
    command = [sys.executable, "-m", "benchmarks.litert", "--model=starry-night"]
    result = subprocess.run(
        [*command, f"--files={tmp_path}"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "has no TFLite files of starry-night for one size" in result.stderr
