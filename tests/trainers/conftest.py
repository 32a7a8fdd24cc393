"""Photos, a painting, VGG weights and a finished run, each made once for all tests of trainers."""

import dataclasses

import keras
import numpy as np
import pytest
import skimage.data
from PIL import Image

from trainers import style
from trainers.presets import Settings
from zoo import vgg
from zoo.criterion import PerceptualCriterion
from zoo.vgg import LossNetwork

STEPS = 5


@pytest.fixture(scope="session")
def photo_directory(tmp_path_factory):
    """Eight JPEGs of 60 x 70 to 60 x 77 pixels, 0.jpg to 7.jpg, cut from scikit-image's cat."""
    directory = tmp_path_factory.mktemp("photos")
    for i in range(8):
        photo = skimage.data.chelsea()[20 * i : 20 * i + 60, 40 * i : 41 * i + 70]
        Image.fromarray(photo).save(directory / f"{i}.jpg")
    return directory


@pytest.fixture(scope="session")
def painting(tmp_path_factory):
    """A file of 64 x 80 pixels, in the place of a painting."""
    path = tmp_path_factory.mktemp("paintings") / "painting.png"
    Image.fromarray(skimage.data.immunohistochemistry()[:64, :80]).save(path)
    return path


@pytest.fixture(scope="session")
def vgg_weights(tmp_path_factory):
    """A weight file of a VGG-16 with random weights."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.weights.h5"
    keras.utils.set_random_seed(0)
    keras.applications.VGG16(include_top=False, weights=None).save_weights(path)
    return path


@pytest.fixture(scope="session")
def criterion(vgg_weights):
    return PerceptualCriterion(LossNetwork("vgg16", str(vgg_weights)))


@pytest.fixture(scope="session")
def crops():
    """Four unlike photos, float32 [4, 32, 32, 3] in [0, 1]."""
    photos = (skimage.data.chelsea(), skimage.data.astronaut(), skimage.data.coffee())
    corners = [photo[100:132, 100:132] for photo in photos] + [photos[2][200:232, 300:332]]
    return np.stack(corners).astype("float32") / 255


@pytest.fixture(scope="session")
def settings(photo_directory, painting, vgg_weights):
    """A training of a few seconds; of its steps the last interval of two is half."""
    return style.StyleSettings(
        style_image=[str(painting)],
        content=str(photo_directory),
        steps=STEPS,
        batch_size=2,
        image_size=32,
        style_size=[32],
        content_weight=1.0,
        style_weight=None,
        style_balance=[3.0],
        tv_weight=10.0,
        spike_weight=20.0,
        content_layers=["relu2_2"],
        style_layers=["relu1_2", "relu2_2"],
        learning_rate=1e-3,
        seed=0,
        dtype_policy="float32",
        loss_network="vgg16",
        loss_network_weights=str(vgg_weights),
        loss_network_preprocessing="caffe",
        network="quarter",
        width=0.1,
        init_from=None,
        init_style=None,
        train="all",
    )


@pytest.fixture(scope="session")
def finished_run(settings, tmp_path_factory):
    """The run's directory of a training with `settings`; not to be changed."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    style.train(settings, run, checkpoint_interval=2)
    return run


@pytest.fixture(scope="session")
def command_line(settings):
    """Gives the program's flags for `settings` with some replaced, without --output."""

    def flags(**replaced):
        values = dataclasses.asdict(dataclasses.replace(settings, **replaced))
        texts = {k: ",".join(map(str, v)) if isinstance(v, list) else v for k, v in values.items()}
        return [f"--{name}={text}" for name, text in texts.items() if text is not None]

    return flags


# --- Optimised images ---


@pytest.fixture
def tiny_vgg(monkeypatch):
    """Puts in VGG-16's place one of 8 filters a layer, whose random weights are always the same."""

    def build(include_top, weights):
        keras.utils.set_random_seed(0)
        x = inputs = keras.Input((None, None, 3))
        for block, depth in enumerate((2, 2, 3, 3, 3), 1):
            for i in range(1, depth + 1):
                name = f"block{block}_conv{i}"
                x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name=name)(x)
            x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
        return keras.Model(inputs, x)

    monkeypatch.setitem(vgg.ARCHITECTURES, "vgg16", build)


@pytest.fixture
def tiny_loss_network(tiny_vgg):
    return LossNetwork("vgg16", None)


@pytest.fixture(scope="session")
def image_settings(photo_directory, painting):
    """A transfer of style of a few iterations at 24 x 28 pixels, for `tiny_vgg`."""
    return Settings(
        content=str(photo_directory / "0.jpg"),
        style=(str(painting),),
        size=28,
        iterations=6,
        init="content",
        criterion="johnson2016",
        content_layers={"relu2_2": 1.0},
        style_layers={"relu1_1": 0.5, "relu2_1": 1.0},
        tv_weight=0.1,
        loss_network="vgg16",
    )
