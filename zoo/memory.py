"""How much memory this process may still take."""

from pathlib import Path

import psutil

# A container's control group, of version 2 or 1: the limit, what is used, and in memory.stat what
# of this are files in the cache that make room when it is wanted.
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


def available():
    """Bytes that this process may still take: the machine's, or its container's if less."""
    free = psutil.virtual_memory().available
    for limit, used, stat, cached in _FILES:
        limit, used, stat = (_CONTROL_GROUPS / name for name in (limit, used, stat))
        if limit.exists() and (text := limit.read_text().strip()) != "max":
            cache = dict(line.split() for line in stat.read_text().splitlines())[cached]
            free = min(free, int(text) - int(used.read_text()) + int(cache))
    return free
