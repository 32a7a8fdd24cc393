"""Where programs that transform pictures and videos write each of them."""

import collections
import os
from pathlib import Path

from zoo import video


def destinations(inputs, output):
    """Where each picture goes.

    Args:
        inputs: paths of the pictures.
        output: a file's name if there is one input and it has a picture's suffix; else a
            directory. There, folders below the inputs' common one are kept, and names end in .png,
            those of videos in .mp4, or in .mkv if they did not come so or alike.

    Returns:
        A path for each input, all different.
    """
    output = Path(output)
    if len(inputs) == 1 and output.suffix and not output.is_dir():
        return [output]
    absolute = [Path(os.path.abspath(path)) for path in inputs]  # links keep their names
    common = os.path.commonpath([path.parent for path in absolute])
    relative = [path.relative_to(common) for path in absolute]
    # a.jpg becomes a.png; beside an a.webp or an a they all keep their suffix: a.jpg.png.
    taken = collections.Counter(path.with_suffix("") for path in relative)
    taken.update(path for path in relative if path.suffix)
    return [
        output
        / (path.with_suffix(suffix) if taken[path.with_suffix("")] == 1 else f"{path}{suffix}")
        for path in relative
        for suffix in [_suffix(path)]
    ]


def _suffix(path):
    if not video.is_video(path):
        return ".png"
    return ".mp4" if path.suffix.lower() in (".mp4", ".m4v", ".mov") else ".mkv"
