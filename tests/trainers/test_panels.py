import dataclasses

import numpy as np
import pytest

from trainers import descent
from trainers.panels import Panel, draw
from trainers.pictures import read_pictures
from zoo import images


@pytest.fixture
def panels(image_settings):
    layers = ("relu1_2", "relu2_2", "relu3_1")
    short = dataclasses.replace(image_settings, style=(), init="noise", iterations=2)
    return [
        Panel(f"as in {layer}", dataclasses.replace(short, content_layers={layer: 1.0}))
        for layer in layers
    ]


@pytest.fixture
def drawn(tiny_loss_network, tmp_path):
    """The pictures of panels drawn into one folder."""

    def drawn(panels):
        pictures = read_pictures(panels[0].settings)
        return list(draw(panels, pictures, tiny_loss_network, tmp_path / "folder"))

    return drawn


@pytest.fixture
def made(monkeypatch):
    """The content layers of all panels that are made, of which each is no more than its start."""
    layers = []

    def descend(settings, pictures, loss_network, observe):
        layers.extend(settings.content_layers)
        return descent.first_image(settings, pictures, pictures.size(settings.size))

    monkeypatch.setattr(descent, "descend", descend)
    return layers


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_panel_is_what_its_settings_make(panels, drawn, tiny_loss_network):
    (picture,) = drawn(panels[:1])
    settings = panels[0].settings
    image = descent.descend(settings, read_pictures(settings), tiny_loss_network)
    np.testing.assert_allclose(picture.rgb, image, atol=0.01)


def test_panels_are_kept_under_their_number_and_label(panels, drawn, tmp_path):
    drawn(panels[:2])
    assert names(tmp_path / "folder") == [
        "01-as-in-relu1_2.json",
        "01-as-in-relu1_2.png",
        "02-as-in-relu2_2.json",
        "02-as-in-relu2_2.png",
    ]


def test_only_panels_that_are_missing_or_of_other_settings_are_made_again(
    panels, drawn, made, tmp_path
):
    first = drawn(panels)
    assert made == ["relu1_2", "relu2_2", "relu3_1"]
    made.clear()
    again = drawn(panels)
    assert made == []
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)

    (tmp_path / "folder" / "01-as-in-relu1_2.png").unlink()
    panels[2] = dataclasses.replace(
        panels[2], settings=dataclasses.replace(panels[2].settings, seed=1)
    )
    changed = drawn(panels)
    assert made == ["relu1_2", "relu3_1"]
    assert np.abs(changed[2].rgb - first[2].rgb).mean() > 0.02


def test_ctrl_c_loses_the_panel_at_work_alone(panels, drawn, made, monkeypatch):
    with monkeypatch.context() as patch:
        descend = descent.descend

        def stopped(settings, *arguments):
            if "relu3_1" in settings.content_layers:
                raise KeyboardInterrupt
            return descend(settings, *arguments)

        patch.setattr(descent, "descend", stopped)
        with pytest.raises(KeyboardInterrupt):
            drawn(panels)
    made.clear()
    drawn(panels)
    assert made == ["relu3_1"]


def test_a_picture_whose_settings_were_not_written_does_not_count(panels, drawn, made, monkeypatch):
    old = panels[:1]
    drawn(old)
    new = [Panel(old[0].label, dataclasses.replace(old[0].settings, seed=1))]
    write = images.write

    def killed(picture, path):
        write(picture, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(images, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            drawn(new)
    made.clear()
    drawn(old)
    assert made == ["relu1_2"]


def test_progress_counts_the_panels_that_are_to_be_made(panels, drawn, capsys):
    drawn(panels[:1])
    capsys.readouterr()
    drawn(panels[:1])
    assert capsys.readouterr().err == ""
    drawn(panels)
    assert "100%" in capsys.readouterr().err
