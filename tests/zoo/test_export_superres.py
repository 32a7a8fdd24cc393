"""A super-resolution network exported, listed, applied and warmed up."""

import io
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from tests.conftest import write_run
from zoo import catalog, images, runs
from zoo.any_size import Transformation, whole
from zoo.apply import transform_files
from zoo.card import write_card
from zoo.export import export
from zoo.saved_model import SavedModel
from zoo.superres import SuperResolutionNetwork

FACTOR = 4


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return SuperResolutionNetwork("subpixel", FACTOR, 0.1)


@pytest.fixture(scope="module")
def path(network, tmp_path_factory):
    """The exported network: .../saved_models/sr-tiny/1."""
    directory = tmp_path_factory.mktemp("superres")
    run = write_run(directory / "run", network)
    record = runs.read_record(run)
    record |= {"kind": "superres", "calibrated": {"pixel": 20.0}}
    record["settings"] = {
        "factor": FACTOR,
        "content": "/home/painter/photos",
        "loss": "pixel",
        "batch_size": 8,
    }
    runs.write_record(run, record)
    return export(run, "sr-tiny", 1, directory / "saved_models")


def test_model_json_tells_kind_and_factor(path):
    about = json.loads((path / "assets.extra" / "model.json").read_text())
    assert (about["kind"], about["factor"]) == ("superres", FACTOR)
    assert about["receptive_field"] == 15
    (stage,) = about["training"]
    assert stage["calibrated"] == {"pixel": 20.0}
    assert stage["settings"]["content"] == "photos"


def test_its_card_tells_the_factor_and_shows_details_beside_the_originals(path, tmp_path):
    found = catalog.find(path)
    about = {"training_data": "200 photos", "machine": "a machine", "license": "Apache-2.0"}
    directory = tmp_path / "sr-tiny"
    directory.mkdir()
    (directory / "1").symlink_to(path)
    model = catalog.Model("sr-tiny", 1, directory / "1", {**found.description, **about})
    write_card(model, "None.")
    text = (directory / "README.md").read_text()
    assert "images 4 times as wide and as high, trained with a pixel loss." in text
    assert "astronaut (public domain, NASA), chelsea (CC0" in text
    assert "python -m trainers.superres --output=runs/run" in text
    assert "| 200 | 1600 | 3 | pixel 20 |" in text
    sheet = images.read(directory / "pictures.jpg").rgb
    enlarged, original = sheet[20:360, 420:760], sheet[20:360, 820:1160]
    assert np.abs(np.diff(original, axis=1)).mean() > 1.2 * np.abs(np.diff(enlarged, axis=1)).mean()


def test_the_catalogue_lists_it(path):
    (model,) = catalog.models(path.parent.parent)
    assert (model.name, model.kind, model.path) == ("sr-tiny", "superres", path)
    (_, line) = catalog.table([model]).splitlines()
    assert line.startswith("sr-tiny  1        superres")
    assert line.endswith("x4, pixel loss")


def test_both_signatures_give_the_networks_picture(path, network, photo):
    part = photo[:30, :41]
    signatures = tf.saved_model.load(str(path)).signatures
    expected = network(part[None].astype(np.float32) / 255).numpy()
    assert expected.shape == (1, 120, 164, 3)
    answer = signatures["serving_default"](image=tf.constant(part[None], tf.float32) / 255)
    np.testing.assert_allclose(answer["image"], expected, atol=1e-5)
    answer = signatures["encoded"](image_bytes=tf.constant([images.encode(part)]))
    decoded = np.asarray(Image.open(io.BytesIO(answer["image_bytes"].numpy()[0])))
    np.testing.assert_allclose(decoded / 255, expected[0], atol=0.51 / 255)


def test_warmup_requests_are_answered_in_factor_times_their_size(path):
    signatures = tf.saved_model.load(str(path)).signatures
    records = tf.data.TFRecordDataset(str(path / "assets.extra" / "tf_serving_warmup_requests"))
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        if request.model_spec.signature_name == "serving_default":
            image = tf.constant(tf.make_ndarray(request.inputs["image"]))
            output = signatures["serving_default"](image=image)["image"]
            assert output.shape[1:3] == [FACTOR * side for side in image.shape[1:3]]
            return
    pytest.fail("no warmup request for serving_default")


def test_pictures_are_enlarged_with_their_transparency(path, rgba, tmp_path):
    part = rgba[:20, :256:8]
    Image.fromarray(part).save(tmp_path / "glass.png")
    transform = Transformation(SavedModel(path))
    written, failed = transform_files(transform, [tmp_path / "glass.png"], tmp_path / "large")
    assert failed == {}
    enlarged = images.read(written[0])
    assert enlarged.rgb.shape == (80, 128, 3)
    alpha = enlarged.alpha.reshape(20, 4, 32, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(alpha, part[..., 3] / 255, atol=0.02)


def test_in_tiles_a_picture_is_what_it_is_whole(path, photo):
    model = SavedModel(path)
    picture = images.Picture(photo[:90, :130].astype(np.float32) / 255)
    untiled = whole(Transformation(model, "off")(picture)).rgb
    strips = Transformation(model, 50)(picture).strips
    tiled = list(strips)
    assert len(tiled) == 3
    np.testing.assert_allclose(np.concatenate(tiled), untiled, atol=0.1 / 255)
