"""What bfloat16 gains and costs when an image is optimised: time, and the loss that is reached.

    python -m benchmarks.precision --content=PHOTO --style=PAINTING

The gatys2016 preset from one noise image in float32 and in mixed_bfloat16, with one style weight.
An evaluation is of the loss and its gradient: short blocks of them in turn, once both are compiled,
so that other work on the machine slows down both alike. The descents follow one after the other.
"""

import dataclasses
import statistics
import time

from absl import flags

from benchmarks import optimization
from trainers import descent, loss_network_flags
from trainers.objective import objective, perceptual_criterion
from trainers.pictures import read_pictures
from trainers.preparation import check, loss_network
from trainers.timing import alternating_seconds
from zoo import program

POLICIES = ("float32", "mixed_bfloat16")


def compare(settings):
    """Optimise under each policy.

    Args:
        settings: a `trainers.presets.Settings`, at least 2 iterations of float32.

    Returns:
        For each of `POLICIES` a dict: "blocks", see `trainers.timing`; "seconds" of the
        descent; "iteration", the same for each after the first; "iterations"; "evaluations";
        "loss", that of the result in float32; and "image".

    Raises:
        UserError: a picture cannot be used, memory will not do, or the loss is not finite.
    """
    pictures = read_pictures(settings)
    runs = {policy: dataclasses.replace(settings, dtype_policy=policy) for policy in POLICIES}
    networks = {policy: loss_network(run) for policy, run in runs.items()}
    check(settings, pictures, networks["float32"])
    size = pictures.size(settings.size)

    def evaluator(run):
        criterion = perceptual_criterion(run, networks[run.dtype_policy])
        return objective(run, criterion, pictures, size)

    weights, exact = evaluator(runs["float32"])
    runs = {
        policy: dataclasses.replace(run, style_weight=weights["style"])
        for policy, run in runs.items()
    }
    evaluators = {"float32": exact, "mixed_bfloat16": evaluator(runs["mixed_bfloat16"])[1]}
    blocks = alternating_seconds(evaluators, descent.first_image(settings, pictures, size))
    results = {}
    for policy, run in runs.items():
        steps, times = [], [time.perf_counter()]

        def observe(step, steps=steps, times=times):
            steps.append(step)
            times.append(time.perf_counter())

        image = optimization.descend(run, pictures, networks[policy], observe)
        results[policy] = {
            "blocks": blocks[policy],
            "seconds": times[-1] - times[0],
            "iteration": (times[-1] - times[1]) / (len(steps) - 1),
            "iterations": len(steps),
            "evaluations": steps[-1].evaluations,
            "loss": exact(image)[0]["loss"],
            "image": image,
        }
    return results


def table(results):
    """Markdown of what `compare` gave."""
    lines = [
        "| | s an evaluation | s an iteration | s in all | iterations | evaluations "
        "| final loss, in float32 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for policy, row in results.items():
        lines.append(
            f"| {policy} | {statistics.median(row['blocks']):.3f} | {row['iteration']:.3f} | "
            f"{row['seconds']:.0f} | {row['iterations']} | {row['evaluations']} | "
            f"{row['loss']:.5g} |"
        )
    exact, fast = (results[policy] for policy in POLICIES)
    # Of neighbours in time, for the machine's other work comes and goes.
    ratio = statistics.median(f / e for e, f in zip(exact["blocks"], fast["blocks"], strict=True))
    lines.append(
        f"| bfloat16 / float32 | {ratio:.3f} | {fast['iteration'] / exact['iteration']:.3f} | "
        f"{fast['seconds'] / exact['seconds']:.3f} | | | "
        f"{100 * (fast['loss'] / exact['loss'] - 1):+.2f} % |"
    )
    return "\n".join(lines)


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("content", None, "The photo.", required=True)
    flags.DEFINE_string("style", None, "The painting.", required=True)
    flags.DEFINE_integer("size", 512, "Long side of the image in pixels.", lower_bound=1)
    flags.DEFINE_integer("iterations", 300, "Of L-BFGS.", lower_bound=2)
    loss_network_flags.define("vgg19", pooling="average")


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    settings = optimization.preset_settings("gatys2016", values, style=(values["style"],))
    results = compare(settings)
    height, width, _ = results["float32"]["image"].shape
    print(f"{width} x {height} pixels on {optimization.machine()}\n\n{table(results)}")


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.precision", only_flags=True)
