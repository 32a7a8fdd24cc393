"""Images a second of training: a step of the reference and of the default, and of the photos alone.

    python -m benchmarks.throughput --style_image=PAINTING --content=PHOTOS --output=DIR

The flags are those of trainers.style; nothing is written to --output. johnson2016 in float32 and
`--network` in `--dtype_policy` take turns in short blocks; each figure is of the fastest.
"""

import dataclasses
import time

import keras
import numpy as np
from absl import flags

from benchmarks.optimization import machine
from trainers import style
from trainers.content import Photos, RandomCrops
from trainers.sources import open_source
from trainers.timing import alternating_seconds
from zoo import program

PHOTOS = 64


def training_step(settings):
    """A function of a batch of photos: one step of training, as `trainers.style` takes it."""
    keras.config.set_dtype_policy(settings.dtype_policy)
    network = style.untrained_network(settings)
    trainer = style.perceptual_trainer(settings, network, *style.objective(settings), [1.0])
    trainer.compile(keras.optimizers.Adam(settings.learning_rate))
    return lambda batch: trainer.train_on_batch((batch, np.zeros(len(batch), np.int32)))


def photos_a_second(settings, count=PHOTOS):
    """Of the crops alone: when each photo is decoded, and when all are in memory; two floats."""
    photos = Photos(open_source(settings.content), round(style.PHOTO_MARGIN * settings.image_size))
    batches = RandomCrops(photos, 1, settings.image_size, count, settings.seed)
    rates = []
    for _ in ("decoded", "in memory"):
        start = time.perf_counter()
        for step in range(count):
            batches.batch(step)
        rates.append(count / (time.perf_counter() - start))
    return rates


def define_flags():
    """The program's flags."""
    style.define_flags()


def main(argv):
    """Run the program; see the module's docstring."""
    settings = style.settings_from(flags.FLAGS.flag_values_dict())
    reference = dataclasses.replace(settings, network="johnson2016", dtype_policy="float32")
    rows = {f"{s.network}, {s.dtype_policy}": training_step(s) for s in (reference, settings)}
    photos = Photos(open_source(settings.content), round(style.PHOTO_MARGIN * settings.image_size))
    batch = RandomCrops(photos, settings.batch_size, settings.image_size, 1, settings.seed).batch(0)
    blocks = alternating_seconds(rows, batch, calls=2)
    rates = {name: settings.batch_size / min(seconds) for name, seconds in blocks.items()}
    decoded, in_memory = photos_a_second(settings)
    slowest = next(iter(rates.values()))

    print(f"{settings.image_size} px, batches of {settings.batch_size}; {machine()}\n")
    print("| | images a second | times the first |\n| --- | --- | --- |")
    for name, rate in rates.items():
        print(f"| a step of {name} | {rate:.2f} | {rate / slowest:.1f} |")
    print(f"| photos, decoded | {decoded:.1f} | {decoded / slowest:.1f} |")
    print(f"| photos, in memory | {in_memory:.1f} | {in_memory / slowest:.1f} |")


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.throughput", only_flags=True)
