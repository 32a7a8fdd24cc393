"""Networks trained alike on one painting: what each costs, and what it reaches.

    python -m benchmarks.architectures --style_image=PAINTING --content=PHOTOS --output=DIR \
        --held_out=OTHER_PHOTOS --networks=johnson2016,quarter --steps=1000

The flags are those of trainers.style. Each network's run is DIR/NAME; what is finished is not
repeated, and what was stopped goes on. Held-out terms are of float32 exports; times are of exports
in `--export_dtype_policy`, beside the public PyTorch example in float32 if PyTorch is installed
(extra `bench`). Each time is of the fastest of several blocks that take turns: other work on the
machine slows down PyTorch more than TensorFlow.
"""

import contextlib
import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
from absl import flags

from benchmarks import held_out
from benchmarks.operations import gigaflops
from benchmarks.optimization import machine
from trainers import style
from trainers.timing import alternating_seconds
from zoo import program, runs
from zoo.architectures import NETWORKS
from zoo.artefacts import border_error, grid_energy
from zoo.errors import UserError
from zoo.export import export
from zoo.images import Picture
from zoo.saved_model import SavedModel

REFERENCE = "PyTorch's example, float32"
SIDES = (256, 512, 1024)
RATIO_SIDE = 512
STRIDES = (2, 4, 8)


def trained(settings, output, networks, checkpoint_interval=200):
    """Train each network; {name: its run's directory}."""
    directories = {name: Path(output) / name for name in networks}
    for name, directory in directories.items():
        run = dataclasses.replace(settings, network=name)
        style.train(run, directory, checkpoint_interval)
        keras.utils.clear_session()
    keras.config.set_dtype_policy("float32")  # what comes after measures
    return directories


def exported(run, dtype_policy):
    """A run's network as a `SavedModel`; one for each number of steps is kept beside the run."""
    step, _ = runs.latest_checkpoint(run)
    directory = Path(run) / "exported"
    path = directory / dtype_policy.replace("_", "-") / str(step)
    if not path.exists():
        path = export(run, path.parent.name, step, directory, dtype_policy)
    return SavedModel(path)


@contextlib.contextmanager
def reference():
    """PyTorch's public network as a function of a `Picture`'s size; None without PyTorch."""
    if importlib.util.find_spec("torch") is None:
        yield None
        return
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fast_neural_style"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Its threads sleep where there is nothing to do, which is faster beside other work.
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
    ) as process:

        def transform(picture):
            process.stdin.write(f"{picture.rgb.shape[0]}\n")
            process.stdin.flush()
            if not process.stdout.readline():
                raise UserError("PyTorch's network stopped: see above")

        yield transform


def milliseconds(models):
    """Of the fastest block for a square image of each of `SIDES`; {side: {name: float}}."""
    rng = np.random.default_rng(0)
    result = {}
    for side in SIDES:
        picture = Picture(rng.uniform(size=(side, side, 3)).astype("float32"))
        blocks = alternating_seconds(models, picture)
        result[side] = {name: 1000 * min(seconds) for name, seconds in blocks.items()}
    return result


def artefacts(model, photos):
    """Grid energy, the median over photos, and border error over the error inside; as floats."""

    def transform(image):
        return model(Picture(image)).rgb

    energies = [
        max(grid_energy(transform(photo.rgb), stride) for stride in STRIDES) for photo in photos
    ]
    outer, inner = np.mean([border_error(transform, photo.rgb) for photo in photos[:4]], axis=0)
    least = 1e-6  # for a model of no global statistics, whose inside has no error
    return float(np.median(energies)), float((outer + least) / (inner + least))


def define_flags():
    """The program's flags."""
    style.define_flags()
    flags.DEFINE_list("networks", list(NETWORKS), "Networks to compare; instead of --network.")
    flags.DEFINE_string("held_out", None, "Photos: a directory or a glob.", required=True)
    flags.DEFINE_integer("held_out_size", 512, "Short side of these in pixels.", lower_bound=192)
    flags.DEFINE_enum(
        "export_dtype_policy",
        "mixed_bfloat16",
        ["float32", "mixed_bfloat16"],
        "Arithmetic of the exports whose time is taken.",
    )


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    if unknown := set(values["networks"]) - set(NETWORKS):
        raise UserError(f"--networks: no network {', '.join(unknown)}; {', '.join(NETWORKS)}")
    settings = style.settings_from(values)
    directories = trained(
        settings, values["output"], values["networks"], values["checkpoint_interval"]
    )
    first = directories[values["networks"][0]]
    terms_of, _, photos = held_out.objective_of(first, values["held_out_size"], values["held_out"])
    policy = values["export_dtype_policy"]
    timed = {name: exported(run, policy) for name, run in directories.items()}
    with reference() as torch_network:
        durations = milliseconds(timed | ({REFERENCE: torch_network} if torch_network else {}))

    print(f"{settings.steps} steps of {settings.batch_size}; {policy}; {machine()}\n")
    print(
        "| network | parameters | GFLOPs | "
        + " | ".join(f"ms at {side}" for side in SIDES)
        + f" | times faster at {RATIO_SIDE} | content | style | tv | total | grid | border |"
    )
    print("| --- " * (9 + len(SIDES) + 1) + "|")
    for name in [*([REFERENCE] if torch_network else []), *timed]:
        cells = " | ".join(f"{durations[side][name]:.1f}" for side in SIDES)
        if name == REFERENCE:
            print(f"| {name} | | | {cells} |" + " |" * 7)
            continue
        at = durations[RATIO_SIDE]
        ratio = f"{at[REFERENCE] / at[name]:.1f}" if torch_network else ""
        _, checkpoint = runs.latest_checkpoint(directories[name])
        network = keras.saving.load_model(checkpoint / runs.NETWORK, compile=False)
        model = exported(directories[name], "float32")
        terms = " | ".join(f"{value:.4g}" for value in terms_of(model).values())
        grid, border = artefacts(model, photos)
        operations = gigaflops(network, 512, 512)
        print(
            f"| {name} | {network.count_params() / 1e6:.2f} M | {operations:.1f} | {cells} "
            f"| {ratio} | {terms} | {grid:.1f} | {border:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.architectures", only_flags=True)
