"""A progress bar over scales of different sizes."""

import math
import sys

from tqdm import tqdm


class Progress:
    """Iterations of all scales, each counting by its pixels, with the terms; call it with `Step`s.

    Args:
        scales: `trainers.descent.Scale`s.
        start: (scale, iteration, image) that the run goes on after, or None.
    """

    def __init__(self, scales, start=None):
        self._scales = scales
        self._work = [math.prod(scale.size) * scale.iterations for scale in scales]
        scale, iteration, _ = start or (0, 0, None)
        self._bar = tqdm(
            total=sum(self._work),
            initial=self._done(scale, iteration),
            bar_format="{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
            dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 30,
        )

    def __call__(self, step):
        height, width = self._scales[step.scale].size
        terms = ", ".join(f"{name} {value:.4g}" for name, value in step.terms.items())
        self._bar.set_postfix_str(
            f"{width}x{height} {step.iteration}/{self._scales[step.scale].iterations}, {terms}",
            refresh=False,
        )
        self._bar.update(self._done(step.scale, step.iteration) - self._bar.n)

    def close(self):
        """Leave the bar as it is."""
        self._bar.close()

    def _done(self, scale, iteration):
        return sum(self._work[:scale]) + math.prod(self._scales[scale].size) * iteration
