import dataclasses

import keras
import numpy as np
import pytest

from tests.trainers.trained_state import trained_state
from trainers import style
from zoo import runs
from zoo.errors import UserError
from zoo.export import export
from zoo.folding import folded
from zoo.model_json import training_stages


def test_a_run_can_start_from_the_network_of_another(settings, finished_run, tmp_path, capsys):
    begun = dataclasses.replace(settings, init_from=str(finished_run), steps=1, learning_rate=1e-9)
    style.train(begun, tmp_path / "run")
    assert f"starting from the network of {finished_run}, step 5" in capsys.readouterr().out
    for now, then in zip(
        trained_state(tmp_path / "run")[0], trained_state(finished_run)[0], strict=True
    ):
        np.testing.assert_allclose(now, then, atol=1e-6)


def test_a_run_can_start_from_an_exported_model(settings, finished_run, tmp_path, capsys):
    model = export(finished_run, "tiny", 3, tmp_path / "zoo")
    begun = dataclasses.replace(settings, init_from=str(model), steps=1, learning_rate=1e-9)
    style.train(begun, tmp_path / "run")
    assert "starting from the network of tiny, version 3" in capsys.readouterr().out
    style.train(dataclasses.replace(begun, steps=2), tmp_path / "run")
    stages = training_stages(tmp_path / "run")
    assert [(stage["run"], stage["steps"]) for stage in stages] == [
        (finished_run.name, 5),
        ("run", 2),
    ]
    assert stages[-1]["settings"]["init_from"] == finished_run.name
    for now, then in zip(
        trained_state(tmp_path / "run")[0], trained_state(finished_run)[0], strict=True
    ):
        np.testing.assert_allclose(now, then, atol=1e-6)


def test_a_run_can_start_from_a_wider_network(settings, finished_run, tmp_path):
    begun = dataclasses.replace(
        settings,
        init_from=str(finished_run),
        width=settings.width / 2,
        steps=1,
        learning_rate=1e-9,
    )
    style.train(begun, tmp_path / "run")
    wide, slim = (
        keras.saving.load_model(runs.latest_checkpoint(run)[1] / runs.NETWORK)
        for run in (finished_run, tmp_path / "run")
    )
    for layer in slim.layers:
        if layer.name.endswith("_norm"):
            mine, its = (each.get_layer(layer.name).get_weights()[0] for each in (slim, wide))
            assert len(mine) < len(its)
            assert all(np.abs(its - gain).min() < 1e-6 for gain in mine)


@pytest.fixture(scope="module")
def several(settings, painting, photo_directory):
    return dataclasses.replace(
        settings,
        style_image=[str(painting), str(photo_directory / "0.jpg")],
        style_size=[32, 40],
        style_balance=[3.0, 5.0],
    )


@pytest.fixture(scope="module")
def run_on_several(several, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "several"
    style.train(several, run, checkpoint_interval=3)
    return run


def test_several_paintings_get_a_weight_each_and_the_photo_a_style(run_on_several):
    assert len(runs.read_record(run_on_several)["calibrated"]["style_weight"]) == 2
    _, path = runs.latest_checkpoint(run_on_several)
    assert keras.saving.load_model(path / runs.NETWORK).styles == 3


def test_one_painting_can_start_from_many_and_leave_the_convolutions_as_they_are(
    settings, run_on_several, tmp_path
):
    norms = dataclasses.replace(settings, init_from=str(run_on_several), train="norms", steps=3)
    style.train(norms, tmp_path / "run", checkpoint_interval=2)
    (origin, network) = (
        keras.saving.load_model(runs.latest_checkpoint(run)[1] / runs.NETWORK)
        for run in (run_on_several, tmp_path / "run")
    )
    assert network.styles is None
    changed = {
        layer.name
        for layer in network.layers
        for mine, its in zip(
            layer.get_weights(), origin.get_layer(layer.name).get_weights(), strict=True
        )
        if mine.shape != its.shape or np.abs(mine - its).max() > 0
    }
    assert changed
    assert all(name.endswith("_norm") for name in changed)


def test_one_painting_can_start_from_one_of_many_in_a_run_or_a_model(
    settings, run_on_several, tmp_path
):
    model = export(run_on_several, "tiny-several", 1, tmp_path / "zoo")
    origin = keras.saving.load_model(runs.latest_checkpoint(run_on_several)[1] / runs.NETWORK)
    for start, mix, weights in [
        (run_on_several, "0", [0, 1, 0]),
        (model, "0:1,painting:3", [0.75, 0.25, 0]),
    ]:
        begun = dataclasses.replace(
            settings, init_from=str(start), init_style=mix, steps=1, learning_rate=1e-9
        )
        run = tmp_path / f"from-{start.name}"
        style.train(begun, run)
        for now, then in zip(
            trained_state(run)[0], folded(origin, weights).get_weights(), strict=True
        ):
            np.testing.assert_allclose(now, then, atol=1e-6)


def test_a_network_of_another_shape_is_no_start(settings, finished_run, tmp_path, recwarn):
    wider = dataclasses.replace(
        settings, init_from=str(finished_run), width=0.2, style_weight=[1.0]
    )
    with pytest.raises(UserError, match="trained a network of another shape"):
        style.train(wider, tmp_path / "run")
    assert [w for w in recwarn if w.category is UserWarning] == []


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"init_style": "klee"}, "--init_style: no style 'klee'.* The model has: painting, 0"),
        ({"init_style": "klee:x"}, "--init_style: style 'klee:x': give NAME:WEIGHT"),
        ({"init_style": "0:1,photo:1"}, "--init_style: no style 'photo'"),
    ],
)
def test_a_style_to_start_from_has_to_be_one_of_the_paintings(
    settings, run_on_several, tmp_path, replaced, message
):
    begun = dataclasses.replace(
        settings, init_from=str(run_on_several), style_weight=[1.0], **replaced
    )
    with pytest.raises(UserError, match=message):
        style.train(begun, tmp_path / "run")


def test_without_a_network_given_it_is_that_of_the_origin(settings, finished_run, tmp_path):
    def network(origin):
        values = {**dataclasses.asdict(settings), "network": None, "init_from": origin}
        return style.settings_from(values).network

    assert settings.network != style.DEFAULT_NETWORK
    assert network(str(finished_run)) == settings.network
    assert network(str(export(finished_run, "tiny", 1, tmp_path / "zoo"))) == settings.network
    assert network("painters") == "quarter_inverted_resize"
    assert network(None) == network("/nowhere/run") == style.DEFAULT_NETWORK


@pytest.mark.parametrize("origin", ["finished_run", "nothing"])
def test_a_style_to_start_from_needs_an_origin_of_several(settings, finished_run, tmp_path, origin):
    begun = dataclasses.replace(
        settings,
        init_from=str(finished_run) if origin == "finished_run" else None,
        init_style="painting",
        style_weight=[1.0],
    )
    with pytest.raises(UserError, match=r"--init_style: .*of several paintings"):
        style.train(begun, tmp_path / "run")


def test_several_paintings_start_as_they_are_not_from_one_of_many(
    several, run_on_several, tmp_path
):
    begun = dataclasses.replace(several, init_from=str(run_on_several), init_style="painting")
    with pytest.raises(UserError, match=r"--init_style: .*for one"):
        style.train(begun, tmp_path / "run")
