"""The files for phones and browsers in saved_models/NAME/tflite/."""

import functools

import numpy as np
import pytest

from zoo import catalog
from zoo.sample_photo import sample_photo
from zoo.saved_model import SavedModel
from zoo.tflite import metadata, operators
from zoo.tflite.convert_model import fitted
from zoo.tflite.parity import LEAST_PSNR, psnr
from zoo.tflite.runtime import LiteRTModel

FILES = sorted(catalog.SAVED_MODELS.glob("*/tflite/*.tflite"))
ANY_SIZE = (93, 120)

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@functools.cache
def saved_model(name):
    return SavedModel(catalog.find(name).path)


def test_there_are_three_styles_painters_and_super_resolution():
    models = [catalog.find(name) for name in {path.parent.parent.name for path in FILES}]
    styles = [m for m in models if m.kind == "style" and not m.description.get("styles")]
    assert len(styles) >= 3
    assert {"painters", "sr-x4"} <= {model.name for model in models}


def test_they_are_small():
    assert sum(path.stat().st_size for path in FILES) < 12e6
    for path in FILES:
        if metadata.read(path)["variant"] in ("dynamic", "int8"):
            assert path.stat().st_size <= 0.7e6, path


@each_file
def test_it_is_of_the_newest_version_and_has_a_card(path):
    about = metadata.read(path)
    model = catalog.find(about["name"])
    assert path.parent == model.path.parent / "tflite"
    assert about["version"] == model.version
    assert about["styles"] == model.description.get("styles")
    assert path.name in (path.parent / f"{model.name}.md").read_text()


@each_file
def test_its_operations_are_built_in_and_of_a_known_size_the_gpu_delegates(path):
    file = path.read_bytes()
    assert operators.custom(file) == []
    about = metadata.read(path)
    if about["height"]:
        assert operators.refused_by_gpu(file) == (["CAST"] if about["variant"] == "int8" else [])


@each_file
def test_it_makes_the_picture_of_the_savedmodel(path):
    about = metadata.read(path)
    size = (about["height"], about["width"]) if about["height"] else ANY_SIZE
    image = fitted(sample_photo("coffee"), size)
    expected = saved_model(about["name"]).image(image)  # of several styles, in the first
    weights = np.eye(len(about["styles"]))[0] if about["styles"] else None
    found = LiteRTModel(path).transform(image, weights)
    assert psnr(found, expected) >= LEAST_PSNR[about["variant"]]
