"""The best preset against plain L-BFGS from noise, by the gatys2016 preset's own terms.

    python -m benchmarks.optimizers --pairs=PHOTO:PAINTING,PHOTO:PAINTING --output=DIR

"noise" is the gatys2016 preset. It may evaluate the loss and its gradient as often as the best
preset does, whose evaluations at coarse sizes count as whole ones although they cost less. The
terms of both results are those of the gatys2016 preset at the last size, in float32; the lower of
two is bold. Where the best preset has lost more content than noise, its style balance is lowered,
with a row for each, until it has not. The pictures are left in DIR.
"""

import contextlib
import dataclasses
import math
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import optimization
from trainers import descent, dtype_policy_flag, loss_network_flags
from trainers.hardware import default_dtype_policy
from trainers.objective import objective, perceptual_criterion
from trainers.pictures import read_pictures
from trainers.preparation import check, loss_network
from zoo import images, program

# Content lost grows about as this root of the balance.
ROOT = 3
MARGIN = 0.98
MOST_BALANCES = 6  # tried for a pair
PRESETS = {"noise": "gatys2016", "best": "best"}
TERMS = ("content", "style")
HEADER = (
    "| photo, painting | content: noise | best | style: noise | best "
    "| evaluations: noise | best | best as full-size ones |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclasses.dataclass(frozen=True)
class Result:
    """What a descent made and took.

    Attributes:
        image: float32 [H, W, 3] in [0, 1].
        scales: the `trainers.descent.Scale`s of its plan.
        evaluations: at each of them, up to its last iteration.
    """

    image: np.ndarray
    scales: list
    evaluations: list

    @property
    def full_size_evaluations(self):
        """How many evaluations at the last size have as many pixels."""
        pixels = [math.prod(scale.size) for scale in self.scales]
        return sum(n * p for n, p in zip(self.evaluations, pixels, strict=True)) / pixels[-1]


class _SpentError(Exception):
    """As many evaluations as were allowed are done."""


def descended(settings, pictures, network, evaluations=math.inf):
    """The `Result` of a descent that ends after the iteration that reaches so many evaluations."""
    scales = descent.plan(settings, pictures, network)
    counts = [0] * len(scales)
    image = None

    def observe(step):
        nonlocal image
        counts[step.scale], image = step.evaluations, step.image
        if sum(counts) >= evaluations:
            raise _SpentError

    with contextlib.suppress(_SpentError):
        image = optimization.descend(settings, pictures, network, observe)
    return Result(image, scales, counts)


def compare(noise, best, pictures, network):
    """The `Result`s of both {"noise", "best"}, with evaluations as many.

    Args:
        noise: a `trainers.presets.Settings`, whose number of iterations is not used.
        best: another.
        pictures: a `trainers.pictures.Pictures`.
        network: a `zoo.vgg.LossNetwork`.
    """
    second = descended(best, pictures, network)
    # Each iteration takes one evaluation or more.
    evaluations = sum(second.evaluations)
    noise = dataclasses.replace(noise, iterations=evaluations)
    return {"noise": descended(noise, pictures, network, evaluations), "best": second}


def judge(settings, pictures, network, size):
    """A function of an image of (height, width) to its unweighted terms, floats.

    The criterion is that of settings, in the network's arithmetic.
    """
    criterion = perceptual_criterion(settings, network)
    settings = dataclasses.replace(settings, style_weight=1.0)  # nobody asks for the sum
    _, evaluate = objective(settings, criterion, pictures, size)
    return lambda image: evaluate(image)[0]


def row(label, results, terms):
    """A line of the table under `HEADER`.

    Args:
        label: what the pair is called.
        results: {"noise": `Result`, "best": `Result`}.
        terms: {"noise": terms, "best": terms}.
    """
    cells = [label]
    for term in TERMS:
        values = [terms[name][term] for name in PRESETS]
        cells += [f"**{v:.4g}**" if v == min(values) else f"{v:.4g}" for v in values]
    cells += [str(sum(results[name].evaluations)) for name in PRESETS]
    cells.append(f"{results['best'].full_size_evaluations:.0f}")
    return "| " + " | ".join(cells) + " |"


def define_flags():
    """The program's flags."""
    flags.DEFINE_list("pairs", None, "PHOTO:PAINTING, or several.", required=True)
    flags.register_validator("pairs", _are_pairs, "give PHOTO:PAINTING, or several with commas")
    flags.DEFINE_string("output", None, "Directory of the pictures.", required=True)
    flags.DEFINE_integer("size", 512, "Long side of the images in pixels.", lower_bound=1)
    flags.DEFINE_integer("iterations", 300, "Of the best preset, over all sizes.", lower_bound=1)
    dtype_policy_flag.define()
    loss_network_flags.define("vgg19", pooling="average")


def _are_pairs(texts):
    return texts is None or (bool(texts) and all(text.count(":") == 1 for text in texts))


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    values["dtype_policy"] = values["dtype_policy"] or default_dtype_policy()
    pairs = [tuple(map(Path, text.split(":"))) for text in values["pairs"]]
    runs = [
        {
            name: optimization.preset_settings(
                preset, values, content=str(photo), style=(str(painting),)
            )
            for name, preset in PRESETS.items()
        }
        for photo, painting in pairs
    ]
    pictures = [read_pictures(run["best"]) for run in runs]
    network = loss_network(runs[0]["best"])
    exact = [dataclasses.replace(run["noise"], dtype_policy="float32") for run in runs]
    exact_network = loss_network(exact[0])
    for settings, its_pictures in zip(exact, pictures, strict=True):
        check(settings, its_pictures, exact_network)
    print(f"Long side {values['size']} pixels, {values['dtype_policy']}; {optimization.machine()}")
    print(f"\n{HEADER}", flush=True)
    for pair, run, settings, its_pictures in zip(pairs, runs, exact, pictures, strict=True):
        results = compare(**run, pictures=its_pictures, network=network)
        terms_of = judge(settings, its_pictures, exact_network, results["best"].image.shape[:2])
        terms = {name: terms_of(result.image) for name, result in results.items()}
        stems = [path.stem for path in pair]
        print(row(", ".join(stems), results, terms), flush=True)
        best = run["best"]
        for _ in range(MOST_BALANCES - 1):
            if terms["best"]["content"] <= terms["noise"]["content"]:
                break
            lower = MARGIN * (terms["noise"]["content"] / terms["best"]["content"]) ** ROOT
            best = dataclasses.replace(best, style_balance=lower * best.style_balance)
            results["best"] = descended(best, its_pictures, network)
            terms["best"] = terms_of(results["best"].image)
            print(row(f"the same, balance {best.style_balance:.3g}", results, terms), flush=True)
        for name, result in results.items():
            images.write(result.image, Path(values["output"], "-".join([*stems, name]) + ".png"))


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.optimizers", only_flags=True)
