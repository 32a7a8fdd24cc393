"""Whether a TFLite file makes the pictures that the SavedModel makes."""

import dataclasses

import numpy as np

# dB that every photo must reach.
LEAST_PSNR = {"float32": 60.0, "float16": 45.0, "dynamic": 32.0, "int8": 28.0}


@dataclasses.dataclass(frozen=True)
class Parity:
    """Distances of a file's pictures from the SavedModel's.

    Attributes:
        psnr: dB of each photo, of a peak of 1.
        lpips: of each photo; empty if not measured.
    """

    psnr: tuple
    lpips: tuple = ()

    @property
    def least(self):
        """Of the worst photo, in dB."""
        return min(self.psnr)


def psnr(image, reference):
    """Peak signal-to-noise ratio in dB, of a peak of 1; at most 150."""
    error = np.mean((np.asarray(image, np.float64) - reference) ** 2)
    return float(-10 * np.log10(max(error, 1e-15)))


def compare(model, references, lpips=None):
    """Measure a file.

    Args:
        model: a `zoo.tflite.runtime.LiteRTModel`.
        references: of (image [H, W, 3], style weights or None, the SavedModel's output).
        lpips: a `zoo.lpips.LPIPS`, or None.
    """
    pairs = [(model.transform(image, weights), output) for image, weights, output in references]
    distances = (
        [float(lpips(ours[None], theirs[None])[0]) for ours, theirs in pairs] if lpips else ()
    )
    return Parity(tuple(psnr(*pair) for pair in pairs), tuple(distances))
