"""Windows of training crops that start at another pixel in each step."""

from keras import ops

GRID = 8  # pixels: of the loss network's third pooling


def shifted_windows(images, step):
    """What images [N, H, W, C] show less `GRID` pixels of each side, from a place that moves.

    The loss network's pooling has a grid, and a network learns to draw where that lets it off.
    With windows there is none for long: all `GRID` x `GRID` places come in turn.

    Args:
        images: of known shape.
        step: integer scalar.
    """
    step = ops.cast(step, "int32")
    batch, height, width, channels = images.shape
    start = [0, 5 * step % GRID, (3 * step + step // GRID) % GRID, 0]
    return ops.slice(images, start, (batch, height - GRID, width - GRID, channels))
