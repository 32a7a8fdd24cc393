"""Panels of a figure: optimised images that differ in a setting, each kept as it is finished."""

import dataclasses
import itertools
import json
from pathlib import Path

from trainers import descent
from trainers.presets import Settings
from trainers.progress import Progress
from zoo import images


@dataclasses.dataclass(frozen=True)
class Panel:
    """A run of `trainers.descent.descend` and what it is called, on the sheet and as a file."""

    label: str
    settings: Settings


def draw(panels, pictures, loss_network, folder):
    """Yield a `zoo.images.Picture` for each panel, with progress over all of them.

    A panel leaves NN-LABEL.png and its settings, NN-LABEL.json, in the folder. One that is there
    with equal settings is not made again.

    Args:
        panels: `Panel`s, of the same pictures and loss network.
        pictures: a `trainers.pictures.Pictures`.
        loss_network: a `zoo.vgg.LossNetwork`.
        folder: path of the folder; made if it is missing.

    Raises:
        UserError: as `descend`, or a file cannot be read or written.
    """
    files = [
        Path(folder) / f"{number:02d}-{panel.label.replace(' ', '-')}.png"
        for number, panel in enumerate(panels, start=1)
    ]
    plans = [
        [] if _is_kept(file, panel) else descent.plan(panel.settings, pictures, loss_network)
        for file, panel in zip(files, panels, strict=True)
    ]
    progress = Progress(list(itertools.chain(*plans))) if any(plans) else None
    before = 0  # scales of the panels that are done

    def observe(step):
        progress(dataclasses.replace(step, scale=before + step.scale))

    try:
        for file, panel, scales in zip(files, panels, plans, strict=True):
            if scales:
                image = descent.descend(panel.settings, pictures, loss_network, observe)
                _keep(file, panel, pictures.finished(image, panel.settings.preserve_color))
                before += len(scales)
            yield images.read(file)
    finally:
        if progress:
            progress.close()


def _record(panel):
    return json.dumps(dataclasses.asdict(panel.settings), indent=1) + "\n"


def _is_kept(file, panel):
    record = file.with_suffix(".json")
    return file.exists() and record.exists() and record.read_text() == _record(panel)


def _keep(file, panel, picture):
    record = file.with_suffix(".json")
    record.unlink(missing_ok=True)  # the picture does not count until it is there again
    images.write(picture, file)
    record.write_text(_record(panel))
