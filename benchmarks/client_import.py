"""How long importing the client takes, beside TensorFlow's own stubs.

    python -m benchmarks.client_import

Each import runs in a process of its own, in turns; the figures are the smallest ones. An empty
process is what Python itself takes. Seconds of the processor hardly grow when the machine is busy.
"""

import resource
import subprocess
import sys
import time

from absl import flags

from benchmarks.optimization import machine
from zoo import program

IMPORTS = {
    "nothing": "pass",
    "numpy": "import numpy",
    "grpc": "import grpc",
    "serving.client": "import serving.client",
    "tensorflow_serving.apis": (
        "from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc"
    ),
}
# Of /proc, since getrusage tells that of the process before it became this one.
_MEMORY = "\nprint(*[line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line])"


def measure(code):
    """Seconds, those of the processor, and peak memory in bytes of a Python that runs `code`."""
    start, before = time.perf_counter(), _processor_seconds()
    ended = subprocess.run(
        [sys.executable, "-c", code + _MEMORY], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    return seconds, _processor_seconds() - before, int(ended.stdout) * 1024


def _processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def define_flags():
    """The program's flags."""
    flags.DEFINE_integer("repeats", 5, "Processes for each import.", 1)


def main(argv):
    """Run the program; see the module's docstring."""
    measured = {name: [] for name in IMPORTS}
    for _ in range(flags.FLAGS.repeats):
        for name, code in IMPORTS.items():
            measured[name].append(measure(code))
    print(f"{machine()}\n\n| import | seconds | of the processor | MB of memory |")
    print("| --- | --- | --- | --- |")
    for name, figures in measured.items():
        seconds, processor, memory = map(min, zip(*figures, strict=True))
        print(f"| {name} | {seconds:.2f} | {processor:.2f} | {memory / 1e6:.0f} |")


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.client_import", only_flags=True)
