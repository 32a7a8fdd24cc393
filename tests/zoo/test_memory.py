from types import SimpleNamespace

import pytest

from zoo import memory

GB = 1e9
V2 = ("memory.max", "memory.current", "memory.stat", "inactive_file")
V1 = (
    "memory/memory.limit_in_bytes",
    "memory/memory.usage_in_bytes",
    "memory/memory.stat",
    "total_inactive_file",
)


@pytest.fixture
def container(monkeypatch, tmp_path):
    """A machine with 8 GB free; writes the files of a container on it."""
    free = SimpleNamespace(available=int(8 * GB))
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", tmp_path)

    def write(names, limit, used, cached):
        *files, key = names
        texts = (limit, f"{used:.0f}\n", f"anon 5\n{key} {cached:.0f}\nactive_file 7\n")
        for name, text in zip(files, texts, strict=True):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)

    return write


@pytest.mark.parametrize("names", [V2, V1])
@pytest.mark.parametrize(
    ("limit", "used", "cached", "free"),
    [
        ("4000000000", 1 * GB, 0, 3 * GB),
        ("4000000000", 4 * GB, 2.5 * GB, 2.5 * GB),  # full, but of files that need not stay
        ("64000000000", 1 * GB, 0, 8 * GB),  # more than the machine has
        ("9223372036854771712", 1 * GB, 0, 8 * GB),  # version 1 for no limit
    ],
)
def test_no_more_is_free_than_the_container_may_take(container, names, limit, used, cached, free):
    container(names, limit, used, cached)
    assert memory.available() == free


def test_without_a_limit_all_that_the_machine_has_is_free(container):
    assert memory.available() == 8 * GB
    container(V2, "max", 1 * GB, 0)
    assert memory.available() == 8 * GB
