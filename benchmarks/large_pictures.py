"""What pictures that do not fit into memory take in zoo.apply, and how tiles differ from the whole.

    python -m benchmarks.large_pictures --model=starry-night --side=8192
    python -m benchmarks.large_pictures --model=starry-night --side=2048 --compare

The picture is scikit-image's coffee, mirrored side by side up to the size. The peak is of
the program's resident memory, the interpreter and TensorFlow included.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import flags

from zoo import catalog, images, program, tiling
from zoo.any_size import Transformation, whole
from zoo.sample_photo import sample_photo


def large_picture(side):
    """float32 [side, side, 3] in [0, 1] without an edge where copies of the photo meet."""
    photo = sample_photo("coffee")
    rows = np.concatenate([photo, photo[::-1]])
    block = np.concatenate([rows, rows[:, ::-1]], axis=1)
    repeats = [-(-side // length) for length in block.shape[:2]]
    return np.tile(block, (*repeats, 1))[:side, :side]


def peak_of_program(model, saved_models, side):
    """(bytes, seconds) that zoo.apply takes for a picture of side x side pixels."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "large.jpg"
        images.write(large_picture(side), source)
        command = [sys.executable, "-m", "zoo.apply", f"--model={model}"]
        command += [f"--saved_models={saved_models}", f"--output={directory}/out.png", str(source)]
        started = time.perf_counter()
        with subprocess.Popen(command) as running:
            peak = _peak(running)
        seconds = time.perf_counter() - started
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, command)
    return peak, seconds


def _peak(process):
    """The most bytes of memory that a process had when it was last looked at before its end.

    From Linux' own count. That of a child which `resource` gives has what this process took when it
    started the child.
    """
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if line := re.search(r"VmHWM:\s+(\d+) kB", status):  # no more, once it has ended
            peak = 1024 * int(line[1])
        time.sleep(0.05)
    return peak


def compare(model, side, tile):
    """(PSNR in dB of tiled against untiled, steps across tiles' edges over steps elsewhere).

    A step is the mean absolute difference of neighbouring rows, or columns, of the tiled result;
    an edge is where two tiles begin or end to be mixed.
    """
    picture = images.Picture(large_picture(side))
    tiled = whole(Transformation(model, tile)(picture)).rgb
    untiled = whole(Transformation(model, "off")(picture)).rgb
    psnr = -10 * np.log10(np.mean(np.square(tiled - untiled)) + 1e-15)
    if model.factor > 1:
        margins = (model.receptive_field, 0, 1)
    else:
        margins = (tiling.STYLE_MARGIN, tiling.STYLE_FEATHER, tiling.STYLE_MULTIPLE)
    row = tiling.grid((side, side), tile, *margins)[0]
    edges = [edge for each in row for span in [each.columns] for edge in (span.first, span.last)]
    edges = model.factor * np.array([edge for edge in edges if 0 < edge < side])
    ratios = []
    for image, other in ((tiled, untiled), (tiled.swapaxes(0, 1), untiled.swapaxes(0, 1))):
        # Over the untiled result's own steps, which differ from place to place.
        steps, own = (np.abs(np.diff(each, axis=1)).mean((0, 2)) for each in (image, other))
        ratio = steps / own
        ratios.append(ratio[edges - 1].mean() / np.delete(ratio, edges - 1).mean())
    return psnr, max(ratios)


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("model", None, "A name of the catalogue.", required=True)
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")
    flags.DEFINE_integer("side", 8192, "Of the picture, in pixels.", lower_bound=64)
    flags.DEFINE_bool("compare", False, "Compare with the untiled result, which takes memory.")
    flags.DEFINE_integer("tile", 1024, "With --compare: the side of a tile in pixels.")


def main(argv):
    """Run the program; see the module's docstring."""
    name, side = flags.FLAGS.model, flags.FLAGS.side
    if flags.FLAGS.compare:
        from zoo.saved_model import SavedModel

        model = SavedModel(catalog.find(name, flags.FLAGS.saved_models).path)
        psnr, seams = compare(model, side, flags.FLAGS.tile)
        print(f"{name}, {side}x{side}: PSNR {psnr:.1f} dB, steps at edges {seams:.3f} of elsewhere")
    else:
        peak, seconds = peak_of_program(name, flags.FLAGS.saved_models, side)
        print(f"{name}, {side}x{side}: peak {peak / 1e9:.2f} GB, {seconds:.0f} s")


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "benchmarks.large_pictures", only_flags=True)


if __name__ == "__main__":
    cli()
