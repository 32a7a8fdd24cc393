import json

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import write_run
from tests.zoo.encoded_files import encoded
from zoo import catalog
from zoo.errors import UserError
from zoo.export import export, export_again
from zoo.model_json import style_names
from zoo.sample_photo import sample_photo
from zoo.saved_model import SavedModel
from zoo.style_weights import style_weights

REFUSED = tf.errors.InvalidArgumentError
PHOTO = tf.constant(sample_photo()[None, :40, :50])


@pytest.fixture(scope="module")
def painters(painters_run, tmp_path_factory):
    """Directory of the exported multi-style model."""
    return export(painters_run, "painters", 1, tmp_path_factory.mktemp("zoo"), max_pixels=10**6)


@pytest.fixture(scope="module")
def signatures(painters):
    model = tf.saved_model.load(str(painters))
    return {**model.signatures, "keep": model}


def test_a_model_of_several_styles_does_what_the_network_does(signatures, painters_network):
    style_weights = np.float32([[0.2, 0.5, 0.3], [0, 1, 0]])
    photos = tf.repeat(PHOTO, 2, axis=0)
    pictures = signatures["serving_default"](
        image=photos, style_weights=tf.constant(style_weights)
    )["image"]
    expected = painters_network([photos, tf.constant(style_weights)], training=False)
    np.testing.assert_allclose(pictures, expected, atol=1e-5)
    alone = signatures["serving_default"](image=PHOTO, style_weights=style_weights[1:])["image"]
    np.testing.assert_allclose(alone, expected[1:], atol=1e-5)


def test_the_catalogue_names_its_styles(painters):
    assert catalog.find(str(painters)).source == "starry-night, the-wave, photo"


def test_one_process_applies_one_mixture(painters, signatures):
    names = json.loads((painters / "assets.extra" / "model.json").read_text())["styles"]
    mixture = {names[0]: 1, names[1]: 3}
    model = SavedModel(painters, mixture, strength=0.5)
    row = style_weights(names, mixture, 0.5)[None]
    expected = signatures["serving_default"](image=PHOTO, style_weights=row)["image"]
    np.testing.assert_array_equal(model.image(PHOTO[0].numpy()), expected[0])
    tile = model.tile(PHOTO[0].numpy(), PHOTO[0].numpy())
    np.testing.assert_allclose(tile, expected[0], atol=1e-4)
    with pytest.raises(UserError, match="no style 'water-lilies'"):
        SavedModel(painters, "water-lilies")


def test_files_have_styles_of_their_own(signatures):
    file = encoded(np.round(255 * PHOTO[0].numpy()).astype(np.uint8), "PNG")
    rows = np.eye(3, dtype=np.float32)
    answers = signatures["encoded"](
        image_bytes=tf.constant([file] * 3), style_weights=tf.constant(rows)
    )["image_bytes"]
    pictures = signatures["serving_default"](image=tf.repeat(PHOTO, 3, axis=0), style_weights=rows)[
        "image"
    ]
    for answer, picture in zip(answers, pictures, strict=True):
        np.testing.assert_allclose(tf.io.decode_png(answer) / 255, picture, atol=0.01)


@pytest.mark.parametrize(
    "style_weights",
    [
        np.zeros((1, 3)),
        np.array([[0.5, 0.5, 0.5]]),
        np.array([[1.5, -0.5, 0]]),
        np.full((1, 3), np.nan),
        np.eye(3)[:2],
        np.zeros((0, 3)),
        np.eye(1, 2),
        np.array([1.0, 0, 0]),
    ],
    ids=["zeros", "too much", "negative", "NaN", "two rows", "no row", "two styles", "rank 1"],
)
@pytest.mark.parametrize("signature", ["serving_default", "encoded"])
def test_style_weights_that_are_no_shares_are_refused(signatures, signature, style_weights):
    file = encoded(np.zeros((16, 16, 3), np.uint8), "PNG")
    inputs = (
        {"image": PHOTO} if signature == "serving_default" else {"image_bytes": tf.constant([file])}
    )
    with pytest.raises((REFUSED, TypeError)):  # TypeError: by the Python binding, no server has it
        signatures[signature](**inputs, style_weights=tf.constant(style_weights, tf.float32))


def test_the_model_tells_its_styles_in_the_order_of_their_weights(signatures):
    (text,) = signatures["about"](request=tf.constant([b"?"]))["model_json"].numpy()
    assert json.loads(text) == {
        "name": "painters",
        "version": 1,
        "kind": "style",
        "factor": 1,
        "styles": ["starry-night", "the-wave", "photo"],
        "max_pixels": 10**6,
        "receptive_field": None,
    }


def test_one_style_is_taken_out_and_is_the_same(painters_run, signatures, tmp_path):
    path = export(painters_run, "the-wave", 1, tmp_path, style="the-wave")
    model = tf.saved_model.load(str(path))
    picture = model.signatures["serving_default"](image=PHOTO)["image"]
    style_weights = np.float32([[0, 1, 0]])
    expected = signatures["serving_default"](image=PHOTO, style_weights=style_weights)["image"]
    np.testing.assert_allclose(picture, expected, atol=1e-3)
    assert json.loads((path / "assets.extra" / "model.json").read_text())["style"] == "the-wave"


@pytest.mark.parametrize("style", ["the-scream", "photo"])
def test_a_style_that_is_not_there_is_named_with_those_that_are(painters_run, tmp_path, style):
    with pytest.raises(UserError, match=f"no style '{style}'; it has starry-night, the-wave"):
        export(painters_run, "x", 1, tmp_path, style=style)


def test_a_run_on_one_painting_has_no_styles_to_choose(tiny_run, tmp_path):
    with pytest.raises(UserError, match="no style 'starry-night'; it has one"):
        export(tiny_run, "x", 1, tmp_path, style="starry-night")


@pytest.mark.parametrize("paintings", [["a/x.jpg", "b/X.png"], ["photo.jpg", "y.jpg"]])
def test_paintings_of_one_name_are_refused(paintings, tmp_path, painters_network):
    with pytest.raises(UserError, match="two styles would be called"):
        style_names(paintings)
    run = write_run(tmp_path / "run", painters_network, style_image=paintings)
    with pytest.raises(UserError, match="two styles would be called"):
        export(run, "x", 1, tmp_path / "zoo")


def test_a_model_is_exported_again_as_the_same_network(painters, signatures, tmp_path):
    model = catalog.find(str(painters))
    path = export_again(model, 5, tmp_path)
    assert path == tmp_path / "painters" / "5"
    again = tf.saved_model.load(str(path))
    style_weights = tf.constant([[0.3, 0.3, 0.4]])
    pictures = [
        each["serving_default"](image=PHOTO, style_weights=style_weights)["image"]
        for each in (again.signatures, signatures)
    ]
    np.testing.assert_allclose(*pictures, atol=1e-5)
    before, after = model.description, catalog.find(str(path)).description
    assert after == {**before, "version": 5}
    with pytest.raises(UserError, match="give another --version"):
        export_again(model, 5, tmp_path)
