"""How much a stylised video flickers, by strengths of zoo.apply's --steady.

    python -m benchmarks.flicker --model=starry-night

The video: scikit-image's coffee as a camera on a tripod sees it, noise of 0.02 in each frame anew,
and a part of its rocket that moves across.
"""

import numpy as np
from absl import flags

from zoo import catalog, program
from zoo.any_size import Transformation, whole
from zoo.images import Picture
from zoo.sample_photo import sample_photo
from zoo.steady import Steadied, flicker, stillness

STRENGTHS = (0.0, 0.5, 0.8)
_SPEED, _SIDE = 8, 64  # pixels


def noisy_video(frames):
    """float32 [frames, 192, 256, 3] in [0, 1]."""
    scene = sample_photo("coffee")[100:292, 200:456]
    rocket = sample_photo("rocket")[100 : 100 + _SIDE, 250 : 250 + _SIDE]
    noise = np.random.default_rng(0).normal(0, 0.02, (frames, *scene.shape))
    video = np.repeat(scene[None], frames, axis=0)
    for i, frame in enumerate(video):
        left = _SPEED * i % (scene.shape[1] - _SIDE)
        frame[64 : 64 + _SIDE, left : left + _SIDE] = rocket
    return (video + noise).clip(0, 1).astype(np.float32)


def measure(transform, video, plain=None):
    """(flicker in levels of 255, mean difference from `plain` where something moves, results)."""
    outputs = [whole(transform(Picture(frame))).rgb for frame in video]
    if plain is None:
        return flicker(outputs, video), 0.0, outputs
    moved = [
        np.abs(outputs[i] - plain[i]).mean(axis=-1)[stillness(video[i], video[i - 1]) < 0.1]
        for i in range(1, len(video))
    ]
    return flicker(outputs, video), 255 * float(np.concatenate(moved).mean()), outputs


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("model", None, "A name of the catalogue.", required=True)
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")
    flags.DEFINE_integer("frames", 12, "Of the video.", lower_bound=2)


def main(argv):
    """Run the program; see the module's docstring."""
    from zoo.saved_model import SavedModel

    path = catalog.find(flags.FLAGS.model, flags.FLAGS.saved_models).path
    transform, video = Transformation(SavedModel(path)), noisy_video(flags.FLAGS.frames)
    plain = None
    print("| --steady | flicker of still parts | difference of moving parts |\n| --- | --- | --- |")
    for strength in STRENGTHS:
        levels, difference, outputs = measure(Steadied(transform, strength), video, plain)
        plain = outputs if plain is None else plain
        print(f"| {strength:g} | {levels:.2f} | {difference:.2f} |", flush=True)


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "benchmarks.flicker", only_flags=True)


if __name__ == "__main__":
    cli()
