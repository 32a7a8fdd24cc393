"""TFLite files beside TensorFlow on the SavedModel, and beside johnson2016: size, time, memory.

    python -m zoo.tflite --model=NAME --variants=float32,float16,dynamic,int8 --sizes=384 \
        --calibration=PHOTOS --output=DIR
    python -m benchmarks.litert --model=NAME --files=DIR

All in one run, in blocks that take turns; each time is of the fastest block. Every file of known
size in DIR is measured at its size, beside a float32 file of the johnson2016 network, whose weights
do not matter, and the SavedModel. Peak memory is of a process of its own that runs the file once.
"""

import dataclasses
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks.optimization import machine
from trainers.timing import alternating_seconds
from zoo import catalog, program
from zoo.errors import UserError
from zoo.quiet import import_tensorflow
from zoo.tflite.runtime import LiteRTModel

BASELINE = "johnson2016-float32"
THREADS = (1, 2)
_ONCE = (
    "import re, sys; from pathlib import Path; import numpy as np;"
    "from zoo.tflite.runtime import LiteRTModel; model = LiteRTModel(sys.argv[1], 2);"
    "weights = [1] + [0] * (model.styles - 1) if model.styles else None;"
    "model.transform(np.zeros((*model.size, 3), np.float32), weights);"
    "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
)


@dataclasses.dataclass(frozen=True)
class Measured:
    """A file's figures: bytes, seconds to load, {threads: milliseconds}, peak memory in MB."""

    bytes: int
    load: float
    milliseconds: dict
    peak: float


def measured(files, savedmodel, size, blocks=8, calls=2):
    """Measure files of one size beside a SavedModel.

    Args:
        files: {name: path}.
        savedmodel: function of an image [1, H, W, 3].
        size: (height, width).
        blocks: of calls, that take turns.
        calls: in a block.

    Returns:
        ({name: `Measured`}, milliseconds of the SavedModel).
    """
    loads, functions = {}, {"TensorFlow": savedmodel}
    for name, path in files.items():
        for threads in THREADS:
            start = time.perf_counter()
            model = LiteRTModel(path, threads)
            loads[name] = time.perf_counter() - start
            functions[name, threads] = _function(model)
    image = np.random.default_rng(0).uniform(size=(*size, 3)).astype(np.float32)
    seconds = alternating_seconds(functions, image, blocks, calls)
    fastest = {name: 1000 * min(times) for name, times in seconds.items()}
    figures = {
        name: Measured(
            Path(path).stat().st_size,
            loads[name],
            {threads: fastest[name, threads] for threads in THREADS},
            peak_memory(path),
        )
        for name, path in files.items()
    }
    return figures, fastest["TensorFlow"]


def _function(model):
    weights = np.eye(model.styles)[0] if model.styles else None
    return lambda image: model.transform(image, weights)


def peak_memory(path):
    """MB that a process needs at most to load a file and run it once, Python included."""
    command = [sys.executable, "-c", _ONCE, str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(answer.stdout) / 1000


def table(figures, tensorflow, size):
    """The figures as Markdown."""
    height, width = size
    slow = figures[BASELINE].milliseconds[2]
    lines = [
        f"| {width} x {height} | KB | load, ms | 1 thread, ms | 2 threads, ms | peak, MB | times |",
        "| --- " * 7 + "|",
        f"| TensorFlow, SavedModel | | | | {tensorflow:.1f} | | {slow / tensorflow:.1f} |",
    ]
    for name, file in figures.items():
        times = " | ".join(f"{file.milliseconds[threads]:.1f}" for threads in THREADS)
        lines.append(
            f"| {name} | {file.bytes / 1000:.0f} | {1000 * file.load:.0f} | {times} "
            f"| {file.peak:.0f} | {slow / file.milliseconds[2]:.1f} |"
        )
    return "\n".join(lines)


def johnson(size, directory):
    """Path of a float32 file of the untrained johnson2016 network."""
    from zoo.networks import StyleNetwork
    from zoo.tflite.convert import convert

    path = Path(directory) / f"johnson2016-{size[0]}x{size[1]}.tflite"
    path.write_bytes(convert(StyleNetwork(), size))
    return path


def sizes_of(files):
    """{(height, width): {variant: path}} of the TFLite files of known size among paths."""
    found = {}
    for path in sorted(files):
        size = LiteRTModel(path).size
        if size:
            name = re.sub(r"-[^-]*$", "", path.stem)
            found.setdefault(size, {})[name] = path
    return found


def files_of(model, directory):
    """`sizes_of` the files of a `zoo.catalog.Model` in a directory.

    Raises:
        UserError: there are none of known size.
    """
    found = sizes_of(Path(directory).glob(f"{model.name}-*.tflite"))
    if not found:
        raise UserError(f"{directory} has no TFLite files of {model.name} for one size")
    return found


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("model", None, "The model that the files are of.", required=True)
    flags.DEFINE_string("files", None, "Directory of its TFLite files.", required=True)
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    model = catalog.find(values["model"], values["saved_models"])
    found = files_of(model, values["files"])
    tf = import_tensorflow()
    loaded = tf.saved_model.load(str(model.path))
    serve = loaded.signatures["serving_default"]
    styles = len(model.description.get("styles") or [])
    weights = {"style_weights": tf.one_hot([0], styles)} if styles else {}
    print(f"{machine()}; times faster than {BASELINE} with 2 threads")
    with tempfile.TemporaryDirectory() as directory:
        for size, files in found.items():
            figures, tensorflow = measured(
                {BASELINE: johnson(size, directory), **files},
                lambda image: serve(image=tf.constant(image[None]), **weights)["image"].numpy(),
                size,
            )
            print(f"\n{table(figures, tensorflow, size)}", flush=True)


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.litert", only_flags=True)
