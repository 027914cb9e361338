"""Sizes of arrays, compared with the memory that is left before they are allocated."""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path

from regmdp._internal.errors import InsufficientMemoryError

__all__ = ["available_memory", "format_bytes", "require_memory"]

#: Sizes in bytes below this are not compared: reading what is left would take longer.
MIN_COMPARED_SIZE = 1 << 26
#: Folders in which Linux keeps how much memory a group of processes may use, with the files that
#: hold the limit and the usage.
CGROUP_FILES = (
    ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def require_memory(what: str, size: float, advice: str = "") -> None:
    """Check that arrays fit into the memory that is left, before they are allocated.

    Args:
        what: What they are, with their sizes in numbers, as the subject of a sentence in the
            plural: "counts of 1,000,000,000 states and 3 actions".
        size: Their size in bytes; infinite or larger than any memory is possible.
        advice: What to do instead; the end of the message.

    Raises:
        InsufficientMemoryError: if they do not fit. It is a MemoryError, too.

    Examples:
        >>> require_memory("rewards of 3 states", 24)
        >>> require_memory("rewards of 1e+18 states", 8e18, "use fewer states")
        Traceback (most recent call last):
            ...
        regmdp.InsufficientMemoryError: rewards of 1e+18 states need 6.94 EiB of memory, and ...
    """
    if size < MIN_COMPARED_SIZE:
        return
    left = available_memory()
    if size > left:
        raise InsufficientMemoryError(
            f"{what} need {format_bytes(size)} of memory, and {format_bytes(left)} are left"
            + (f"; {advice}" if advice else "")
        )


def available_memory() -> float:
    """Return how many bytes this process can still allocate, or what can be found out about it.

    It is the smallest of the memory that the machine has left, the limit of the process and that of
    its group. Where none of these is known, it is the largest size of an array.
    """
    return max(min(_machine_memory(), _process_memory(), _group_memory()), 0.0)


def format_bytes(size: float) -> str:
    """Return a size with three digits and its unit.

    >>> format_bytes(8e9), format_bytes(100)
    ('7.45 GiB', '100 bytes')
    """
    if not math.isfinite(size):
        return "infinitely many bytes"
    if size < 1024:
        return f"{size:.0f} bytes"
    units = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    power = min(int(math.log(size, 1024)), len(units))
    return f"{size / 1024**power:.3g} {units[power - 1]}"


def _machine_memory() -> float:
    """Return the memory that the machine has left, without swapping."""
    for line in _read_text("/proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return 1024.0 * float(value.split()[0])
    try:  # elsewhere all that it has: a smaller array may not fit, a larger one never does
        return float(os.sysconf("SC_PHYS_PAGES")) * float(os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float(sys.maxsize)


def _process_memory() -> float:
    """Return what the limit on the addresses of this process leaves."""
    try:
        import resource  # which Windows lacks
    except ImportError:
        return math.inf
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return math.inf
    used = _read_text("/proc/self/statm").split()
    return limit - (float(used[0]) * resource.getpagesize() if used else 0.0)


def _group_memory() -> float:
    """Return what the limit of the control group leaves, with the cached files it would drop."""
    for folder, limit_file, usage_file in CGROUP_FILES:
        limit, used = (_read_text(f"{folder}/{name}").strip() for name in (limit_file, usage_file))
        if limit.isdecimal() and used.isdecimal():
            cached = re.search(r"^inactive_file (\d+)$", _read_text(f"{folder}/memory.stat"), re.M)
            return float(limit) - float(used) + (float(cached[1]) if cached else 0.0)
    return math.inf


def _read_text(name: str) -> str:
    """Return the text of a file of the system; empty where there is no such file."""
    try:
        return Path(name).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
