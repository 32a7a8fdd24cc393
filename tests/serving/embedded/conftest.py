import pathlib
import runpy

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The folder with NAME/VERSION of each model of tiny_models.py; not to be changed."""
    folder = tmp_path_factory.mktemp("models")
    # Only now, because it imports TensorFlow, which the client's tests do without.
    runpy.run_path(str(pathlib.Path(__file__).with_name("tiny_models.py")))["write"](folder)
    return folder
