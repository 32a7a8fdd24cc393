"""What tests of several packages share. TensorFlow is imported by those fixtures that need it."""

import csv
import sys

import absl.flags
import pytest

from zoo import runs

SETTINGS = {
    "style_image": ["/home/painter/starry_night.jpg"],
    "content": "/home/painter/photos",
    "steps": 200,
    "batch_size": 4,
    "image_size": 256,
    "style_size": [384],
    "content_weight": 1.0,
    "style_weight": None,
    "style_balance": [3.0],
    "tv_weight": 10.0,
    "spike_weight": 20.0,
    "content_layers": ["relu2_2"],
    "style_layers": ["relu1_2", "relu2_2", "relu3_3", "relu4_3"],
    "learning_rate": 1e-3,
    "seed": 0,
    "dtype_policy": "float32",
    "loss_network": "vgg16",
    "loss_network_weights": "/home/painter/vgg16.weights.h5",
    "loss_network_preprocessing": "torch",
    "network": "quarter",
    "width": 0.1,
    "init_from": "/home/painter/runs/the-scream",
    "train": "all",
}
LOSSES = {"content": 7.4336791, "loss": 15.288048, "style": 2.4518110752, "tv": 0.0210445}


def write_run(directory, network, step=200, **settings):
    """A training run's directory, as the trainer leaves it after `step` steps."""
    checkpoint = runs.checkpoint_path(directory, step)
    checkpoint.mkdir(parents=True)
    network.save(checkpoint / runs.NETWORK)
    record = {
        "kind": "style",
        "settings": {**SETTINGS, **settings},
        "calibrated": {"style_weight": [3.25]},
        "environment": {"backend": "tensorflow", "keras": "3.15.1"},
    }
    runs.write_record(directory, record)
    with (directory / "log.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["step", "seconds", *LOSSES])
        table.writeheader()
        table.writerow({"step": step - 100, "seconds": 107.1, **dict.fromkeys(LOSSES, 99)})
        table.writerow({"step": step, "seconds": 196.3, **LOSSES})
    return directory


@pytest.fixture(autouse=True)
def _float32_afterwards():
    """No test leaves its dtype policy, which is one for the process, to the next."""
    yield
    if keras := sys.modules.get("keras"):
        keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def tiny_network():
    """An untrained "quarter" network of few filters; not to be changed."""
    from zoo.quiet import import_keras

    import_keras().utils.set_random_seed(0)
    from zoo.architectures import NETWORKS
    from zoo.networks import StyleNetwork

    return StyleNetwork(**NETWORKS["quarter"], width=SETTINGS["width"])


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_network):
    """A run's directory with one checkpoint, of `tiny_network` at step 200."""
    return write_run(tmp_path_factory.mktemp("runs") / "tiny", tiny_network)


@pytest.fixture(scope="session")
def painters_network():
    """Untrained, of few filters: two paintings' styles, unlike each other, and the photo's."""
    import numpy as np

    from zoo.quiet import import_keras

    import_keras()
    from zoo.architectures import NETWORKS
    from zoo.networks import StyleNetwork
    from zoo.normalization import ConditionalInstanceNormalization

    rng = np.random.default_rng(0)
    network = StyleNetwork(**NETWORKS["quarter"], width=SETTINGS["width"], styles=3)
    for layer in network.layers:
        if isinstance(layer, ConditionalInstanceNormalization):
            layer.set_weights([rng.normal(1, 0.5, weight.shape) for weight in layer.get_weights()])
    return network


@pytest.fixture(scope="session")
def painters_run(tmp_path_factory, painters_network):
    """A run's directory with one checkpoint of `painters_network`."""
    directory = tmp_path_factory.mktemp("runs") / "painters"
    paintings = ["/home/painter/starry_night.jpg", "/home/painter/The Wave.png"]
    return write_run(directory, painters_network, style_image=paintings)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, tiny_run):
    """The exported `tiny_run`: directory of a SavedModel, .../saved_models/tiny/1."""
    from zoo.export import export

    saved_models = tmp_path_factory.mktemp("zoo") / "saved_models"
    return export(tiny_run, "tiny", 1, saved_models, about={"artist": "Anon", "year": "1889"})


@pytest.fixture
def run_program():
    """Runs a program's `main` with some flags, which are no longer defined afterwards."""

    def run_program(program, *arguments):
        before = set(absl.flags.FLAGS)
        program.define_flags()
        names = set(absl.flags.FLAGS) - before
        try:
            program.main(absl.flags.FLAGS(["program", *arguments]))
        finally:
            for name in names:
                delattr(absl.flags.FLAGS, name)

    return run_program
