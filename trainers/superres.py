r"""Train a network that enlarges images by a factor, per pixel or under a perceptual loss.

    python -m trainers.superres --factor=4 --content=DIR --loss=pixel --output=runs/NAME
    python -m trainers.superres --factor=4 --content=DIR --loss=perceptual \
        --init_from=runs/NAME --output=runs/OTHER_NAME

The same command again goes on from the last checkpoint. Each term of pixels and features is
weighed so that plain bicubic costs 1 in it; a loss below is better than that.
"""

import dataclasses

import numpy as np
from absl import flags

from trainers import fitting, fitting_flags, loss_network_flags
from trainers.callbacks import Report
from trainers.content import Photos
from trainers.critic import Critic
from trainers.pairs import Pairs
from trainers.restoration import (
    PIXEL_DISTANCES,
    RestorationCriterion,
    RestorationTrainer,
)
from trainers.sources import open_source
from zoo import images, program
from zoo.degradations import DEGRADATIONS, crop_to_multiple
from zoo.errors import UserError
from zoo.lpips import LPIPS
from zoo.superres import ARCHITECTURES, SuperResolutionNetwork, as_far_as_alike
from zoo.vgg import LossNetwork

# Larger photos are shrunk to this short side: crops show more then, and sharper.
PHOTO_SIDE = 768
PREVIEW_SIDE = 256
CALIBRATION_BATCHES = 4
# Of each loss, unless given. Features alone would draw a hatching.
PERCEPTUAL = {"image_size": 288, "batch_size": 4, "network": "subpixel_hatchless"}
DEFAULTS = {
    "pixel": {"image_size": 192, "batch_size": 16, "network": "subpixel"},
    "perceptual": PERCEPTUAL,
    "mixed": PERCEPTUAL,
}


