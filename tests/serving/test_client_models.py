"""The client with the zoo's own networks behind the embedded server."""

import json

import numpy as np
import pytest

from serving.client import InvalidRequest, ZooClient
from serving.configure import models_config
from tests.serving.embedded.asking import free_port
from zoo import catalog

STYLES = ["night", "wave", "photo"]


def save(network, path, **said):
    import keras

    from zoo.signatures import signatures

    told = {"name": path.parent.name, "version": 1, "styles": None, "receptive_field": None, **said}
    archive = keras.export.ExportArchive()
    archive.track(network)
    endpoints = signatures(network, said["max_pixels"], said["factor"], json.dumps(told))
    for name, function in endpoints.items():
        archive.add_endpoint(name, function)
    archive.write_out(str(path), verbose=False)


@pytest.fixture(scope="module")
def zoo(painters_network, tmp_path_factory):
    import keras

    from serving import server
    from zoo.receptive_field import receptive_field
    from zoo.superres import SuperResolutionNetwork

    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(0)
    enlarging = SuperResolutionNetwork("subpixel", 2, 0.1)
    save(painters_network, folder / "painters" / "1", kind="style", factor=1, styles=STYLES,
         max_pixels=600 * 600)  # fmt: skip
    save(enlarging, folder / "sr-x2" / "1", kind="superres", factor=2, max_pixels=200 * 200,
         receptive_field=receptive_field(enlarging))  # fmt: skip
    config = folder / "models.config"
    config.write_text(models_config(catalog.models(folder)))
    port = free_port()
    running = server.start(server.parse([f"--port={port}", f"--model_config_file={config}"]))
    with ZooClient(f"127.0.0.1:{port}", timeout=120) as client:
        yield client
    running.stop(grace_seconds=1)


def picture(height, width):
    """Smooth, as photos are."""
    rows, columns = np.mgrid[:height, :width] / 60
    waves = np.dstack([np.sin(rows), np.cos(columns), np.sin(rows + columns)])
    return np.uint8(waves * 100 + 128)


def test_super_resolution_beyond_what_the_model_takes_is_the_whole_pictures(zoo):
    image = picture(130, 150)
    with pytest.raises(InvalidRequest, match="no more than 10000 pixels"):
        zoo.upscale(image, 2, tile="off")
    tiled = np.asarray(zoo.upscale(image, 2), int)
    assert tiled.shape == (260, 300, 3)
    part = np.asarray(zoo.upscale(image[:90, :100], 2), int)  # taken whole
    assert np.abs(tiled[:140, :160] - part[:140, :160]).max() <= 1


def test_styles_mix_and_tiles_of_a_large_picture_go_together(zoo):
    assert zoo.about("painters").styles == tuple(STYLES)
    image = picture(300, 310)
    night, wave = (np.asarray(zoo.stylize(image, "painters", style=s), int) for s in STYLES[:2])
    assert np.abs(night - wave).mean() > 3
    mixed = np.asarray(zoo.stylize(image, "painters", style={"night": 1, "wave": 1}), int)
    assert np.abs(mixed - night).mean() > 1
    weights = np.float32([[0.5, 0.5, 0]])
    inputs = {"image": np.float32(image)[None] / 255, "style_weights": weights}
    [direct] = zoo.predict("painters", inputs)["image"]
    assert np.abs(direct * 255 - mixed).mean() < 1

    large = picture(640, 620)
    with pytest.raises(InvalidRequest, match="no more than 360000 pixels"):
        zoo.stylize(large, "painters", style="night", tile="off")
    assert zoo.stylize(large, "painters", style="night").size == (620, 640)
