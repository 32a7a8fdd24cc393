"""What the training programs share: a run that goes on where it stopped, and Keras' `fit`.

Settings are a dataclass with at least `steps`, `seed`, `init_from` and `dtype_policy`.
"""

import dataclasses
from pathlib import Path

import keras
from absl import logging

from trainers import checkpoints
from trainers.callbacks import Progress, StopOnNaN
from trainers.hardware import default_dtype_policy, environment
from zoo import catalog, runs, saved_network
from zoo.errors import UserError

FINAL_LEARNING_RATE = 0.02  # of the first; the schedule is a cosine


def settings_from(kind, values):
    """Settings of a dataclass, `kind`, from flag values, a dict; without dtype policy the best."""
    settings = kind(**{field.name: values[field.name] for field in dataclasses.fields(kind)})
    if settings.dtype_policy is None:
        settings = dataclasses.replace(settings, dtype_policy=default_dtype_policy())
    return settings


def begin(settings, output):
    """Set seed and dtype policy for a run, new or not, and find out how far it is.

    Returns:
        The step that it goes on after: 0 for a new one, `settings.steps` or more for a finished
        one, which is said.

    Raises:
        UserError: the directory holds a run with other settings.
    """
    keras.utils.set_random_seed(settings.seed)
    keras.config.set_dtype_policy(settings.dtype_policy)
    _check_settings_unchanged(settings, output)
    first_step, _ = runs.latest_checkpoint(output)
    if first_step >= settings.steps:
        print(f"{output}: all {settings.steps} steps are done already")
    return first_step


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


def start_record(kind, settings, output, calibrate):
    """Write run.json; what a run's first start calibrated and came from stays.

    Args:
        kind: of the network, for instance "style".
        settings: the run's.
        output: its directory; made if missing.
        calibrate: gives a dict, when the run is new.

    Returns:
        The record, see `zoo.runs`.

    Raises:
        UserError: the directory cannot be made.
    """
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output: cannot make {output}: {error.strerror}") from error
    if (Path(output) / "run.json").exists():
        before = runs.read_record(output)
        first = {name: before[name] for name in ("calibrated", "origin") if name in before}
    else:
        first = {"calibrated": calibrate(), "origin": stages_of_model(settings.init_from)}
    record = {
        "kind": kind,
        "settings": dataclasses.asdict(settings),
        **first,
        "environment": environment(),
    }
    runs.write_record(output, record)
    return record


def stages_of_model(origin):
    """How the model that --init_from names was trained; runs tell of themselves."""
    if not origin or (Path(origin) / "run.json").exists():
        return []
    try:
        return catalog.find(origin).description.get("training", [])
    except UserError:  # `load_weights` tells of it
        return []


def load_weights(network, origin, convert=None):
    """Start from the weights of another network, what --init_from does.

    Args:
        network: gets the weights.
        origin: the directory of a run, of which the last checkpoint counts, or a model: a name of
            the catalogue or a SavedModel's directory.
        convert: None, or what makes a network of `network`'s shape from the other.

    Raises:
        UserError: there is no such run or model, or its network has another shape.
    """
    step, checkpoint = runs.latest_checkpoint(origin)
    if checkpoint is not None:
        other = keras.saving.load_model(checkpoint / runs.NETWORK, compile=False)
        told = f"{origin}, step {step}"
    elif (Path(origin) / "run.json").exists():
        raise UserError(f"--init_from: {origin} has no checkpoint")
    else:
        try:
            model = catalog.find(origin)
        except UserError as error:
            raise UserError(
                f"--init_from: {origin} is no run with a checkpoint, and {error}"
            ) from None
        other = saved_network.load(model.path)
        told = f"{model.name}, version {model.version}"
    try:
        network.set_weights((convert(other) if convert else other).get_weights())
    except ValueError as error:
        raise UserError(f"--init_from: {origin} trained a network of another shape") from error
    print(f"starting from the network of {told}")


def fit(trainer, batches, report, learning_rate, checkpoint_interval, ema_momentum=0.0):
    """Train to the end, from the last checkpoint if there is one.

    Args:
        trainer: a `keras.Model` with attributes `network` and `critic`, what it trains against,
            or None.
        batches: a `trainers.content.RandomCrops` that starts after the last checkpoint.
        report: the run's `trainers.callbacks.Report`.
        learning_rate: Adam's first; a cosine takes it down to `FINAL_LEARNING_RATE` of it.
        checkpoint_interval: steps.
        ema_momentum: 0, or checkpoints and previews have an exponential moving average of the
            weights, of which each step leaves this share.

    Raises:
        UserError: the loss was not finite, or photos could not be read.
    """
    output, steps, first_step = report.run, batches.steps, batches.first_step
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate, steps, alpha=FINAL_LEARNING_RATE
    )
    averaging = {"use_ema": True, "ema_momentum": ema_momentum} if ema_momentum else {}
    trainer.compile(keras.optimizers.Adam(schedule, **averaging))
    # Or TensorFlow traces the step twice, of which the first makes the variables.
    trainer.optimizer.build(trainer.trainable_variables)
    if first_step:
        checkpoints.restore(
            runs.checkpoint_path(output, first_step),
            trainer.network,
            trainer.optimizer,
            trainer.critic,
        )
        if ema_momentum:
            _swap_averages(trainer)  # the checkpoint was written with the averages in the network
        print(f"{output}: going on after step {first_step} of {steps}")
    progress = Progress(steps, first_step, batches.batch_size)
    try:
        trainer.fit(
            batches,
            epochs=-(-(steps - first_step) // checkpoint_interval),
            steps_per_epoch=checkpoint_interval,
            shuffle=False,  # the batches know their order
            verbose=0,
            callbacks=[
                StopOnNaN(first_step),
                progress,
                *([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if ema_momentum else []),
                report,
            ],
        )
    except Exception:
        if batches.error:
            raise batches.error from None
        raise
    finally:
        progress.on_train_end()  # Keras does not call it after an error
    if batches.photos.unreadable:
        logging.warning("%d content images were skipped", len(batches.photos.unreadable))
    print(f"{output}: {steps} steps done; python -m zoo.export --run={output} ...")


def _swap_averages(trainer):
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(trainer)
    swap.on_test_begin()
