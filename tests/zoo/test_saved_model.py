import numpy as np
import pytest
import tensorflow as tf

from zoo import images
from zoo.errors import UserError
from zoo.saved_model import SavedModel


def test_transparency_is_kept(tiny_model, photo):
    alpha = np.linspace(0, 1, 30, dtype=np.float32)[None].repeat(20, 0)
    picture = images.Picture(photo[:20, :30] / 255, alpha)
    output = SavedModel(tiny_model)(picture)
    np.testing.assert_array_equal(output.alpha, alpha)
    assert output.rgb.shape == (20, 30, 3)


def save(path, output):
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], name="image")])
    def serving_default(image):
        large = tf.debugging.Assert(tf.shape(image)[1] < 100, ["image must be lower than 100"])
        with tf.control_dependencies([large]):
            return {output: tf.identity(image)}

    tf.saved_model.save(tf.Module(), str(path), signatures={"serving_default": serving_default})
    return path


def test_what_the_model_refuses_is_told_in_its_words(tmp_path, photo):
    model = SavedModel(save(tmp_path, "image"))
    with pytest.raises(UserError, match=r"^assertion failed: \[image must be lower than 100\]$"):
        model(images.read(photo))


def test_what_is_no_model_of_images_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"nowhere cannot be loaded"):
        SavedModel(tmp_path / "nowhere")
    save(tmp_path / "words", "text")
    with pytest.raises(UserError, match=r"words: signature serving_default has no output 'image'"):
        SavedModel(tmp_path / "words")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"broken cannot be loaded"):
        SavedModel(tmp_path / "broken")
