import dataclasses

import pytest

from trainers.objective import perceptual_criterion
from trainers.presets import CRITERIA, PRESETS, Settings
from zoo.vgg import LossNetwork

PAPERS = {
    # Gatys 2016, section 3.
    "gatys2016": {
        "loss_network": "vgg19",
        "loss_network_pooling": "average",
        "content_layers": {"relu4_2": 1.0},
        "style_layers": dict.fromkeys(("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), 0.2),
        "optimizer": "lbfgs",
        "init": "noise",
        "start_size": 0,
        "tv_weight": 0.0,
    },
    # Johnson 2016, sections 3 and 4.1.
    "johnson2016": {
        "loss_network": "vgg16",
        "loss_network_pooling": "max",
        "content_layers": {"relu2_2": 1.0},
        "style_layers": dict.fromkeys(("relu1_2", "relu2_2", "relu3_3", "relu4_3"), 1.0),
        "optimizer": "lbfgs",
        "init": "noise",
        "start_size": 0,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PAPERS)
def test_a_papers_preset_is_what_it_says(name):
    settings = dataclasses.asdict(Settings(**PRESETS[name]))
    assert {key: settings[key] for key in PAPERS[name]} == PAPERS[name]
    assert settings["criterion"] == name
    assert settings["content_weight"] > 0


def test_johnsons_equation_10_has_total_variation():
    assert PRESETS["johnson2016"]["tv_weight"] > 0


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_layers_are_those_of_its_network(name):
    settings = Settings(content="a.jpg", style=("b.jpg",), **PRESETS[name])
    network = LossNetwork(settings.loss_network, None, pooling=settings.loss_network_pooling)
    criterion = perceptual_criterion(settings, network)
    assert criterion.content_layers == settings.content_layers
    assert criterion.style_layers == settings.style_layers
    assert criterion.style_distance is CRITERIA[settings.criterion].style_distance
