"""Train a network on one painting, or on several at once.

    python -m trainers.style --style_image=PAINTING --content=DIR --output=runs/NAME
    python -m trainers.style --style_image=A.jpg,B.jpg,C.jpg --content=DIR --output=runs/NAME

Several share one trunk and have norm parameters of their own (Dumoulin 2017). They take turns, one
a step; the photo itself is the last of them, so that a style can be had in any strength.

The same command again goes on from the last checkpoint. BUILD.md tells time and expected result.
"""

import dataclasses
from pathlib import Path

import keras
import numpy as np
from absl import flags

from trainers import fitting, fitting_flags, loss_network_flags, number_list_flag
from trainers.calibration import calibrated_style_weight
from trainers.callbacks import Report
from trainers.content import Photos, RandomCrops
from trainers.perceptual import PerceptualTrainer
from trainers.sources import open_source
from zoo import catalog, criterion, images, program, runs
from zoo.architectures import NETWORKS
from zoo.errors import UserError
from zoo.folding import with_styles
from zoo.model_json import style_names
from zoo.networks import StyleNetwork
from zoo.normalization import NORMS
from zoo.slimming import slimmed
from zoo.style_weights import parse_style, style_weights
from zoo.vgg import LossNetwork

# Photos are kept a little larger than the crops, so that crops differ from epoch to epoch.
PHOTO_MARGIN = 1.15
CALIBRATION_BATCHES = 4
SLIMMING_BATCHES = 8
DEFAULT_NETWORK = "quarter_inverted_latticeless"
# Of the pixel term where several paintings leave room for the photo itself.
PHOTO_WEIGHT = 200.0


@dataclasses.dataclass(frozen=True)
class StyleSettings:
    """Everything that decides what a training gives; see the flags for the meaning."""

    style_image: list[str]
    content: str
    steps: int
    batch_size: int
    image_size: int
    style_size: list[int]
    content_weight: float
    style_weight: list[float] | None
    style_balance: list[float]
    tv_weight: float
    spike_weight: float
    content_layers: list[str]
    style_layers: list[str]
    learning_rate: float
    seed: int
    dtype_policy: str
    loss_network: str
    loss_network_weights: str
    loss_network_preprocessing: str
    network: str
    width: float
    init_from: str | None
    train: str
    init_style: str | None

    @property
    def styles(self):
        """How many the network has: None for one painting, else one more than there are."""
        return len(self.style_image) + 1 if len(self.style_image) > 1 else None

    def of_each(self, name):
        """A setting that is one for all paintings, or one for each: as many as there are."""
        values = getattr(self, name)
        return values * len(self.style_image) if len(values) == 1 else values


def train(settings, output, checkpoint_interval=200, preview_images=()):
    """Train, or go on training, in the run directory `output`; see `zoo.runs` for what it holds.

    Args:
        settings: a `StyleSettings`.
        output: the run's directory; made if missing.
        checkpoint_interval: steps between checkpoints, log rows and previews.
        preview_images: files to show the network on; the first content photos if empty.

    Raises:
        UserError: an input cannot be used, the directory holds a run with other settings, or
            the loss was not finite.
    """
    names = style_names(settings.style_image)
    first_step = fitting.begin(settings, output)
    if first_step >= settings.steps:
        return
    mix = None if first_step else _init_mix(settings)

    photos = Photos(open_source(settings.content), round(PHOTO_MARGIN * settings.image_size))
    batches = RandomCrops(
        photos,
        settings.batch_size,
        settings.image_size,
        settings.steps,
        settings.seed,
        first_step,
    )
    previews = [images.read(path).rgb for path in preview_images] or [
        photos[i].astype("float32") / 255 for i in range(min(3, len(photos)))
    ]
    loss, style_targets = objective(settings)

    record = fitting.start_record(
        "style",
        settings,
        output,
        lambda: {"style_weight": _style_weights(settings, loss, style_targets, batches)},
    )
    network = untrained_network(settings)
    if settings.init_from and not first_step:
        photos = [batches.batch(step)[0] for step in range(SLIMMING_BATCHES)]

        def convert(origin):
            origin = with_styles(origin, settings.styles, mix)
            return _as_wide(origin, settings.width, photos)

        fitting.load_weights(network, settings.init_from, convert)
    if settings.train == "norms":
        for layer in network.layers:
            layer.trainable = isinstance(layer, NORMS)
    weights = record["calibrated"]["style_weight"]
    trainer = perceptual_trainer(settings, network, loss, style_targets, weights)
    looks = {"": []}
    if settings.styles:
        rows = np.eye(settings.styles, dtype=np.float32)
        looks = {f", {name}": [row[None]] for name, row in zip(names, rows, strict=True)}
    report = Report(output, first_step, previews, looks=looks)
    fitting.fit(trainer, batches, report, settings.learning_rate, checkpoint_interval)


