import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import UserError
from zoo.quality import check_picture, check_saved_model
from zoo.sample_photo import sample_photo

PHOTO = sample_photo()[:64, :80]


@pytest.fixture
def saved(tmp_path):
    """Writes a SavedModel of two functions on images [N, H, W, 3] in [0, 1]."""

    def write(function, of_files=None):
        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], name="image")])
        def serving_default(image):
            return {"image": function(image)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def encoded(image_bytes):
            pixels = tf.io.decode_png(image_bytes[0], channels=3)
            image = (of_files or function)(tf.cast(pixels, tf.float32)[None] / 255)
            return {"image_bytes": tf.io.encode_png(tf.cast(255 * image, tf.uint8))}

        functions = {"serving_default": serving_default, "encoded": encoded}
        tf.saved_model.save(tf.Module(), str(tmp_path), signatures=functions)
        return tmp_path

    return write


def test_a_photo_passes_and_so_do_its_faint_copies():
    check_picture(PHOTO)
    check_picture(0.45 + 0.2 * PHOTO)


@pytest.mark.parametrize(
    ("picture", "problem"),
    [
        (PHOTO * np.nan, "not finite"),
        (np.where(PHOTO > 0.5, np.inf, PHOTO), "not finite"),
        (np.full_like(PHOTO, 0.5), "one flat colour"),
        (np.broadcast_to(np.float32([1, 0, 0.5]), PHOTO.shape), "one flat colour"),
        (0.5 + 0.02 * PHOTO, "one flat colour"),
        (2 * PHOTO, "outside 0..1"),
        (PHOTO - 0.5, "outside 0..1"),
    ],
)
def test_what_is_no_picture_is_refused(picture, problem):
    with pytest.raises(UserError, match=problem):
        check_picture(picture)


def test_a_real_model_passes(tiny_model):
    check_saved_model(tiny_model, PHOTO)


def test_a_model_that_enlarges_by_its_factor_passes(saved):
    model = saved(lambda image: tf.repeat(tf.repeat(image, 2, 1), 2, 2))
    check_saved_model(model, PHOTO, factor=2)
    with pytest.raises(UserError, match=r"makes .128, 160, 3. of an image of .64, 80, 3."):
        check_saved_model(model, PHOTO, factor=4)


@pytest.mark.parametrize(
    ("functions", "problem"),
    [
        ([lambda image: image[:, 1:]], "makes .63, 80, 3. of an image of .64, 80, 3."),
        ([lambda image: image, lambda image: 1 - image], "give different pictures"),
        ([lambda image: image * 0], "one flat colour"),
    ],
)
def test_a_model_that_gives_no_picture_is_refused(saved, functions, problem):
    with pytest.raises(UserError, match=problem):
        check_saved_model(saved(*functions), PHOTO)
