import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, prediction_log_pb2

from serving.embedded import predict
from serving.embedded.loader import Loader
from serving.embedded.model_config import All, ModelConfig, Specific
from serving.embedded.servables import ServedModel, State
from tests.serving.embedded.asking import publish, request


def polled(folder, **config):
    model = ServedModel(ModelConfig("m", str(folder), **config), Loader())
    model.poll()
    return model


def states(model):
    return {number: version.state for number, version in model.versions.items()}


def call(model, number):
    return predict.run(model.versions[number].model, request())["y"].numpy().tolist()


def test_only_folders_named_by_a_number_are_versions(models, tmp_path):
    for name in ("007", "draft", "8a"):
        publish(models / "plus/1", tmp_path / name)
    assert states(polled(tmp_path, policy=All())) == {7: State.AVAILABLE}


def test_the_old_version_is_unloaded_only_when_the_new_one_is_loaded(models, tmp_path):
    publish(models / "plus/1", tmp_path / "1")
    model = polled(tmp_path)
    seen = []
    put = model._put
    model._put = lambda version: (put(version), seen.append(states(model)))
    publish(models / "plus/2", tmp_path / "2")
    model.poll()
    assert seen == [
        {1: State.AVAILABLE, 2: State.LOADING},
        {1: State.AVAILABLE, 2: State.AVAILABLE},
        {1: State.END, 2: State.AVAILABLE},
    ]
    assert call(model, 2) == [3.0]


def test_a_broken_version_stays_ended_and_does_not_disturb_the_old_one(models, tmp_path):
    publish(models / "plus/1", tmp_path / "1")
    model = polled(tmp_path)
    (tmp_path / "2").mkdir()
    model.poll()
    model.poll()
    assert states(model) == {1: State.AVAILABLE, 2: State.END}
    assert str(model.versions[2].error) == (
        "NOT_FOUND: Specified file path does not appear to contain a SavedModel bundle (should "
        f"have a file called `saved_model.pb`)\nSpecified file path: {tmp_path / '2'}"
    )
    assert call(model, 1) == [2.0]

    publish(models / "plus/2", tmp_path / "3")
    model.poll()
    assert states(model) == {1: State.END, 2: State.END, 3: State.AVAILABLE}


@pytest.mark.parametrize("damage", ["saved_model.pb", "variables/variables.index"])
def test_a_damaged_savedmodel_ends_with_an_error(models, tmp_path, damage):
    publish(models / "counter/1", tmp_path / "1")
    (tmp_path / "1" / damage).write_bytes(b"\xff damage")
    model = polled(tmp_path)
    assert states(model) == {1: State.END}
    assert model.versions[1].error.message


def test_a_removed_version_rolls_back_and_a_removed_folder_keeps_what_is_loaded(models, tmp_path):
    folder = tmp_path / "plus"
    shutil.copytree(models / "plus", folder)
    model = polled(folder)
    (folder / "2").rename(folder / "removed")
    model.poll()
    assert states(model) == {1: State.AVAILABLE, 2: State.END}
    shutil.rmtree(folder)
    model.poll()
    assert states(model) == {1: State.AVAILABLE, 2: State.END}
    assert call(model, 1) == [2.0]


def test_a_specific_version_that_is_missing_is_left_out(models):
    model = polled(models / "plus", policy=Specific(frozenset({1, 9})))
    assert states(model) == {1: State.AVAILABLE}


# --- Warm-up ---


def save_warmup(folder, *records):
    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record)


def predict_log(asked):
    log = prediction_log_pb2.PredictLog(request=asked)
    return prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString()


def classify_log():
    log = prediction_log_pb2.PredictionLog()
    log.classify_log.request.CopyFrom(classification_pb2.ClassificationRequest())
    return log.SerializeToString()


@pytest.mark.parametrize(
    ("options", "calls_before"),
    [({}, 2), ({"warm_up_iterations": 3}, 6), ({"warm_up": False}, 0)],
)
def test_warm_up_requests_are_replayed_before_the_first_call(
    models, tmp_path, options, calls_before
):
    publish(models / "counter/1", tmp_path / "1")
    save_warmup(tmp_path / "1", predict_log(request()), predict_log(request()))
    model = ServedModel(ModelConfig("counter", str(tmp_path)), Loader(**options))
    model.poll()
    assert call(model, 1) == [calls_before + 1]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            [predict_log(request(x=np.float64([1])))],
            "INVALID_ARGUMENT: Expects arg[0] to be float but double is provided",
        ),
        ([b"\xff\xff"], "INVALID_ARGUMENT: Failed to parse warmup record"),
        ([classify_log()], "UNIMPLEMENTED: "),
        (
            [predict_log(request())] * 1001,
            "INVALID_ARGUMENT: Number of warmup records exceeds the maximum (1000) at ",
        ),
    ],
)
def test_a_failing_warm_up_keeps_the_version_out(models, tmp_path, records, message):
    publish(models / "plus/1", tmp_path / "1")
    save_warmup(tmp_path / "1", *records)
    model = polled(tmp_path)
    assert states(model) == {1: State.END}
    assert str(model.versions[1].error).startswith(message)


def test_a_warm_up_file_that_is_no_tfrecord_is_data_loss(models, tmp_path):
    publish(models / "plus/1", tmp_path / "1")
    save_warmup(tmp_path / "1")
    file = tmp_path / "1/assets.extra/tf_serving_warmup_requests"
    file.write_bytes(b"no TFRecord" * 9)
    error = polled(tmp_path).versions[1].error
    assert error.code.name == "DATA_LOSS"
    assert error.message.endswith("Please verify your warmup data is in TFRecord format.")