@dataclasses.dataclass(frozen=True)
class SuperResolutionSettings:
    """Everything that decides what a training gives; see the flags for the meaning."""

    factor: int
    content: str
    steps: int
    batch_size: int
    image_size: int
    degradation: str
    loss: str
    pixel_distance: str
    layers: list[str]
    lpips_heads: str | None
    perceptual_weight: float
    adversarial_weight: float
    spectrum_weight: float
    consistency_weight: float
    learning_rate: float
    ema_momentum: float
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
        settings: a `SuperResolutionSettings`.
        output: the run's directory; made if missing.
        checkpoint_interval: steps between checkpoints, log rows and previews.
        preview_images: files whose middle is degraded to show the network on; the first content
            photos if empty.

    Raises:
        UserError: an input cannot be used, the directory holds a run with other settings, or
            the loss was not finite.
    """
    if settings.image_size % settings.factor:
        raise UserError(
            f"--image_size={settings.image_size} is no multiple of --factor={settings.factor}"
        )
    first_step = fitting.begin(settings, output)
    if first_step >= settings.steps:
        return

    photos = Photos(open_source(settings.content), PHOTO_SIDE, smallest=settings.image_size)
    batches = Pairs(
        photos,
        settings.batch_size,
        settings.image_size,
        settings.steps,
        settings.seed,
        first_step,
        settings.factor,
        DEGRADATIONS[settings.degradation],
    )
    previews = [images.read(path).rgb for path in preview_images] or [
        photos[i].astype("float32") / 255 for i in range(min(3, len(photos)))
    ]
    originals = [_middle(preview, settings.factor) for preview in previews]
    criterion = _criterion(settings)
    if settings.image_size < criterion.smallest_side:
        raise UserError(
            f"--image_size={settings.image_size}: the loss network needs crops of "
            f"{criterion.smallest_side} pixels at least"
        )
    record = fitting.start_record(
        "superres", settings, output, lambda: _weights(settings, criterion, batches)
    )
    network = _network(settings)
    if settings.init_from and not first_step:
        fitting.load_weights(
            network, settings.init_from, lambda origin: as_far_as_alike(origin, network.config)
        )
    side = settings.image_size // settings.factor
    trainer = RestorationTrainer(
        network, criterion, record["calibrated"], (settings.batch_size, side, side, 3)
    )
    rng = np.random.default_rng(settings.seed)
    small = [batches.degrade(original, settings.factor, rng) for original in originals]
    fitting.fit(
        trainer,
        batches,
        Report(output, first_step, small, originals),
        settings.learning_rate,
        checkpoint_interval,
        settings.ema_momentum,
    )


def _network(settings):
    try:
        return SuperResolutionNetwork(settings.network, settings.factor, settings.width)
    except ValueError as error:
        raise UserError(f"--network, --factor: {error}") from error


def _middle(image, factor):
    height, width = image.shape[:2]
    top, left = (max(0, side - PREVIEW_SIDE) // 2 for side in (height, width))
    return crop_to_multiple(image[top : top + PREVIEW_SIDE, left : left + PREVIEW_SIDE], factor)


def _criterion(settings):
    terms = {
        "has_spectrum": settings.spectrum_weight > 0,
        "has_consistency": settings.consistency_weight > 0,
    }
    if settings.loss != "perceptual":
        terms["pixel_distance"] = settings.pixel_distance
    if settings.loss != "pixel":
        loss_network = LossNetwork(
            settings.loss_network,
            settings.loss_network_weights,
            settings.loss_network_preprocessing,
        )
        terms["loss_network"] = loss_network
        if settings.lpips_heads:
            terms["distance"] = LPIPS(loss_network, settings.lpips_heads)
        else:
            terms["layers"] = settings.layers
        if settings.adversarial_weight:
            terms["critic"] = Critic(loss_network)
    return RestorationCriterion(settings.factor, **terms)


def _weights(settings, criterion, batches):
    """The weight of each term: the flag's, over what bicubic costs in the first batches.

    But for the critic's terms: that is new there, and says nothing yet.
    """
    costs = criterion.of_bicubic([batches.batch(step) for step in range(CALIBRATION_BATCHES)])
    costs |= dict.fromkeys(costs.keys() & {"critic", "adversarial"}, 1.0)
    flag = {
        "pixel": 1.0,
        "lpips": settings.perceptual_weight,
        "critic": 1.0,
        "adversarial": settings.adversarial_weight,
        "spectrum": settings.spectrum_weight,
        "consistency": settings.consistency_weight,
    }
    # The layers share theirs.
    flag |= dict.fromkeys(settings.layers, settings.perceptual_weight / len(settings.layers))
    return {name: flag[name] / cost for name, cost in costs.items()}


# --- Flags ---


def define_flags():
    """The program's flags; their names are the fields of `SuperResolutionSettings`."""
    flags.DEFINE_integer("factor", None, "Of enlargement: 2, 3, 4 or 8.", 2, required=True)
    fitting_flags.define(steps=10000, learning_rate=1e-3)
    flags.DEFINE_enum(
        "loss",
        "pixel",
        list(DEFAULTS),
        "pixel: near the original in each pixel. perceptual: in features of a VGG, sharper. "
        "mixed: both.",
    )
    flags.DEFINE_integer(
        "batch_size", None, "Images a step; 16 if not given, 4 for a perceptual loss.", 1
    )
    flags.DEFINE_integer(
        "image_size",
        None,
        "Side of the training crops in pixels, before they are made small; 192 if not given, 288 "
        "for a perceptual loss. Smaller photos are left out.",
        lower_bound=16,
    )
    flags.DEFINE_enum(
        "degradation",
        "bicubic",
        list(DEGRADATIONS),
        "What makes crops small: bicubic, the field's; blur_bicubic, Johnson 2016's; real, with "
        "random blur, noise and JPEG, for photos from the wild.",
    )
    flags.DEFINE_enum(
        "pixel_distance", "l1", list(PIXEL_DISTANCES), "Absolute or squared difference of pixels."
    )
    flags.DEFINE_list(
        "layers", ["relu2_2"], "VGG layers of the perceptual loss; conv2_2 is before the ReLU."
    )
    flags.register_validator("layers", bool, "give at least one layer")
    flags.DEFINE_float(
        "perceptual_weight",
        1.0,
        "Weight of the VGG layers together, in a mixed loss; 1 is as much as the pixels count.",
        lower_bound=0,
    )
    flags.DEFINE_string(
        "lpips_heads",
        None,
        "File of LPIPS heads, see zoo.lpips: the perceptual loss is LPIPS, not of --layers. "
        "--loss_network_weights are torchvision's then.",
    )
    flags.DEFINE_float(
        "adversarial_weight",
        0.0,
        "Weight of a critic's score in a perceptual or mixed loss, see trainers.critic: texture in "
        "place of a cross-hatch.",
        lower_bound=0,
    )
    flags.DEFINE_float(
        "spectrum_weight",
        0.0,
        "Weight of the term that wants spectra like the original's: as much texture, and no "
        "pattern that repeats.",
        lower_bound=0,
    )
    flags.DEFINE_float(
        "consistency_weight",
        0.0,
        "Weight of the term that wants the output, made small again by bicubic, to be the input.",
        lower_bound=0,
    )
    flags.DEFINE_float(
        "ema_momentum",
        0.999,
        "Checkpoints hold a moving average of the weights, of which each step leaves this share; "
        "0 for the weights themselves.",
        lower_bound=0,
        upper_bound=1,
    )
    loss_network_flags.define(has_pooling=False)
    flags.DEFINE_enum(
        "network",
        None,
        list(ARCHITECTURES),
        "Architecture to train; subpixel if not given, subpixel_hatchless for a perceptual loss.",
    )
    flags.DEFINE_float("width", 1.0, "Factor on the network's filters.", lower_bound=0.05)
    flags.DEFINE_string(
        "init_from",
        None,
        "Directory of another run, or a model: start from its weights, for a perceptual loss from "
        "those of a pixel loss. Of another network or factor, the layers that both have count, all "
        "but the output layer.",
    )


def settings_from(values):
    """The `SuperResolutionSettings` of flag values, a dict."""
    given = {name: value for name, value in values.items() if value is not None}
    return fitting.settings_from(
        SuperResolutionSettings, {**values, **DEFAULTS[values["loss"]], **given}
    )


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    settings = settings_from(values)
    train(settings, values["output"], values["checkpoint_interval"], values["preview_images"])


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "trainers.superres", only_flags=True)


if __name__ == "__main__":
    cli()
