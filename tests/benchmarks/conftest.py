"""A photo, a painting and a small VGG-19."""

import keras
import pytest
import skimage.data
from PIL import Image

from trainers.presets import PRESETS, Settings
from zoo import vgg
from zoo.architectures import NETWORKS


@pytest.fixture(scope="session")
def photo(tmp_path_factory):
    """A file of 48 x 64 pixels."""
    path = tmp_path_factory.mktemp("photos") / "cat.png"
    Image.fromarray(skimage.data.chelsea()[60:108, 100:164]).save(path)
    return path


@pytest.fixture(scope="session")
def painting(tmp_path_factory):
    """A file of 48 x 64 pixels, in the place of a painting."""
    path = tmp_path_factory.mktemp("paintings") / "cells.png"
    Image.fromarray(skimage.data.immunohistochemistry()[:48, :64]).save(path)
    return path


@pytest.fixture
def small_vgg(monkeypatch):
    """Puts in VGG-19's place one of 8 filters a layer, whose random weights are always the same."""

    def build(include_top, weights):
        keras.utils.set_random_seed(0)
        x = inputs = keras.Input((None, None, 3))
        for block, depth in enumerate((2, 2, 4, 4, 4), 1):
            for i in range(1, depth + 1):
                name = f"block{block}_conv{i}"
                x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name=name)(x)
            x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
        return keras.Model(inputs, x)

    monkeypatch.setitem(vgg.ARCHITECTURES, "vgg19", build)


@pytest.fixture
def shallow_networks(monkeypatch):
    """Leaves the style networks one residual block each, which TensorFlow traces in less time."""
    for name, arguments in NETWORKS.items():
        monkeypatch.setitem(NETWORKS, name, {**arguments, "residual_blocks": 1})


@pytest.fixture
def preset(photo, painting, small_vgg):
    """Gives the `Settings` of a preset at 24 x 32 pixels, with changes."""

    def preset(name, **changes):
        small = {"content": str(photo), "style": (str(painting),), "size": 32, "iterations": 4}
        return Settings(**{**PRESETS[name], **small, **changes})

    return preset