def _as_wide(network, width, photos):
    """`network` with fewer filters if it has more than `width` gives."""
    return slimmed(network, width, photos) if network.config["width"] > width else network


def _init_mix(settings):
    """The `style_weights` of --init_style, or None."""
    if settings.init_style is None:
        return None
    try:
        if settings.styles:
            raise UserError("for one painting; several start as they are")
        styles = _paintings_of(settings.init_from)
        return np.append(style_weights(styles, parse_style(settings.init_style)), 0.0)
    except UserError as error:
        raise UserError(f"--init_style: {error}") from error


def _paintings_of(origin):
    """Names of the paintings that a run or model knows; UserError unless they are several."""
    names = []
    if origin and (Path(origin) / "run.json").exists():
        names = style_names(runs.read_record(origin)["settings"].get("style_image", []))
    elif origin:
        names = catalog.find(origin).description.get("styles") or []
    if len(names) <= 2:  # the photo is one
        raise UserError("give --init_from a run or model of several paintings")
    return names[:-1]


def objective(settings):
    """The `zoo.criterion.PerceptualCriterion` of settings, and its targets for each painting."""
    loss = criterion.PerceptualCriterion(
        LossNetwork(
            settings.loss_network,
            settings.loss_network_weights,
            settings.loss_network_preprocessing,
        ),
        settings.content_layers,
        settings.style_layers,
    )
    sizes = settings.of_each("style_size")
    paintings = [
        images.resize_short_side(images.read(path).rgb, size)
        for path, size in zip(settings.style_image, sizes, strict=True)
    ]
    return loss, [loss.style_targets(painting[None]) for painting in paintings]


def untrained_network(settings):
    """The `StyleNetwork` that settings ask for."""
    return StyleNetwork(**NETWORKS[settings.network], width=settings.width, styles=settings.styles)


def perceptual_trainer(settings, network, loss, style_targets, style_weights):
    """The `PerceptualTrainer` of settings and, for each painting, targets and style weight."""
    count = len(style_targets)
    weights = {
        "content": [settings.content_weight] * count,
        "style": list(style_weights),
        "tv": [settings.tv_weight] * count,
        "spikes": [settings.spike_weight] * count,
    }
    if settings.styles:
        photo = {"content": settings.content_weight, "spikes": settings.spike_weight}
        weights = {term: [*each, photo.get(term, 0.0)] for term, each in weights.items()}
        weights["pixel"] = [0.0] * count + [PHOTO_WEIGHT]
        style_targets = [*style_targets, style_targets[0]]
    shape = (settings.batch_size, settings.image_size, settings.image_size, 3)
    return PerceptualTrainer(network, loss, style_targets, weights, shape)


def _style_weights(settings, loss, style_targets, batches):
    if settings.style_weight is not None:
        return settings.of_each("style_weight")
    photos = keras.ops.concatenate([batches.batch(step) for step in range(CALIBRATION_BATCHES)])
    weights = [
        calibrated_style_weight(loss, targets, photos, settings.content_weight, balance)
        for targets, balance in zip(style_targets, settings.of_each("style_balance"), strict=True)
    ]
    print("style weight calibrated to " + ", ".join(f"{weight:.4g}" for weight in weights))
    return weights


