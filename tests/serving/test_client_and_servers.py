"""The client against servers: the embedded one, and the real one where there is one."""

import numpy as np
import pytest

from serving.client import (
    InvalidRequest,
    NotReady,
    Signature,
    TensorSpec,
    UnknownModel,
    VersionGone,
)
from tests.serving.server_process import START_SECONDS


@pytest.fixture
def zoo(connect, server):
    """Either client, connected to a real or an embedded server."""
    with connect(server.address, timeout=START_SECONDS) as connected:
        yield connected


def test_a_served_model_is_ready_and_its_versions_are_told(zoo):
    zoo.wait_ready("negative")
    assert [(each.version, each.state) for each in zoo.status("negative")] == [(1, "AVAILABLE")]
    with pytest.raises(NotReady, match="nobody"):
        zoo.wait_ready("nobody", timeout=0.5)


def test_the_signatures_of_a_model_of_the_zoo_are_told(zoo):
    image, files = TensorSpec("float32", (None, None, None, 3)), TensorSpec("string", (None,))
    metadata = zoo.metadata("negative")
    assert metadata.version == 1
    signatures = metadata.signatures
    assert signatures["serving_default"] == Signature({"image": image}, {"image": image})
    assert signatures["encoded"] == Signature({"image_bytes": files}, {"image_bytes": files})


@pytest.mark.parametrize("signature", ["encoded", "serving_default"])
def test_a_picture_comes_back_as_the_model_makes_it(zoo, cat, signature):
    stylised = zoo.stylize(cat, "negative", signature=signature)
    np.testing.assert_array_equal(np.asarray(stylised), 255 - np.asarray(cat))


def test_a_picture_of_more_pixels_than_the_model_takes_goes_in_tiles(zoo, cat):
    large = cat.resize((600, 450))
    assert zoo.about("negative").max_pixels < 600 * 450
    stylised = np.asarray(zoo.stylize(large, "negative"), np.int16)
    np.testing.assert_allclose(stylised, 255 - np.asarray(large), atol=1)  # seams are blended
    with pytest.raises(InvalidRequest, match="pixels"):
        zoo.stylize(large, "negative", tile="off")


def test_messages_of_many_megabytes_pass_both_ways(zoo):
    numbers = np.arange(3_000_000, dtype=np.float32)
    np.testing.assert_array_equal(zoo.predict("plus", {"x": numbers})["y"], numbers + 1)


def test_what_cannot_be_asked_is_told_as_such(zoo):
    ones = {"x": np.float32([1])}
    with pytest.raises(UnknownModel, match="'plsu'"):
        zoo.predict("plsu", ones)
    with pytest.raises(VersionGone, match="version 1 AVAILABLE"):
        zoo.predict("plus", ones, version=7)
    with pytest.raises(InvalidRequest, match="float32"):
        zoo.predict("plus", {"x": np.float64([1])})
    with pytest.raises(InvalidRequest, match="encoded"):
        zoo.predict("negative", {"image_bytes": [b"no image"]}, signature="encoded")


def test_a_configuration_can_be_applied_again(zoo, server):
    zoo.reload(server.models_config)
    assert zoo.predict("plus", {"x": np.float32([1])})["y"].tolist() == [2]
