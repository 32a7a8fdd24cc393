import dataclasses

import keras
import numpy as np
import pytest

from benchmarks import optimization
from trainers import memory
from trainers.pictures import read_pictures
from trainers.preparation import check, loss_network
from trainers.presets import PRESETS, Settings
from zoo.errors import UserError

CPUINFO = """\
processor\t: 0
model name\t: Imaginary 9000 @ 2 GHz
flags\t\t: fpu avx2 avx512_bf16 amx_bf16 amx_tile
processor\t: 1
model name\t: Imaginary 9000 @ 2 GHz
flags\t\t: fpu avx2 avx512_bf16 amx_bf16 amx_tile
"""


def test_flags_are_stronger_than_the_preset_and_what_is_given_is_stronger_than_flags():
    values = {"size": 100, "seed": 3, "tv_weight": None, "output": "out", "style": "text"}
    settings = optimization.preset_settings("best", values, style=("a.png",), seed=7)
    assert settings == Settings(**PRESETS["best"], size=100, style=("a.png",), seed=7)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_network_stays_in_its_arithmetic_when_another_is_made(preset, policy):
    other = {"float32": "mixed_bfloat16", "mixed_bfloat16": "float32"}[policy]
    network = loss_network(preset("best", dtype_policy=policy))
    loss_network(preset("best", dtype_policy=other))
    features = network.features(("relu1_1", "relu5_1"))(np.ones((1, 16, 16, 3), "float32"))
    dtypes = {keras.backend.standardize_dtype(f.dtype) for f in features.values()}
    assert dtypes == {policy.removeprefix("mixed_")}


def test_what_would_fail_is_refused_before_the_work(preset, monkeypatch):
    settings = preset("gatys2016")
    pictures, network = read_pictures(settings), loss_network(settings)
    check(settings, pictures, network)
    with pytest.raises(UserError, match="need 16: --size=21 would do"):
        check(dataclasses.replace(settings, size=20), pictures, network)
    monkeypatch.setattr(memory, "available", lambda: 1.01e9)
    with pytest.raises(UserError, match="--size=2000 needs about"):
        check(dataclasses.replace(settings, size=2000), pictures, network)


def test_a_descent_shows_how_far_it_is(preset, capsys):
    settings = preset("gatys2016", iterations=2)
    steps = []
    network = loss_network(settings)
    image = optimization.descend(settings, read_pictures(settings), network, steps.append)
    assert [step.iteration for step in steps] == [1, 2]
    np.testing.assert_array_equal(image, steps[-1].image)
    assert "100%" in capsys.readouterr().err


def test_the_machine_is_named_with_what_bfloat16_depends_on(tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(optimization, "_CPUINFO", cpuinfo)
    monkeypatch.setattr(optimization.os, "cpu_count", lambda: 2)
    software = f"Keras {keras.__version__} on {keras.backend.backend()}"
    monkeypatch.setattr(optimization.platform, "processor", lambda: "other")
    assert optimization.machine() == f"other, 2 cores, {software}"
    cpuinfo.write_text(CPUINFO)
    assert optimization.machine() == (
        f"Imaginary 9000 @ 2 GHz, 2 cores, amx_bf16, avx512_bf16, {software}"
    )
