import shutil
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from serving.embedded import predict
from serving.embedded.model_config import All, ModelConfig, Specific
from serving.embedded.servables import Manager, ServedModel, State
from serving.embedded.status import StatusError


def publish(source, target):
    """A version has to appear complete."""
    hidden = target.with_name(f"copying_{target.name}")
    shutil.copytree(source, hidden)
    hidden.rename(target)


def polled(folder, **config):
    model = ServedModel(ModelConfig("m", str(folder), **config))
    model.poll()
    return model


def states(model):
    return {number: version.state for number, version in model.versions.items()}


ONE = np.float32([1])


def request(x=ONE):
    asked = predict_pb2.PredictRequest()
    asked.inputs["x"].CopyFrom(tf.make_tensor_proto(x))
    return asked


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


def manager_of(folder, **options):
    return Manager([ModelConfig("plus", str(folder))], **options)


def test_the_start_waits_for_a_base_path_to_appear(models, tmp_path):
    manager = manager_of(tmp_path / "plus", poll_wait_seconds=0.05)
    loading = threading.Thread(target=manager.load)
    loading.start()
    time.sleep(0.2)
    assert loading.is_alive()
    shutil.copytree(models / "plus", tmp_path / "copying")
    (tmp_path / "copying").rename(tmp_path / "plus")
    loading.join(20)
    assert list(manager.models["plus"].available()) == [2]
    manager.stop()


def test_stop_ends_the_wait_for_a_base_path(tmp_path):
    manager = manager_of(tmp_path / "none")
    manager.stop()
    assert manager.load() is False


def test_a_label_of_an_unloaded_version_ends_the_start(models):
    config = ModelConfig("plus", str(models / "plus"), labels={"canary": 1})
    with pytest.raises(StatusError) as caught:
        Manager([config]).load()
    assert str(caught.value) == (
        "FAILED_PRECONDITION: Request to assign label to version 1 of model plus, which is not "
        "currently available for inference"
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "nope"}, "Could not find any versions of model nope"),
        ({"name": "nope", "version": {"value": 1}}, "Could not find version 1 of model nope"),
        ({"name": "plus", "version": {"value": 9}}, "Could not find version 9 of model plus"),
    ],
)
def test_status_of_what_is_not_there_is_not_found(models, spec, message):
    manager = manager_of(models / "plus", poll_wait_seconds=0)
    manager.load()
    with pytest.raises(StatusError, match=f"^NOT_FOUND: {message}$"):
        manager.versions(model_pb2.ModelSpec(**spec))


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


@pytest.mark.parametrize(("warm_up", "calls_before"), [(True, 2), (False, 0)])
def test_warm_up_requests_are_replayed_before_the_first_call(
    models, tmp_path, warm_up, calls_before
):
    publish(models / "counter/1", tmp_path / "1")
    save_warmup(tmp_path / "1", predict_log(request()), predict_log(request()))
    model = ServedModel(ModelConfig("counter", str(tmp_path)), warm_up)
    model.poll()
    assert call(model, 1) == [calls_before + 1]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            [predict_log(request(np.float64([1])))],
            "INVALID_ARGUMENT: Expects arg[0] to be float but double is provided",
        ),
        ([b"\xff\xff"], "INVALID_ARGUMENT: Failed to parse warmup record"),
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
