import os
import subprocess
import sys
from pathlib import Path

import absl.flags
import numpy as np
import pytest

from trainers import normalize_vgg
from trainers.content import Photos
from trainers.sources import open_source
from zoo.errors import UserError
from zoo.vgg import LossNetwork
from zoo.vgg_normalization import mean_activations

ROOT = Path(__file__).parents[2]


def run_program(*flags):
    """(exit code, standard output, lines of standard error)."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "trainers.normalize_vgg", *flags],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


@pytest.fixture(scope="module")
def flags(vgg_weights, photo_directory):
    return [
        "--loss_network=vgg16",
        f"--loss_network_weights={vgg_weights}",
        "--loss_network_pooling=average",
        f"--content={photo_directory}",
        "--images=3",
        "--image_size=32",
    ]


@pytest.fixture
def photos(photo_directory):
    return Photos(open_source(str(photo_directory)), 32)


def means_of_all_filters(weights, photos):
    network = LossNetwork("vgg16", str(weights), "caffe", "average")
    means = mean_activations(network, normalize_vgg.sample(photos, 3))
    return np.concatenate(list(means.values()))


def test_the_program_writes_a_network_whose_means_are_1(flags, vgg_weights, photos, tmp_path):
    output = tmp_path / "new" / "vgg16_normalized.weights.h5"
    code, out, err = run_program(*flags, f"--output={output}")
    assert code == 0, err
    assert out.startswith(f"{output}: vgg16 for average pooling, normalised over 3 photos; ")
    assert [line for line in err if line and "img" not in line] == []
    assert "3/3" in err[-1]
    assert [path.name for path in output.parent.iterdir()] == [output.name]

    before, after = (means_of_all_filters(path, photos) for path in (vgg_weights, output))
    np.testing.assert_allclose(after, before > 0, atol=0.01)
    assert f"; {np.count_nonzero(before == 0)} of 4224 filters were never active" in out


def test_an_existing_file_is_refused_before_anything_else(flags, tmp_path):
    output = tmp_path / "vgg.weights.h5"
    output.write_text("precious")
    code, _, err = run_program(*flags, "--content=/nowhere", f"--output={output}")
    assert code == 1
    assert err == [
        f"trainers.normalize_vgg: {output} exists: give another --output, or remove it first"
    ]
    assert output.read_text() == "precious"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (["--output=vgg.h5"], r"flag --output=vgg.h5: the name must end in \.weights\.h5"),
        ([], "flag --output=None: Flag --output must have a value"),
    ],
)
def test_an_output_of_another_kind_or_none_is_a_wrong_flag(output, message):
    before = set(absl.flags.FLAGS)
    try:
        normalize_vgg.define_flags()
        with pytest.raises(absl.flags.IllegalFlagValueError, match=message):
            absl.flags.FLAGS(["program", "--content=photos", *output])
    finally:
        for name in set(absl.flags.FLAGS) - before:
            delattr(absl.flags.FLAGS, name)


def test_the_sample_is_spread_over_the_photos_and_no_larger_than_they_are(photos):
    assert [photo.tolist() for photo in normalize_vgg.sample(photos, 3)] == [
        (photos[i].astype(np.float32) / 255).tolist() for i in (0, 2, 5)
    ]
    assert len(list(normalize_vgg.sample(photos, 100))) == len(photos) == 8


def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(vgg_weights, photos, tmp_path):
    network = LossNetwork("vgg16", str(vgg_weights))
    output = tmp_path / "vgg.weights.h5"
    output.mkdir()
    with pytest.raises(UserError, match=r"--output: cannot write .*vgg\.weights\.h5: "):
        normalize_vgg.normalize(network, normalize_vgg.sample(photos, 1), output)
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
