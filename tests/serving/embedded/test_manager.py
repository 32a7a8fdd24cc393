import shutil
import threading
import time

import pytest
from tensorflow_serving.apis import model_pb2

from serving.embedded.config_file import ConfigFile
from serving.embedded.manager import Manager
from serving.embedded.model_config import All, ModelConfig, Specific
from serving.embedded.servables import State
from serving.embedded.status import StatusError
from tests.serving.embedded.asking import publish, wait_until


@pytest.fixture
def started():
    managers = []

    def start(*configs, **options):
        manager = Manager(configs, **({"poll_wait_seconds": 0.05} | options))
        managers.append(manager)
        assert manager.load()
        return manager

    yield start
    for manager in managers:
        manager.stop()


def states(manager, name):
    return {number: version.state for number, version in manager.models[name].versions.items()}


def label(manager, name, label):
    return manager.find(model_pb2.ModelSpec(name=name, version_label=label))[0]


def test_the_start_waits_for_a_base_path_to_appear(models, tmp_path):
    manager = Manager([ModelConfig("plus", str(tmp_path / "plus"))], poll_wait_seconds=0.05)
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
    manager = Manager([ModelConfig("plus", str(tmp_path / "none"))])
    manager.stop()
    assert manager.load() is False


def test_a_version_that_does_not_load_is_tried_again(models, tmp_path, started):
    (tmp_path / "plus" / "1").mkdir(parents=True)
    config = ModelConfig("plus", str(tmp_path / "plus"))
    manager = Manager([config], poll_wait_seconds=0.05, max_load_retries=100, retry_seconds=0.01)
    loading = threading.Thread(target=manager.load)
    loading.start()
    wait_until(lambda: "plus" in manager.models and states(manager, "plus") == {1: State.LOADING})
    for file in (models / "plus/1").iterdir():
        if file.name != "saved_model.pb":
            target = tmp_path / "plus/1" / file.name
            shutil.copytree(file, target) if file.is_dir() else shutil.copy(file, target)
    shutil.copy(models / "plus/1/saved_model.pb", tmp_path / "plus/1/saved_model.pb")
    loading.join(20)
    assert states(manager, "plus") == {1: State.AVAILABLE}
    manager.stop()


@pytest.mark.parametrize("may_precede", [True, False])
def test_a_label_may_precede_its_version_only_when_asked(models, may_precede):
    config = ModelConfig("plus", str(models / "plus"), labels={"stable": 2})
    manager = Manager([config], poll_wait_seconds=0, labels_may_precede=may_precede)
    if may_precede:
        manager.load()
        assert label(manager, "plus", "stable") == 2
    else:
        with pytest.raises(StatusError) as caught:
            manager.load()
        assert str(caught.value) == (
            "FAILED_PRECONDITION: Request to assign label to version 2 of model plus, which is "
            "not currently available for inference"
        )
    manager.stop()


def test_a_label_in_use_never_moves_to_an_unloaded_version(models, started):
    config = ModelConfig("plus", str(models / "plus"), labels={"stable": 2})
    manager = started(config, labels_may_precede=True)
    moved = ModelConfig("plus", str(models / "plus"), All(), labels={"stable": 1})
    with pytest.raises(StatusError, match=r"^FAILED_PRECONDITION: Request to assign label"):
        manager.reload([moved])
    assert label(manager, "plus", "stable") == 2
    assert states(manager, "plus") == {2: State.AVAILABLE}


def test_a_reload_replaces_the_whole_configuration(models, started):
    manager = started(ModelConfig("plus", str(models / "plus")))
    manager.reload([ModelConfig("pair", str(models / "pair"))])
    assert states(manager, "pair") == {1: State.AVAILABLE}
    wait_until(lambda: states(manager, "plus") == {2: State.END})


def test_a_reload_that_names_a_missing_folder_is_refused_whole(models, started, tmp_path):
    manager = started(ModelConfig("plus", str(models / "plus")))
    with pytest.raises(StatusError) as caught:
        manager.reload([ModelConfig("bad", str(tmp_path / "none"))])
    assert str(caught.value).startswith(
        f"FAILED_PRECONDITION: Could not find base path {tmp_path / 'none'} for servable bad"
    )
    manager.reload([ModelConfig("plus", str(models / "plus"), All())])
    wait_until(lambda: states(manager, "plus") == {1: State.AVAILABLE, 2: State.AVAILABLE})


def test_a_reload_tells_that_a_new_model_does_not_load(models, started, tmp_path):
    (tmp_path / "bad" / "1").mkdir(parents=True)
    manager = started(ModelConfig("plus", str(models / "plus")))
    with pytest.raises(StatusError, match=r"^UNKNOWN: 1 servable\(s\) did not become available"):
        manager.reload([ModelConfig("bad", str(tmp_path / "bad"))])


def test_a_model_that_comes_back_loads_again(models, started):
    config = ModelConfig("plus", str(models / "plus"), Specific(frozenset({1})))
    manager = started(config)
    manager.reload([])
    wait_until(lambda: states(manager, "plus") == {1: State.END})
    manager.reload([config])
    assert states(manager, "plus") == {1: State.AVAILABLE}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "nope"}, "Could not find any versions of model nope"),
        ({"name": "nope", "version": {"value": 1}}, "Could not find version 1 of model nope"),
        ({"name": "plus", "version": {"value": 9}}, "Could not find version 9 of model plus"),
    ],
)
def test_status_of_what_is_not_there_is_not_found(models, started, spec, message):
    manager = started(ModelConfig("plus", str(models / "plus")))
    with pytest.raises(StatusError, match=f"^NOT_FOUND: {message}$"):
        manager.versions(model_pb2.ModelSpec(**spec))


def test_a_changed_file_is_applied_and_a_broken_one_is_not(models, started, tmp_path):
    def text(policy):
        return (
            f'model_config_list {{ config {{ name: "plus" base_path: "{models / "plus"}" '
            f'model_platform: "tensorflow" model_version_policy {{ {policy} }} }} }}'
        )

    file = tmp_path / "models.config"
    manager = started(ModelConfig("plus", str(models / "plus"), Specific(frozenset({1}))))
    watched = ConfigFile(file, 0.02, manager)
    watched.start()
    publish_text(file, text("all {}"))
    wait_until(lambda: states(manager, "plus") == {1: State.AVAILABLE, 2: State.AVAILABLE})
    publish_text(file, "garbage {")
    time.sleep(0.1)
    assert states(manager, "plus") == {1: State.AVAILABLE, 2: State.AVAILABLE}
    publish_text(file, text("specific { versions: 2 }"))
    wait_until(lambda: states(manager, "plus") == {1: State.END, 2: State.AVAILABLE})
    watched.stop()


def publish_text(file, text):
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def test_the_folder_of_a_served_model_may_change(models, started, tmp_path):
    publish(models / "plus/1", tmp_path / "7")
    manager = started(ModelConfig("plus", str(models / "plus")))
    manager.reload([ModelConfig("plus", str(tmp_path))])
    wait_until(lambda: states(manager, "plus") == {2: State.END, 7: State.AVAILABLE})
