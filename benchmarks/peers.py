"""Models beside public feed-forward networks of the same paintings, in the same measure.

    python -m benchmarks.peers --content=PHOTOS great-wave:wave.jpg the-scream:the_scream.jpg

An argument is a model, of the catalogue or a SavedModel's directory, and the file of its painting.
Photos whose long side is below 512 pixels are left out, the others resized to 512, both sides to
multiples of 4. Content is the mean squared difference of relu2_2, style the squared difference of
Gram matrices of relu1_2 to relu4_3, over H W C, summed over entries and layers, to the painting
with a short side of 512; in float32, of torchvision's VGG-16, means over the photos. "The photo
itself" tells whether photos and weights are those of the public networks' figures.
"""

import dataclasses

from absl import app, flags

from benchmarks.held_out import held_out_terms
from trainers import loss_network_flags
from zoo import catalog, images, program
from zoo.criterion import PerceptualCriterion
from zoo.errors import UserError
from zoo.saved_model import SavedModel
from zoo.vgg import LossNetwork

SIDE, MULTIPLE = 512, 4


@dataclasses.dataclass(frozen=True)
class Peer:
    """A public network's content and style loss, and the style loss of the photos themselves."""

    content: float
    style: float
    photo_style: float


# Networks of github.com/lengstrom/fast-style-transfer's architecture (1.68 M parameters, 40,000
# steps), by the model of ours that has their painting; 23 photos in the measure of this module.
PEERS = {
    "great-wave": Peer(7.14, 0.576, 5.07),
    "the-scream": Peer(4.60, 0.594, 4.88),
    "udnie": Peer(5.33, 0.656, 4.76),
    "shipwreck": Peer(5.23, 0.726, 4.84),
}
HEADER = (
    "| model | content | public | style | public | style of the photo itself | public | beaten |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def read_photos(content):
    """The photos of the measure, as `zoo.images.Picture`s.

    Args:
        content: files, directories or globs.

    Raises:
        UserError: there is none that is large enough.
    """
    photos = [images.read(path).rgb for path in images.find(content)]
    large = [photo for photo in photos if max(photo.shape[:2]) >= SIDE]
    if not large:
        raise UserError(
            f"{', '.join(map(str, content))}: no photo has a side of {SIDE} pixels or more"
        )
    return [images.Picture(images.resize(photo, photo_size(photo.shape))) for photo in large]


def photo_size(shape):
    """(height, width) of a photo whose long side becomes `SIDE`, both multiples of `MULTIPLE`."""
    scale = SIDE / max(shape[:2]) / MULTIPLE
    return tuple(MULTIPLE * max(1, round(scale * side)) for side in shape[:2])


def row(name, terms, photo_terms):
    """A line of the table under `HEADER`.

    Args:
        name: of the model, which tells its peer if it has one.
        terms: of what it makes, see `benchmarks.held_out.held_out_terms`.
        photo_terms: of the photos themselves.
    """
    peer = PEERS.get(name)
    ours = (terms["content"], terms["style"], photo_terms["style"])
    theirs = dataclasses.astuple(peer) if peer else ("", "", "")
    cells = [f"{value:.4g} | {figure}" for value, figure in zip(ours, theirs, strict=True)]
    beaten = ""
    if peer:
        beaten = "yes" if ours[0] <= peer.content and ours[1] < peer.style else "no"
    return f"| {name} | " + " | ".join([*cells, beaten]) + " |"


def define_flags():
    """The program's flags."""
    flags.DEFINE_list("content", None, "Photos: files, directories or globs.", required=True)
    loss_network_flags.define(preprocessing="torch", has_pooling=False)
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    if len(argv) < 2 or any(argument.count(":") != 1 for argument in argv[1:]):
        raise app.UsageError("give MODEL:PAINTING, or several")
    pairs = [argument.split(":") for argument in argv[1:]]
    models = [catalog.find(model, values["saved_models"]) for model, _ in pairs]
    paintings = [images.read(painting).rgb for _, painting in pairs]
    photos = read_photos(values["content"])
    network = LossNetwork(
        values["loss_network"],
        values["loss_network_weights"],
        values["loss_network_preprocessing"],
    )
    criterion = PerceptualCriterion(network)
    print(f"{len(photos)} photos\n\n{HEADER}", flush=True)
    for model, painting in zip(models, paintings, strict=True):
        targets = criterion.style_targets(images.resize_short_side(painting, SIDE)[None])
        terms, photo_terms = (
            held_out_terms(transform, criterion, targets, photos)
            for transform in (SavedModel(model.path), lambda photo: photo)
        )
        print(row(model.name, terms, photo_terms), flush=True)


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.peers")
