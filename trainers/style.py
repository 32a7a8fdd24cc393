"""Train a network on one painting.

    python -m trainers.style --style_image=PAINTING --content=DIR --output=runs/NAME

The same command again goes on from the last checkpoint. BUILD.md tells time and expected result.
"""

import dataclasses
import warnings
from pathlib import Path

import keras
from absl import flags, logging

from trainers import checkpoints, loss_network_flags
from trainers.calibration import calibrated_style_weight
from trainers.callbacks import Progress, Report, StopOnNaN
from trainers.content import Photos, RandomCrops
from trainers.hardware import default_dtype_policy, environment
from trainers.perceptual import PerceptualTrainer
from trainers.sources import open_source
from zoo import criterion, images, program, runs
from zoo.errors import UserError
from zoo.networks import NETWORKS, StyleNetwork
from zoo.vgg import LossNetwork

# Photos are kept a little larger than the crops, so that crops differ from epoch to epoch.
PHOTO_MARGIN = 1.15
CALIBRATION_BATCHES = 4
FINAL_LEARNING_RATE = 0.02  # of the first; the schedule is a cosine


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
    keras.utils.set_random_seed(settings.seed)
    keras.config.set_dtype_policy(settings.dtype_policy)
    _check_settings_unchanged(settings, output)
    first_step, checkpoint = runs.latest_checkpoint(output)
    if first_step >= settings.steps:
        print(f"{output}: all {settings.steps} steps are done already")
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

    record = _start_record(settings, output, loss, style_targets, batches)
    network = StyleNetwork(**NETWORKS[settings.network], width=settings.width)
    if settings.init_from and not checkpoint:
        _load_weights(network, settings.init_from)
    trainer = PerceptualTrainer(
        network,
        loss,
        style_targets,
        {
            "content": settings.content_weight,
            "style": record["calibrated"]["style_weight"],
            "tv": settings.tv_weight,
            "spikes": settings.spike_weight,
        },
        (settings.batch_size, settings.image_size, settings.image_size, 3),
    )
    trainer.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(
                settings.learning_rate, settings.steps, alpha=FINAL_LEARNING_RATE
            )
        )
    )
    if checkpoint:
        trainer.optimizer.build(trainer.network.trainable_variables)
        checkpoints.restore(checkpoint, trainer.network, trainer.optimizer)
        print(f"{output}: going on after step {first_step} of {settings.steps}")
    progress = Progress(settings.steps, first_step, settings.batch_size)
    try:
        trainer.fit(
            batches,
            epochs=-(-(settings.steps - first_step) // checkpoint_interval),
            steps_per_epoch=checkpoint_interval,
            shuffle=False,  # the batches know their order
            verbose=0,
            callbacks=[
                StopOnNaN(first_step),
                progress,
                Report(output, first_step, previews),
            ],
        )
    except Exception:
        if batches.error:
            raise batches.error from None
        raise
    finally:
        progress.on_train_end()  # Keras does not call it after an error
    if photos.unreadable:
        logging.warning("%d content images were skipped", len(photos.unreadable))
    print(f"{output}: {settings.steps} steps done; python -m zoo.export --run={output} ...")


def _check_settings_unchanged(settings, output):
    if not (Path(output) / "run.json").exists():
        return
    before = runs.read_record(output)["settings"]
    now = dataclasses.asdict(settings)
    # More steps are a longer run of the same kind.
    changed = [name for name in now if name != "steps" and before.get(name) != now[name]]
    if changed:
        raise UserError(
            f"{output} holds a run with other settings: "
            + ", ".join(f"{name} was {before.get(name)!r}, now {now[name]!r}" for name in changed)
            + ". Give another --output, or the settings of before."
        )


def _load_weights(network, run):
    step, checkpoint = runs.latest_checkpoint(run)
    if checkpoint is None:
        raise UserError(f"--init_from: {run} has no checkpoint")
    try:
        with warnings.catch_warnings(action="ignore"):  # one for each layer, before the error
            network.load_weights(checkpoint / runs.NETWORK)
    except ValueError as error:
        raise UserError(f"--init_from: {run} trained a network of another shape") from error
    print(f"starting from the network of {run}, step {step}")


def _start_record(settings, output, loss, style_targets, batches):
    """run.json of a new start; what was calibrated at the first one stays."""
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output: cannot make {output}: {error.strerror}") from error
    if (Path(output) / "run.json").exists():
        calibrated = runs.read_record(output)["calibrated"]
    else:
        style_weight = settings.style_weight
        if style_weight is None:
            photos = keras.ops.concatenate(
                [batches.batch(step) for step in range(CALIBRATION_BATCHES)]
            )
            style_weight = calibrated_style_weight(
                loss, style_targets, photos, settings.content_weight, settings.style_balance
            )
            print(f"style weight calibrated to {style_weight:.4g}")
        calibrated = {"style_weight": style_weight}
    record = {
        "kind": "style",
        "settings": dataclasses.asdict(settings),
        "calibrated": calibrated,
        "environment": environment(),
    }
    runs.write_record(output, record)
    return record


# --- Flags ---


def define_flags():
    """The program's flags; their names are the fields of `StyleSettings`."""
    flags.DEFINE_string("style_image", None, "The painting: an image file.", required=True)
    flags.DEFINE_string(
        "content",
        None,
        "Photos to train on: a directory, a glob, or tfds:NAME[:SPLIT], NAME a TensorFlow Datasets "
        "name or the directory of a prepared dataset with an 'image' feature.",
        required=True,
    )
    flags.DEFINE_string(
        "output", None, "The run's directory, for instance runs/NAME.", required=True
    )
    flags.DEFINE_integer("steps", 8000, "Training steps.", lower_bound=1)
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
    flags.DEFINE_float("learning_rate", 1e-3, "Adam's at the start; a cosine takes it down.", 0)
    flags.DEFINE_integer("seed", 0, "Of the initial weights and of the crops.", lower_bound=0)
    flags.DEFINE_enum(
        "dtype_policy",
        None,
        ["float32", "mixed_bfloat16"],
        "Arithmetic; mixed_bfloat16 where the hardware has it if not given.",
    )
    loss_network_flags.define(has_pooling=False)
    flags.DEFINE_enum("network", "quarter", list(NETWORKS), "Architecture to train.")
    flags.DEFINE_float("width", 1.0, "Factor on the network's filters.", lower_bound=0.05)
    flags.DEFINE_string(
        "init_from",
        None,
        "Directory of another painting's run, of the same network: start from its weights, which "
        "saves most of the way.",
    )
    flags.DEFINE_list("preview_images", [], "Photos to show on the way; content photos if empty.")
    flags.DEFINE_integer(
        "checkpoint_interval", 200, "Steps between checkpoints, log rows and previews.", 1
    )


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    fields = [field.name for field in dataclasses.fields(StyleSettings)]
    settings = StyleSettings(**{name: values[name] for name in fields})
    if settings.dtype_policy is None:
        settings = dataclasses.replace(settings, dtype_policy=default_dtype_policy())
    train(settings, values["output"], values["checkpoint_interval"], values["preview_images"])


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "trainers.style", only_flags=True)


if __name__ == "__main__":
    cli()
