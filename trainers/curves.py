"""A figure of losses over iterations, beside the loss of a network. Needs the extra `evaluate`."""

import io
import math
import os
from pathlib import Path

from zoo.errors import UserError

_INCHES, _DPI = (6.4, 4.0), 100


def check_matplotlib():
    """Refuse before the work where there is no Matplotlib (UserError)."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError(
            "the figure needs Matplotlib: pip install matplotlib, or '.[evaluate]'"
        ) from None


def draw(curves, network_loss, title, path):
    """Write a figure; it is never partial under its name.

    Args:
        curves: {label: losses after 0, 1, 2, ... iterations}.
        network_loss: a level line.
        title: above the figure.
        path: of a PNG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(_INCHES, _DPI, layout="constrained")
    axes = figure.add_subplot()
    for label, losses in curves.items():
        (line,) = axes.plot(losses, label=f"L-BFGS from {label}")
        crossing = next((n for n, loss in enumerate(losses) if loss <= network_loss), math.inf)
        if crossing < math.inf:
            axes.plot(crossing, losses[crossing], "o", color=line.get_color())
            axes.annotate(
                f"{crossing}", (crossing, losses[crossing]), (3, 5), textcoords="offset points"
            )
    axes.axhline(network_loss, color="black", linestyle="--", label="one pass of the network")
    axes.set(xlabel="iterations", ylabel="objective", yscale="log", title=title)
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(data.getvalue())
    os.replace(partial, path)
