import io
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from tests.conftest import write_run
from zoo import runs
from zoo.errors import UserError
from zoo.export import export
from zoo.networks import StyleNetwork
from zoo.sample_photo import sample_photo


@pytest.fixture
def one_convolution():
    """The smallest network: no stem, no trunk, one 3x3 convolution."""
    return StyleNetwork(stem=(), residual_blocks=0, head=(), output_kernel=3, padding=0)


# --- What is refused


@pytest.mark.parametrize(
    "name", ["Starry", "starry_night", "starry--night", "-starry", "starry-", "", "a/b", "..", "é"]
)
def test_a_name_that_a_server_could_not_take_is_refused(tiny_run, tmp_path, name):
    with pytest.raises(UserError, match="use lower-case letters, digits and hyphens"):
        export(tiny_run, name, 1, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_version_is_never_overwritten(tiny_run, tiny_model):
    before = {file: file.stat().st_mtime_ns for file in tiny_model.rglob("*")}
    with pytest.raises(UserError, match=r"tiny/1 exists, .* give another --version"):
        export(tiny_run, "tiny", 1, tiny_model.parent.parent)
    assert {file: file.stat().st_mtime_ns for file in tiny_model.rglob("*")} == before


def test_what_is_no_run_and_a_run_without_checkpoint_are_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere is not a training run"):
        export(tmp_path / "nowhere", "tiny", 1, tmp_path / "zoo")
    runs.write_record(tmp_path, {"settings": {}})
    with pytest.raises(UserError, match="has no checkpoint yet"):
        export(tmp_path, "tiny", 1, tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize(("weight", "problem"), [(np.nan, "not finite"), (0.0, "one flat colour")])
def test_a_network_that_paints_nothing_is_not_exported(one_convolution, tmp_path, weight, problem):
    for variable in one_convolution.weights:
        variable.assign(tf.fill(variable.shape, weight))
    run = write_run(tmp_path / "run", one_convolution)
    with pytest.raises(UserError, match=problem):
        export(run, "bad", 1, tmp_path / "zoo")
    assert list((tmp_path / "zoo").glob("*/*")) == []


# --- What is written


def test_the_export_is_the_network_of_the_newest_checkpoint(one_convolution, tmp_path):
    photo = sample_photo()[None, :48, :64]
    run = write_run(tmp_path / "run", one_convolution)
    older = runs.checkpoint_path(run, 100)
    older.mkdir()
    (older / runs.NETWORK).write_text("not to be read")
    path = export(run, "newest", 7, tmp_path / "zoo")
    assert path == tmp_path / "zoo" / "newest" / "7"
    assert [entry.name for entry in path.parent.iterdir()] == ["7"]
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    output = served(image=tf.constant(photo))["image"]
    np.testing.assert_allclose(output, one_convolution(photo), atol=1e-5)


def test_the_exported_version_carries_its_model_json(tiny_model):
    about = json.loads((tiny_model / "assets.extra" / "model.json").read_text())
    expected = {"name": "tiny", "version": 1, "kind": "style", "factor": 1}
    expected |= {"artist": "Anon", "year": "1889", "export_dtype_policy": "float32"}
    assert {key: about[key] for key in expected} == expected
    assert [stage["steps"] for stage in about["training"]] == [200]


def test_warmup_requests_are_a_servers_and_are_answered(tiny_model):
    file = tiny_model / "assets.extra" / "tf_serving_warmup_requests"
    signatures = tf.saved_model.load(str(tiny_model)).signatures
    called = []
    for record in tf.data.TFRecordDataset(str(file)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        assert request.model_spec.name == "tiny"
        name = request.model_spec.signature_name
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
        ((alias, output),) = signatures[name](**inputs).items()
        assert alias == next(iter(inputs))
        if name == "encoded":
            assert Image.open(io.BytesIO(output.numpy()[0])).size == (128, 128)
        else:
            assert output.shape == (1, 128, 128, 3)
        called.append(name)
    assert sorted(called) == ["encoded", "serving_default"]


@pytest.fixture(scope="module")
def bfloat16_model(tiny_run, tmp_path_factory):
    return export(tiny_run, "tiny", 1, tmp_path_factory.mktemp("bfloat16"), "mixed_bfloat16")


@pytest.mark.parametrize("model", ["tiny_model", "bfloat16_model"])
def test_every_weight_is_stored_once_and_in_float32(request, tiny_network, model):
    path = request.getfixturevalue(model)
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    dtypes = reader.get_variable_to_dtype_map()
    sizes = [
        np.prod(shape)
        for name, shape in reader.get_variable_to_shape_map().items()
        if dtypes[name].is_floating
    ]
    assert sum(sizes) == tiny_network.count_params()
    assert {dtype for dtype in dtypes.values() if dtype.is_floating} == {tf.float32}


def test_a_bfloat16_export_gives_nearly_the_same_picture(bfloat16_model, tiny_model):
    photo = tf.constant(sample_photo()[None, :96, :96])
    pictures = []
    for path in (bfloat16_model, tiny_model):
        model = tf.saved_model.load(str(path))
        pictures.append(model.signatures["serving_default"](image=photo)["image"].numpy())
    assert pictures[0].dtype == np.float32
    assert 0 < np.abs(pictures[0] - pictures[1]).mean() < 0.03
    text = (bfloat16_model / "assets.extra" / "model.json").read_text()
    assert json.loads(text)["export_dtype_policy"] == "mixed_bfloat16"


def test_the_export_leaves_the_dtype_policy_as_it_was(one_convolution, tmp_path):
    run = write_run(tmp_path / "run", one_convolution)
    export(run, "tiny", 1, tmp_path / "zoo", "mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"


# --- The program


def run_program(*arguments):
    command = [sys.executable, "-m", "zoo.export", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_exports_with_what_is_said_about_the_painting(one_convolution, tmp_path):
    run = write_run(tmp_path / "run", one_convolution)
    flags = [f"--run={run}", "--name=tiny", f"--saved_models={tmp_path}", "--painting=The Sea"]
    result = run_program(*flags, "--max_pixels=1000000", "--license=CC0-1.0")
    assert result.returncode == 0
    assert result.stdout == f"exported {tmp_path}/tiny/1\n"
    assert result.stderr == ""
    about = json.loads((tmp_path / "tiny" / "1" / "assets.extra" / "model.json").read_text())
    assert (about["painting"], about["license"]) == ("The Sea", "CC0-1.0")


def test_the_program_says_what_is_missing():
    result = run_program("--name=tiny")
    assert result.returncode == 2
    assert "--run" in result.stderr
    assert "Traceback" not in result.stderr
