from functools import partial

import pytest

from benchmarks import throughput
from trainers import style, timing
from zoo import vgg


@pytest.fixture
def flags(tmp_path, photo, painting, small_vgg, shallow_networks, monkeypatch):
    """The program's, at 32 pixels."""
    monkeypatch.setitem(vgg.ARCHITECTURES, "vgg16", vgg.ARCHITECTURES["vgg19"])
    monkeypatch.setattr(
        throughput, "alternating_seconds", partial(timing.alternating_seconds, blocks=1)
    )
    return [
        *(f"--style_image={painting}", f"--content={photo}", f"--output={tmp_path / 'run'}"),
        *("--network=eighth_inverted", "--dtype_policy=mixed_bfloat16", "--width=0.1"),
        *("--image_size=32", "--style_size=32", "--style_layers=relu1_2,relu2_2"),
    ]


def test_the_table_has_a_row_for_each_training_and_for_the_photos(
    run_program, flags, tmp_path, capsys
):
    run_program(throughput, *flags)
    table = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[-6:]]
    first, ours, *photos = table[2:]
    assert first[0] == "| a step of johnson2016, float32"
    assert ours[0] == "| a step of eighth_inverted, mixed_bfloat16"
    assert [row[0] for row in photos] == ["| photos, decoded", "| photos, in memory"]
    assert float(first[2].strip(" |")) == 1
    for row in table[2:]:
        ratio = float(row[1]) / float(first[1])
        assert float(row[2].strip(" |")) == pytest.approx(ratio, rel=0.05, abs=0.1)
    assert not (tmp_path / "run").exists()


def test_a_step_trains_the_network_of_the_settings(run_program, flags, monkeypatch):
    trainers = []
    make = style.perceptual_trainer

    def noting(*arguments):
        trainers.append(make(*arguments))
        return trainers[-1]

    monkeypatch.setattr(style, "perceptual_trainer", noting)
    run_program(throughput, *flags)
    johnson, ours = (trainer.network for trainer in trainers)
    assert johnson.config["block"] == "dense"
    assert ours.config["block"] == "inverted"
    assert {layer.dtype_policy.name for layer in johnson.layers[:-1]} == {"float32"}
    assert "mixed_bfloat16" in {layer.dtype_policy.name for layer in ours.layers}
    steps = [int(trainer.optimizer.iterations) for trainer in trainers]
    assert steps[0] == steps[1] > 1
