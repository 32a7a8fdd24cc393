"""What the benchmarks of optimised images share: settings, progress, the machine."""

import contextlib
import dataclasses
import os
import platform
import re
from pathlib import Path

from trainers import descent
from trainers.hardware import environment
from trainers.presets import PRESETS, Settings
from trainers.progress import Progress

_CPUINFO = Path("/proc/cpuinfo")


def preset_settings(preset, values, **given):
    """The `trainers.presets.Settings` of a preset, with flag values and what else is given.

    Args:
        preset: a name of `PRESETS`.
        values: dict of the program's flags; those that are no setting, or None, are left out.
        given: settings that are stronger than either.
    """
    names = {field.name for field in dataclasses.fields(Settings)}
    flagged = {name: values[name] for name in names & values.keys() if values[name] is not None}
    return Settings(**{**PRESETS[preset], **flagged, **given})


def descend(settings, pictures, network, observe):
    """`trainers.descent.descend` with progress."""
    scales = descent.plan(settings, pictures, network)
    with contextlib.closing(Progress(scales)) as progress:

        def told(step):
            progress(step)
            observe(step)

        return descent.descend(settings, pictures, network, told)


def machine():
    """The CPU, its cores and kinds of bfloat16 instructions, and the software, as text."""
    text = _CPUINFO.read_text() if _CPUINFO.exists() else ""
    name = re.search(r"model name\s*: (.+)", text)
    what = environment()
    return ", ".join(
        [
            name[1] if name else platform.processor() or what["machine"],
            f"{os.cpu_count()} cores",
            *sorted(set(re.findall(r"\w+_bf16", text))),
            f"Keras {what['keras']} on {what['backend']}",
        ]
    )
