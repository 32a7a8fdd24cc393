"""How much memory a call takes at most, by the size of its image; for a server's memory limit.

    python -m benchmarks.call_memory --model=starry-night --sides=1024,2048,4096

Each size has a process of its own, which loads the model, makes a square PNG of noise and calls
signature `encoded` with it.
"""

import multiprocessing
import re
from pathlib import Path

from absl import flags

from zoo import catalog, program
from zoo.quiet import import_tensorflow

_GIB = 2**20  # in the system's kilobytes


def peaks(path, side):
    """Peak memory of a process in GiB before and after its call with a square image.

    Args:
        path: directory of a SavedModel, as string.
        side: of the image in pixels.
    """
    # Spawned: what another process held, or had loaded, does not count.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_call, (path, side))


def _call(path, side):
    tf = import_tensorflow()
    model = tf.saved_model.load(path)
    noise = tf.cast(tf.random.uniform([side, side, 3], 0, 256, tf.int32), tf.uint8)
    file = tf.io.encode_png(noise)
    del noise
    before = _peak()
    model.signatures["encoded"](image_bytes=file[None])
    return before, _peak()


def _peak():
    # Not getrusage, which begins with the peak of the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / _GIB


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("model", None, "A model's name or directory.", required=True)
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")
    flags.DEFINE_list("sides", ["1024", "2048", "4096"], "Sides of the images in pixels.")


def main(argv):
    """Run the program; see the module's docstring."""
    model = catalog.find(flags.FLAGS.model, flags.FLAGS.saved_models)
    print("| image | GiB for the call | GiB of the process |\n| --- | --- | --- |")
    for side in map(int, flags.FLAGS.sides):
        before, after = peaks(str(model.path), side)
        print(f"| {side}x{side} | {after - before:.2f} | {after:.2f} |", flush=True)


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "benchmarks.call_memory", only_flags=True)


if __name__ == "__main__":
    cli()
