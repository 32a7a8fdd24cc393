import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import saved_network
from zoo.errors import UserError
from zoo.sample_photo import sample_photo
from zoo.signatures import signatures
from zoo.superres import SuperResolutionNetwork


def test_the_network_of_an_export_makes_what_the_export_makes(tiny_model):
    photo = tf.constant(sample_photo()[None, :65, :94])
    served = tf.saved_model.load(str(tiny_model)).signatures["serving_default"]
    network = saved_network.load(tiny_model)
    np.testing.assert_array_equal(network(photo), served(image=photo)["image"])


def test_statistics_that_are_not_trained_come_too(tmp_path):
    network = SuperResolutionNetwork("johnson2016_sr", 2, width=0.1)
    for variable in network.variables:
        variable.assign(keras.random.uniform(variable.shape, 0.5, 1.5))
    archive = keras.export.ExportArchive()
    functions = signatures(network, max_pixels=10**6, factor=2)
    archive.add_endpoint("serving_default", functions["serving_default"])
    archive.write_out(str(tmp_path), verbose=False)
    saved_network.write_description(network, tmp_path)
    photo = sample_photo()[None, :16, :16]
    np.testing.assert_array_equal(saved_network.load(tmp_path)(photo), network(photo))


def test_a_model_that_does_not_tell_its_network_is_refused(tiny_model, tmp_path):
    copy = shutil.copytree(tiny_model, tmp_path / "tiny")
    description = copy / saved_network.FILE
    other = description.read_text().replace('"residual_blocks": 5', '"residual_blocks": 6')
    description.write_text(other)
    with pytest.raises(UserError, match="has no weights residual6a_convolution/kernel"):
        saved_network.load(copy)
    description.write_text("{}")
    with pytest.raises(UserError, match=r"network\.json is damaged"):
        saved_network.load(copy)
    description.unlink()
    with pytest.raises(UserError, match="export it again"):
        saved_network.load(copy)
