"""The pictures of a model's card."""

from zoo import images
from zoo.bicubic import rescale
from zoo.contact_sheet import contact_sheet
from zoo.degradations import bicubic
from zoo.sample_photo import CREDITS, sample_photo
from zoo.saved_model import SavedModel

_STYLED = ("chelsea", "coffee", "rocket")
_MIXED = ("coffee",)
# Of photos the rows and columns that show most: a face, fur, edges. Sides go by every factor.
_DETAILS = {
    "astronaut": (slice(24, 216), slice(128, 320)),
    "chelsea": (slice(52, 244), slice(60, 252)),
    "coffee": (slice(120, 312), slice(250, 442)),
}


def photos(description):
    """The photos that `sheet` shows a model on: {name: author and licence}.

    Args:
        description: a model.json.
    """
    if description["kind"] == "superres":
        names = _DETAILS
    else:
        names = _MIXED if description.get("styles") else _STYLED
    return {name: CREDITS[name] for name in names}


def sheet(model):
    """A `zoo.contact_sheet.contact_sheet` of what a `zoo.catalog.Model` does.

    One style: photos, and below them what it makes of them. Several: one photo in each. Super-
    resolution: details made small, then large by bicubic and by the model, and as they were.
    """
    if model.kind == "superres":
        return _enlarged(model)
    styles = model.description.get("styles")
    return _mixed(model, styles) if styles else _styled(model)


def _styled(model):
    transform = SavedModel(model.path)
    pictures = [images.read(sample_photo(name)) for name in _STYLED]
    pictures += [transform(photo) for photo in pictures]
    return contact_sheet(pictures, [""] * len(pictures), height=320, columns=len(_STYLED))


def _mixed(model, styles):
    (name,) = _MIXED
    photo = images.read(sample_photo(name))
    pictures = [SavedModel(model.path, style)(photo) for style in styles]
    return contact_sheet([photo, *pictures], [name, *styles], height=224)


def _enlarged(model):
    enlarge = SavedModel(model.path)
    pictures = []
    for name, window in _DETAILS.items():
        original = sample_photo(name)[window]
        small = bicubic(original, enlarge.factor)
        pictures += [rescale(small, enlarge.factor).clip(0, 1), enlarge.image(small), original]
    labels = ["bicubic", model.name, "original"] * len(_DETAILS)
    return contact_sheet(pictures, labels, height=2 * 192, columns=3)
