"""Sizes compared with the memory that is left."""

import pytest

import regmdp as rm
from regmdp._internal import memory


@pytest.fixture
def files(monkeypatch):
    """Files of a system, by name, instead of those of this machine."""
    contents = {"/proc/meminfo": "MemTotal: 2000 kB\nMemAvailable:    1000 kB\n"}
    monkeypatch.setattr(memory, "_read_text", lambda name: contents.get(name, ""))
    monkeypatch.setattr(memory, "_process_memory", lambda: float("inf"))
    return contents


def test_the_smallest_limit_counts(files, monkeypatch):
    assert memory.available_memory() == 1000 * 1024
    folder, limit, usage = memory.CGROUP_FILES[0]
    files.update({f"{folder}/{limit}": "900000\n", f"{folder}/{usage}": "100000\n"})
    assert memory.available_memory() == 800_000
    files[f"{folder}/memory.stat"] = "anon 7\ninactive_file 50000\nactive_file 9\n"
    assert memory.available_memory() == 850_000
    files[f"{folder}/{limit}"] = "max\n"
    assert memory.available_memory() == 1000 * 1024
    monkeypatch.setattr(memory, "_process_memory", lambda: 5.0)
    assert memory.available_memory() == 5.0
    files.update({f"{folder}/{limit}": "1\n", f"{folder}/{usage}": "100000\n"})
    assert memory.available_memory() == 0.0


def test_where_the_system_says_nothing_its_whole_memory_counts(files):
    files.clear()
    assert 2**20 < memory.available_memory() < 2**63


def test_this_machine_has_some_memory_left():
    assert 2**20 < memory.available_memory() < 2**60


def test_arrays_that_do_not_fit_are_refused_before_they_are_allocated(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2.0**30)
    memory.require_memory("rewards", 2.0**30)
    with pytest.raises(
        rm.InsufficientMemoryError,
        match=r"^rewards need 1.5 GiB of memory, and 1 GiB are left; use fewer states$",
    ):
        memory.require_memory("rewards", 1.5 * 2**30, "use fewer states")
    with pytest.raises(MemoryError, match="infinitely many bytes of memory, and 1 GiB are left$"):
        memory.require_memory("rewards", float("inf"))


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (3.5 * 2**40, "3.5 TiB")],
)
def test_sizes_have_units(size, text):
    assert memory.format_bytes(size) == text
    assert memory.format_bytes(1e30).endswith(" EiB")
