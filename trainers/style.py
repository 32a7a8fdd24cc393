"""Train a network on one painting.

    python -m trainers.style --style_image=PAINTING --content=DIR --output=runs/NAME

The same command again goes on from the last checkpoint. BUILD.md tells time and expected result.
"""

import dataclasses

import keras
from absl import flags

from trainers import fitting, fitting_flags, loss_network_flags
from trainers.calibration import calibrated_style_weight
from trainers.callbacks import Report
from trainers.content import Photos, RandomCrops
from trainers.perceptual import PerceptualTrainer
from trainers.sources import open_source
from zoo import criterion, images, program
from zoo.architectures import NETWORKS
from zoo.networks import StyleNetwork
from zoo.vgg import LossNetwork

# Photos are kept a little larger than the crops, so that crops differ from epoch to epoch.
PHOTO_MARGIN = 1.15
CALIBRATION_BATCHES = 4


@dataclasses.dataclass(frozen=True)
class StyleSettings:
    """Everything that decides what a training gives; see the flags for the meaning."""

    style_image: str
    content: str
    steps: int
    batch_size: int
    image_size: int
    style_size: int
    content_weight: float
    style_weight: float | None
    style_balance: float
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
    first_step = fitting.begin(settings, output)
    if first_step >= settings.steps:
        return

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
        lambda: {"style_weight": _style_weight(settings, loss, style_targets, batches)},
    )
    network = StyleNetwork(**NETWORKS[settings.network], width=settings.width)
    if settings.init_from and not first_step:
        fitting.load_weights(network, settings.init_from)
    weight = record["calibrated"]["style_weight"]
    trainer = perceptual_trainer(settings, network, loss, style_targets, weight)
    report = Report(output, first_step, previews)
    fitting.fit(trainer, batches, report, settings.learning_rate, checkpoint_interval)


def objective(settings):
    """The `zoo.criterion.PerceptualCriterion` of settings, and its targets for the painting."""
    loss = criterion.PerceptualCriterion(
        LossNetwork(
            settings.loss_network,
            settings.loss_network_weights,
            settings.loss_network_preprocessing,
        ),
        settings.content_layers,
        settings.style_layers,
    )
    painting = images.resize_short_side(images.read(settings.style_image).rgb, settings.style_size)
    style_targets = loss.style_targets(painting[None])
    return loss, style_targets


def perceptual_trainer(settings, network, loss, style_targets, style_weight):
    """The `PerceptualTrainer` of settings and what `objective` gave for them."""
    return PerceptualTrainer(
        network,
        loss,
        style_targets,
        {
            "content": settings.content_weight,
            "style": style_weight,
            "tv": settings.tv_weight,
            "spikes": settings.spike_weight,
        },
        (settings.batch_size, settings.image_size, settings.image_size, 3),
    )


def _style_weight(settings, loss, style_targets, batches):
    if settings.style_weight is not None:
        return settings.style_weight
    photos = keras.ops.concatenate([batches.batch(step) for step in range(CALIBRATION_BATCHES)])
    weight = calibrated_style_weight(
        loss, style_targets, photos, settings.content_weight, settings.style_balance
    )
    print(f"style weight calibrated to {weight:.4g}")
    return weight


# --- Flags ---


def define_flags():
    """The program's flags; their names are the fields of `StyleSettings`."""
    flags.DEFINE_string("style_image", None, "The painting: an image file.", required=True)
    fitting_flags.define(steps=8000, learning_rate=1e-3)
    flags.DEFINE_integer(
        "batch_size",
        1,
        "Images a step. One by one learned faster than four at equal images, in one run of each.",
        lower_bound=1,
    )
    flags.DEFINE_integer("image_size", 256, "Side of the training crops in pixels.", lower_bound=32)
    flags.DEFINE_integer(
        "style_size", 512, "Short side of the painting in pixels; larger strokes if larger.", 32
    )
    flags.DEFINE_float("content_weight", 1.0, "Weight of the content term.", lower_bound=0)
    flags.DEFINE_float(
        "style_weight",
        None,
        "Weight of the style term; calibrated to the painting from the first batches if not given.",
        lower_bound=0,
    )
    flags.DEFINE_float(
        "style_balance",
        4.0,
        "What the calibration aims at: weighted style term of a plain photo over weighted content "
        "term of an unrelated one; more style if larger.",
        lower_bound=0,
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
    flags.DEFINE_enum("network", "quarter", list(NETWORKS), "Architecture to train.")
    flags.DEFINE_float("width", 1.0, "Factor on the network's filters.", lower_bound=0.05)
    flags.DEFINE_string(
        "init_from",
        None,
        "Directory of another painting's run, of the same network: start from its weights, which "
        "saves most of the way.",
    )


def settings_from(values):
    """The `StyleSettings` of flag values, a dict."""
    return fitting.settings_from(StyleSettings, values)


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
