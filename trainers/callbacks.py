"""What happens while a network trains. A Keras "epoch" is here one reporting interval of steps."""

import csv
import math
import os
import sys
import time
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from trainers import checkpoints
from zoo import images
from zoo.contact_sheet import contact_sheet
from zoo.errors import UserError


class Progress(keras.callbacks.Callback):
    """A bar with images a second, time left and the interval's mean losses; ends at `steps`.

    Args:
        steps: number of the last step.
        first_step: steps done before this start.
        batch_size: images a step.
    """

    def __init__(self, steps, first_step, batch_size):
        super().__init__()
        self.step = first_step
        self.steps = steps
        self.batch_size = batch_size

    def on_train_begin(self, logs=None):
        self.bar = tqdm(
            total=self.steps * self.batch_size,
            initial=self.step * self.batch_size,
            unit="img",
            dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 30,
        )

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self.bar.set_postfix(
            {"step": self.step, **{k: f"{v:.4g}" for k, v in logs.items()}}, refresh=False
        )
        self.bar.update(self.batch_size)
        if self.step >= self.steps:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.bar.close()


def _not_finite(what, step):
    return UserError(
        f"{what} at step {step}: training stopped, the last checkpoint is kept; try a smaller "
        "--learning_rate, or --dtype_policy=float32"
    )


class StopOnNaN(keras.callbacks.Callback):
    """Ends training by a `UserError` that names the step, as soon as the loss is not finite."""

    def __init__(self, first_step):
        super().__init__()
        self.step = first_step

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if not math.isfinite(logs["loss"]):
            raise _not_finite(f"the loss is {logs['loss']}", self.step)


class Report(keras.callbacks.Callback):
    """After each interval: a row in `log.csv`, TensorBoard scalars, a preview, a checkpoint.

    Args:
        run: the run's directory.
        first_step: steps done before this start; rows of steps that were lost are dropped.
        preview_images: float32 [H, W, 3] arrays in [0, 1] to show the network on, each at its size.
        originals: what its outputs should be, to show below them; none if nobody knows.
        looks: what the network is shown with, {label: its inputs beside the image, a list}.

    Raises:
        UserError: the network's outputs are not finite; nothing is saved then.
    """

    def __init__(self, run, first_step, preview_images, originals=(), looks=None):
        super().__init__()
        self.run = Path(run)
        self.step = first_step
        self.preview_images = preview_images
        self.originals = originals
        self.looks = looks or {"": []}
        self.table = LossTable(self.run / "log.csv", first_step)

    def on_train_begin(self, logs=None):
        import tensorflow as tf  # TensorBoard's writer lives there, whatever the backend

        self.summaries = tf.summary.create_file_writer(str(self.run / "tensorboard"))
        self.started = time.monotonic() - self.table.seconds

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1

    def on_epoch_end(self, epoch, logs=None):
        losses = {name: float(value) for name, value in logs.items()}
        preview = self._preview()
        self.table.append(self.step, time.monotonic() - self.started, losses)
        self._summarise(losses, preview)
        model = self.model
        checkpoints.save(self.run, self.step, model.network, model.optimizer, model.critic)

    def on_train_end(self, logs=None):
        self.summaries.close()

    def _preview(self):
        outputs = {
            f"step {self.step}{label}": [
                self._output(image, conditions) for image in self.preview_images
            ]
            for label, conditions in self.looks.items()
        }
        # The loss that StopOnNaN saw is that of the weights before this step.
        if not all(np.isfinite(output).all() for row in outputs.values() for output in row):
            raise _not_finite("the network gives NaN", self.step)
        rows = {"photo": self.preview_images, **outputs, "original": self.originals}
        labels = [label for label, row in rows.items() for _ in row]
        pictures = [picture for row in rows.values() for picture in row]
        sheet = contact_sheet(pictures, labels, columns=len(self.preview_images))
        images.write(sheet, self.run / "previews" / f"step-{self.step:08d}.png")
        return np.asarray(sheet)

    def _output(self, image, conditions):
        inputs = [image[None], *conditions] if conditions else image[None]
        return keras.ops.convert_to_numpy(self.model.network(inputs, training=False))[0]

    def _summarise(self, losses, preview):
        import tensorflow as tf

        with self.summaries.as_default(step=self.step):
            for name, value in losses.items():
                tf.summary.scalar(name, value)
            tf.summary.image("preview", preview[None])
        self.summaries.flush()


class LossTable:
    """A CSV of step, seconds of training and mean losses since the row before.

    Args:
        path: the file; rows of a start before are kept up to `last_step`.
        last_step: the step that training goes on from.
    """

    def __init__(self, path, last_step):
        self.path = path
        self.rows = []
        if path.exists():
            with path.open(newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= last_step]

    @property
    def seconds(self):
        """Training time of the rows so far."""
        return float(self.rows[-1]["seconds"]) if self.rows else 0.0

    def append(self, step, seconds, losses):
        """Add a row, and write the table whole or not at all."""
        self.rows.append({"step": step, "seconds": f"{seconds:.1f}", **losses})
        partial = self.path.with_suffix(".partial")
        with partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(partial, self.path)
