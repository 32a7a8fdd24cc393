import csv
import dataclasses
import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from trainers import superres
from zoo import runs
from zoo.errors import UserError

STEPS = 5


@pytest.fixture(scope="module")
def settings(photo_directory):
    """A training of a few seconds; of its steps the last interval of two is half."""
    return superres.SuperResolutionSettings(
        factor=2,
        content=str(photo_directory),
        steps=STEPS,
        batch_size=2,
        image_size=32,
        degradation="bicubic",
        loss="pixel",
        pixel_distance="l1",
        layers=["relu2_2"],
        lpips_heads=None,
        perceptual_weight=1.0,
        adversarial_weight=0.0,
        spectrum_weight=0.0,
        consistency_weight=0.0,
        learning_rate=1e-3,
        ema_momentum=0.5,
        seed=0,
        dtype_policy="float32",
        loss_network="vgg16",
        loss_network_weights="imagenet",
        loss_network_preprocessing="caffe",
        network="subpixel",
        width=0.1,
        init_from=None,
    )


@pytest.fixture(scope="module")
def finished_run(settings, tmp_path_factory):
    """The run's directory of a training with `settings`; not to be changed."""
    run = tmp_path_factory.mktemp("superres") / "finished"
    superres.train(settings, run, checkpoint_interval=2)
    return run


def network_weights(run, step=None):
    path = runs.checkpoint_path(run, step) if step else runs.latest_checkpoint(run)[1]
    return keras.saving.load_model(path / runs.NETWORK).get_weights()


