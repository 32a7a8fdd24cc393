import dataclasses

import keras
import pytest

from trainers import descent, memory, preparation
from trainers.pictures import read_pictures
from zoo.errors import UserError


@pytest.fixture
def pictures(image_settings):
    return read_pictures(image_settings)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_loss_network_is_that_of_the_settings(image_settings, tiny_vgg, policy):
    settings = dataclasses.replace(image_settings, dtype_policy=policy)
    before = keras.config.dtype_policy()
    try:
        network = preparation.loss_network(settings)
        assert keras.config.dtype_policy().name == policy
        features = network.features(["relu1_1"])(keras.ops.zeros((1, 8, 8, 3)))["relu1_1"]
    finally:
        keras.config.set_dtype_policy(before)
    assert network.architecture == "vgg16"
    assert keras.backend.standardize_dtype(features.dtype) == policy.removeprefix("mixed_")


def test_what_passes_has_the_scales_of_the_descent(image_settings, pictures, tiny_loss_network):
    scales = preparation.check(image_settings, pictures, tiny_loss_network)
    assert scales == descent.plan(image_settings, pictures, tiny_loss_network)


@pytest.mark.parametrize("changes", [{"size": 1}, {"style_layers": {"relu9_1": 1.0}}])
def test_what_no_descent_can_do_is_refused(image_settings, pictures, tiny_loss_network, changes):
    settings = dataclasses.replace(image_settings, **changes)
    with pytest.raises(UserError):
        preparation.check(settings, pictures, tiny_loss_network)


def test_a_run_that_memory_will_not_do_for_is_refused_by_its_own_layers_and_paintings(
    image_settings, pictures, tiny_loss_network, monkeypatch
):
    # Just enough for what these settings need.
    free = memory.bytes_needed(tiny_loss_network, ["relu2_2"], (24, 28))
    monkeypatch.setattr(memory, "available", lambda: free)
    preparation.check(image_settings, pictures, tiny_loss_network)
    for changes in ({"style_layers": {"relu5_1": 1.0}}, {"style_scale": 8.0}):
        settings = dataclasses.replace(image_settings, **changes)
        with pytest.raises(UserError, match="of memory"):
            preparation.check(settings, pictures, tiny_loss_network)
        without = dataclasses.replace(settings, style=())
        preparation.check(without, read_pictures(without), tiny_loss_network)
