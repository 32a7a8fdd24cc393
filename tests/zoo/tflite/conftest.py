import pytest

from zoo import catalog
from zoo.sample_photo import sample_photo


@pytest.fixture(scope="session")
def photos():
    """Three photos, float32 [H, W, 3]."""
    return [sample_photo(name) for name in ("chelsea", "coffee", "rocket")]


@pytest.fixture(scope="session")
def converted(tmp_path_factory, photos):
    """{variant and size: `Converted`} of a committed model, on two photos."""
    from zoo.tflite.convert_model import convert_model

    output = tmp_path_factory.mktemp("tflite")
    model = catalog.find("starry-night")
    files = [
        *convert_model(model, ["float32", "float16"], ["dynamic"], output, photos[:2]),
        *convert_model(model, ["dynamic", "int8"], ["96"], output, photos[:2], photos),
    ]
    return {file.path.stem.removeprefix("starry-night-"): file for file in files}