def log(run):
    with (run / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


# --- A run ---


def test_a_run_leaves_its_record_log_previews_events_and_checkpoints(finished_run):
    record = json.loads((finished_run / "run.json").read_text())
    assert record["kind"] == "superres"
    assert record["settings"]["factor"] == 2
    assert list(record["calibrated"]) == ["pixel"]
    assert [row["step"] for row in log(finished_run)] == ["2", "4", "5"]
    for row in log(finished_run):
        total = record["calibrated"]["pixel"] * float(row["pixel"])
        assert float(row["loss"]) == pytest.approx(total, rel=1e-4)
    previews = sorted(path.name for path in (finished_run / "previews").iterdir())
    assert previews == [f"step-{step:08d}.png" for step in (2, 4, 5)]
    assert runs.checkpoint_steps(finished_run) == [4, 5]


def test_previews_show_small_images_results_and_originals(finished_run):
    sheet = Image.open(finished_run / "previews" / "step-00000005.png")
    row = sheet.height // 3
    assert row > 256
    small, original = (
        np.asarray(sheet.crop((10, 10 + row * i, 200, 250 + row * i)), float) for i in (0, 2)
    )
    assert 0 < np.abs(small - original).mean() < 20  # the same picture, blurred


def test_training_that_goes_on_gives_the_network_of_one_that_never_stopped(
    settings, finished_run, tmp_path
):
    run = tmp_path / "stopped"
    shutil.copytree(finished_run, run)
    shutil.rmtree(runs.checkpoint_path(run, 5))
    superres.train(settings, run, checkpoint_interval=2)
    start = network_weights(run, 4)
    pairs = zip(network_weights(run), network_weights(finished_run), start, strict=True)
    for now, then, before in pairs:
        np.testing.assert_allclose(now, then, atol=1e-6)
        assert np.abs(now - before).max() > 1e-5  # the last step moved every variable


def test_against_a_critic_too_it_goes_on_as_if_it_never_stopped(settings, tiny_vgg, tmp_path):
    settings = dataclasses.replace(
        settings, loss="mixed", layers=["relu1_2"], adversarial_weight=1.0, steps=2
    )
    superres.train(settings, tmp_path / "never", checkpoint_interval=1)
    shutil.copytree(tmp_path / "never", tmp_path / "stopped")
    shutil.rmtree(runs.checkpoint_path(tmp_path / "stopped", 2))
    superres.train(settings, tmp_path / "stopped", checkpoint_interval=1)
    critics = [
        np.load(runs.latest_checkpoint(tmp_path / name)[1] / "critic.npz")
        for name in ("never", "stopped")
    ]
    assert len(critics[0].files) == 3 * 6
    for name in critics[0].files:
        np.testing.assert_allclose(critics[1][name], critics[0][name], atol=1e-5)
    pairs = zip(*(network_weights(tmp_path / name) for name in ("never", "stopped")), strict=True)
    for then, now in pairs:
        np.testing.assert_allclose(now, then, atol=1e-5)


def test_checkpoints_hold_the_moving_average_of_the_weights(settings, tmp_path):
    settings = dataclasses.replace(settings, steps=2)
    superres.train(settings, tmp_path / "averaged", checkpoint_interval=1)
    plain = dataclasses.replace(settings, ema_momentum=0.0)
    superres.train(plain, tmp_path / "plain", checkpoint_interval=1)
    first, second = (network_weights(tmp_path / "averaged", step) for step in (1, 2))
    last = network_weights(tmp_path / "plain", 2)
    for average, before, weights in zip(second, first, last, strict=True):
        np.testing.assert_allclose(average, (before + weights) / 2, atol=1e-6)
        assert np.abs(average - weights).max() > 1e-5


def test_a_perceptual_training_begins_with_the_network_of_another(
    settings, finished_run, tiny_vgg, tmp_path, capsys
):
    perceptual = dataclasses.replace(
        settings,
        loss="mixed",
        layers=["relu1_2", "conv2_2"],
        perceptual_weight=3.0,
        adversarial_weight=0.2,
        spectrum_weight=0.1,
        consistency_weight=0.5,
        init_from=str(finished_run),
        learning_rate=1e-9,
        steps=1,
    )
    superres.train(perceptual, tmp_path)
    assert f"starting from the network of {finished_run}, step 5" in capsys.readouterr().out
    for now, then in zip(network_weights(tmp_path), network_weights(finished_run), strict=True):
        np.testing.assert_allclose(now, then, atol=1e-6)
    weights = runs.read_record(tmp_path)["calibrated"]
    (row,) = log(tmp_path)
    assert set(row) == {"step", "seconds", "loss", *weights}
    assert set(weights) == {
        *("pixel", "relu1_2", "conv2_2", "critic", "adversarial", "spectrum", "consistency")
    }
    total = sum(weight * float(row[name]) for name, weight in weights.items())
    assert float(row["loss"]) == pytest.approx(total, rel=1e-4)


def test_a_term_of_bicubic_costs_what_the_flag_says(settings):
    costs = {"pixel": 0.5, "relu1_2": 2.0, "conv2_2": 4.0, "consistency": 0.25, "spectrum": 2.0}
    critics = {"critic": 1.9, "adversarial": -0.3}
    criterion = SimpleNamespace(of_bicubic=lambda pairs: costs | critics)
    batches = SimpleNamespace(batch=lambda step: None)
    mixed = dataclasses.replace(
        settings,
        layers=["relu1_2", "conv2_2"],
        perceptual_weight=3.0,
        adversarial_weight=0.25,
        spectrum_weight=0.125,
        consistency_weight=0.5,
    )
    weights = superres._weights(mixed, criterion, batches)
    assert {name: weights[name] * cost for name, cost in costs.items()} == {
        "pixel": 1.0,
        "relu1_2": 1.5,  # the layers share theirs
        "conv2_2": 1.5,
        "consistency": 0.5,
        "spectrum": 0.125,
    }
    # As they come: a critic that has not learned yet says nothing of bicubic.
    assert {name: weights[name] for name in critics} == {"critic": 1.0, "adversarial": 0.25}


# --- Flags ---

LEFT_OPEN = {"image_size": None, "batch_size": None, "network": None, "dtype_policy": "float32"}


@pytest.mark.parametrize(
    ("given", "image_size", "batch_size", "network"),
    [
        ({"loss": "pixel"}, 192, 16, "subpixel"),
        ({"loss": "perceptual"}, 288, 4, "subpixel_hatchless"),
        ({"loss": "mixed", "image_size": 128}, 128, 4, "subpixel_hatchless"),
        ({"loss": "pixel", "batch_size": 8, "network": "srcnn"}, 192, 8, "srcnn"),
    ],
)
def test_sizes_and_network_are_by_loss_unless_given(
    settings, given, image_size, batch_size, network
):
    values = {**dataclasses.asdict(settings), **LEFT_OPEN, **given}
    resolved = superres.settings_from(values)
    assert (resolved.image_size, resolved.batch_size) == (image_size, batch_size)
    assert resolved.network == network
    assert resolved.init_from is None


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"image_size": 33}, "--image_size=33 is no multiple of --factor=2"),
        ({"image_size": 64}, "content images cannot be read.* is 7. x 60 pixels, less than 64"),
        ({"network": "johnson2016_sr", "factor": 3, "image_size": 33}, "no power of two"),
        (
            {"init_from": "/nowhere/run"},
            "--init_from: /nowhere/run is no run with a checkpoint, and no",
        ),
        ({"content": "/nowhere/photos"}, "/nowhere/photos: no such file"),
    ],
)
def test_what_cannot_be_used_is_named(settings, tmp_path, replaced, message):
    with pytest.raises(UserError, match=message):
        superres.train(dataclasses.replace(settings, **replaced), tmp_path / "run")
    assert runs.checkpoint_steps(tmp_path / "run") == []


def test_crops_too_small_for_the_critic_are_refused(settings, tiny_vgg, tmp_path):
    small = dataclasses.replace(settings, loss="mixed", adversarial_weight=1.0, image_size=26)
    with pytest.raises(UserError, match=r"--image_size=26: .* crops of 28 pixels at least"):
        superres.train(small, tmp_path / "run")
    superres.train(dataclasses.replace(small, image_size=28, steps=1), tmp_path / "run")


def test_a_network_for_another_factor_starts_all_but_the_output(settings, finished_run, tmp_path):
    other = dataclasses.replace(
        settings, factor=4, init_from=str(finished_run), learning_rate=1e-9, steps=1
    )
    superres.train(other, tmp_path / "run")
    *ours, kernel, _ = network_weights(tmp_path / "run")
    *theirs, of_two, _ = network_weights(finished_run)
    for now, then in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(now, then, atol=1e-6)
    assert kernel.shape[-1] == 4 * of_two.shape[-1]


def test_an_architecture_without_a_layer_in_common_is_no_start(settings, finished_run, tmp_path):
    other = dataclasses.replace(settings, network="srcnn", init_from=str(finished_run))
    with pytest.raises(UserError, match="trained a network of another shape"):
        superres.train(other, tmp_path / "run")