# --- Flags ---


def define_flags():
    """The program's flags; their names are the fields of `StyleSettings`."""
    flags.DEFINE_list(
        "style_image",
        None,
        "The painting: an image file; or several for one network that knows them all.",
        required=True,
    )
    fitting_flags.define(steps=8000, learning_rate=1e-3)
    flags.DEFINE_integer(
        "batch_size",
        1,
        "Images a step. One by one learned faster than four at equal images, in one run of each.",
        lower_bound=1,
    )
    flags.DEFINE_integer("image_size", 256, "Side of the training crops in pixels.", lower_bound=32)
    number_list_flag.define(
        "style_size",
        [512],
        int,
        "Short side of the painting in pixels; larger strokes if larger. One, or one for each.",
        lower_bound=32,
        one_for_each="style_image",
    )
    flags.DEFINE_float("content_weight", 1.0, "Weight of the content term.", lower_bound=0)
    number_list_flag.define(
        "style_weight",
        None,
        float,
        "Weight of the style term; calibrated to the painting from the first batches if not given. "
        "One, or one for each painting.",
        lower_bound=0,
        one_for_each="style_image",
    )
    number_list_flag.define(
        "style_balance",
        [4.0],
        float,
        "What the calibration aims at: weighted style term of a plain photo over weighted content "
        "term of an unrelated one; more style if larger. One, or one for each painting.",
        lower_bound=0,
        one_for_each="style_image",
    )
    flags.DEFINE_float("tv_weight", 40.0, "Weight of the total variation term.", lower_bound=0)
    flags.DEFINE_float(
        "spike_weight",
        200.0,
        "Weight of the term against spikes in the network, which show as dark blobs.",
        lower_bound=0,
    )
    flags.DEFINE_list(
        "content_layers", list(criterion.CONTENT_LAYERS), "VGG layers whose features are kept."
    )
    flags.DEFINE_list(
        "style_layers", list(criterion.STYLE_LAYERS), "VGG layers whose Gram matrices are matched."
    )
    for name in ("content_layers", "style_layers"):
        flags.register_validator(name, bool, "give at least one layer")
    loss_network_flags.define(has_pooling=False)
    flags.DEFINE_enum(
        "network",
        None,
        list(NETWORKS),
        f"Architecture to train; that of --init_from, or {DEFAULT_NETWORK}.",
    )
    flags.DEFINE_float("width", 1.0, "Factor on the network's filters.", lower_bound=0.05)
    flags.DEFINE_string(
        "init_from",
        None,
        "Directory of another run, or a model, of the same network: start from its weights, which "
        "saves most of the way. One painting starts from the mean of several, and several from "
        "one. Of a wider network the filters that count most are taken.",
    )
    flags.DEFINE_string(
        "init_style",
        None,
        "With one painting and --init_from of several: which of them to start from, NAME or "
        "NAME:WEIGHT,NAME:WEIGHT; the mean of all if not given.",
    )
    flags.DEFINE_enum(
        "train",
        "all",
        ["all", "norms"],
        "What is trained: norms leaves the convolutions of --init_from as they are, as fits a run "
        "on many paintings, and takes far fewer steps.",
    )


def settings_from(values):
    """The `StyleSettings` of flag values, a dict; without network that of --init_from."""
    if values["network"] is None:
        values = {**values, "network": _network_of(values["init_from"]) or DEFAULT_NETWORK}
    return fitting.settings_from(StyleSettings, values)


def _network_of(origin):
    """What --network was in the training of a run or model, or None if that cannot be told."""
    if origin and (Path(origin) / "run.json").exists():
        settings = runs.read_record(origin)["settings"]
    else:
        stages = fitting.stages_of_model(origin)
        settings = stages[-1]["settings"] if stages else {}
    network = settings.get("network")
    return network if network in NETWORKS else None  # of another release, perhaps


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    settings = settings_from(values)
    train(settings, values["output"], values["checkpoint_interval"], values["preview_images"])


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "trainers.style", only_flags=True)


if __name__ == "__main__":
    cli()
