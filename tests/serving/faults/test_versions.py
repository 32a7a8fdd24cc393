"""Versions that come, go, break and are copied slowly while callers call."""

import shutil

from tensorflow_serving.apis import model_management_pb2

from serving.embedded.servables import State
from tests.serving.embedded.asking import (
    SECONDS,
    answer,
    connect,
    publish,
    request,
    states,
    wait_until,
)
from tests.serving.faults.load import Load


def one_call(client, model, label=None):
    """A function that calls a model of one input and returns the one value of its answer.

    It is sent once: what fails is not hidden by a second attempt.
    """
    asked = request(model)
    if label:
        asked.model_spec.version_label = label

    def call():
        [value] = answer(client.predict(asked, timeout=SECONDS))
        return value

    return call


def remove(version):
    """It has to disappear at once."""
    gone = version.with_name(f"removing_{version.name}")
    version.rename(gone)
    shutil.rmtree(gone)


def available(client, model):
    return [number for number, state in states(client, model) if state == State.AVAILABLE]


def roll_under_load(client, model, folder, models):
    """Forward and back, twice; every call is answered by one of the two versions."""
    with Load(one_call(client, model)) as load:
        wait_until(load.more(2.0))
        for new in ("2", "3"):
            publish(models / "plus/2", folder / new)
            wait_until(lambda new=new: available(client, model) == [int(new)])
            wait_until(load.more(3.0))
            remove(folder / new)
            wait_until(lambda: available(client, model) == [1])
            wait_until(load.more(2.0))
    assert load.failures == []
    assert set(load.answers) == {2.0, 3.0}


def test_a_version_rolled_forward_and_back_loses_no_call(server, models):
    roll_under_load(connect(server.port), "rolled", server.folder / "rolled", models)


def test_with_batching_it_loses_no_call_either(serve, models, tmp_path):
    folder, batching = tmp_path / "plus", tmp_path / "batching.config"
    folder.mkdir()
    publish(models / "plus/1", folder / "1")
    # Calls wait for others: there are always some on the way to a version that goes.
    batching.write_text("max_batch_size { value: 8 } batch_timeout_micros { value: 20000 }")
    port = serve(
        *("--model_name=plus", f"--model_base_path={folder}", "--enable_batching"),
        *(f"--batching_parameters_file={batching}", "--file_system_poll_wait_seconds=0.05"),
    )
    roll_under_load(connect(port), "plus", folder, models)


def test_a_label_moved_forward_and_back_loses_no_call(server, models):
    client = connect(server.port)
    publish(models / "plus/2", server.folder / "relabelled/2")

    def apply(labels):
        asked = model_management_pb2.ReloadConfigRequest()
        for name in server.names:
            config = asked.config.model_config_list.config.add(
                name=name, base_path=str(server.folder / name), model_platform="tensorflow"
            )
            if name == "relabelled":
                config.model_version_policy.specific.versions.extend([1, 2])
                config.version_labels.update(labels)
        client.reload(asked, timeout=SECONDS)

    apply({})
    wait_until(lambda: available(client, "relabelled") == [2, 1])
    apply({"stable": 1})
    with Load(one_call(client, "relabelled", "stable")) as load:
        for version in (1, 2, 1):
            apply({"stable": version})
            wait_until(load.more(1.0 + version))
    assert load.failures == []
    assert set(load.answers) == {2.0, 3.0}


def test_a_broken_version_is_not_served_and_costs_no_call(server, models):
    client, folder = connect(server.port), server.folder / "broken"
    with Load(one_call(client, "broken")) as load:
        broken = folder / "copying_2"
        shutil.copytree(models / "plus/2", broken)
        (broken / "saved_model.pb").write_bytes(b"no protobuf")
        broken.rename(folder / "2")
        wait_until(lambda: states(client, "broken") == [(2, State.END), (1, State.AVAILABLE)])
        wait_until(load.more(2.0))
        # Repaired under a new number, it takes over.
        publish(models / "plus/2", folder / "3")
        wait_until(lambda: available(client, "broken") == [3])
        wait_until(load.more(3.0))
    assert load.failures == []


def test_a_version_that_is_copied_slowly_is_not_served_half(server, models):
    client, folder = connect(server.port), server.folder / "half"
    whole = (models / "plus/2/saved_model.pb").read_bytes()
    with Load(one_call(client, "half")) as load:
        (folder / "2").mkdir()
        (folder / "2/saved_model.pb").write_bytes(whole[: len(whole) // 2])
        wait_until(lambda: states(client, "half") == [(2, State.END), (1, State.AVAILABLE)])
        (folder / "2/saved_model.pb").write_bytes(whole)
        wait_until(load.more(2.0))
        # Under a name that is no number, a copy may take its time.
        copy = folder / "partial-3"
        copy.mkdir()
        wait_until(load.more(2.0))
        shutil.copytree(models / "plus/2", copy, dirs_exist_ok=True)
        wait_until(load.more(2.0))
        assert [number for number, _ in states(client, "half")] == [2, 1]
        copy.rename(folder / "3")
        wait_until(lambda: available(client, "half") == [3])
        wait_until(load.more(3.0))
    assert load.failures == []
    assert set(load.answers) == {2.0, 3.0}
