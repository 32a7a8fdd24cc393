"""The style models of this repository leave no grid and no frame in pictures."""

import pytest

from zoo import catalog
from zoo.artefacts import artefacts, plain_inputs
from zoo.images import Picture
from zoo.saved_model import SavedModel

# In levels of 8 bits; the first three models measure 0.45, 1.93 and 2.59 at worst.
MOST_GRID = {"flat": 1.0, "gradient": 3.0, "photo": 4.0}
# They measure up to 1.11. Inside they differ, by up to 13 levels, because the statistics of the
# whole image do.
MOST_OUTER_OVER_INSIDE = 1.25
LEAST_INSIDE = 0.5

MODELS = [
    model
    for model in catalog.models()
    if model.kind == "style" and not model.description.get("styles")
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_no_grid_and_no_frame(model):
    saved = SavedModel(model.path)
    for name, image in plain_inputs(192).items():
        found = artefacts(lambda each: saved(Picture(each)).rgb, image)
        assert found.grid < MOST_GRID[name], name
        allowed = MOST_OUTER_OVER_INSIDE * max(found.inside, LEAST_INSIDE)
        assert found.outer < allowed, name
