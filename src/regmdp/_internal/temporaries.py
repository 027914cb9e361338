"""Temporary names of files and folders that are being written, and what killed writers leave.

A temporary name holds the process that writes: the next writer removes what a process that no
longer exists has left, and puts a folder back that it had moved away.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = ["clean_up", "temporary_path"]

#: Characters of a name that its temporary name keeps: file systems allow 255 bytes.
MAX_PREFIX_LENGTH = 40
#: Endings of the names of new files and folders, and of an old folder that is being replaced.
NEW, OLD = ".part", ".old.part"


def temporary_path(path: Path, *, old: bool = False) -> Path:
    """Return an unused name beside a path for what it will hold, or for what it has held.

    >>> temporary_path(Path("a/model.npz")).name.startswith(".model.npz.")
    True
    """
    token = secrets.token_hex(6)
    ending = OLD if old else NEW
    return path.with_name(f"{_prefix(path)}{os.getpid()}.{token}{ending}")


def clean_up(path: Path) -> None:
    """Remove what killed writers have left beside a path.

    If the path is missing, and a killed writer had moved it away, it is put back.
    """
    pattern = re.compile(rf"(\..*\.{_system_tag()}\.)(\d+)\.[0-9a-f]{{12}}({OLD}|{NEW})")
    with suppress(OSError):
        for entry in sorted(path.parent.iterdir()):
            match = pattern.fullmatch(entry.name)
            if match is None or _is_running(int(match[2])):
                continue
            is_old, is_own = match[3] == OLD, match[1] == _prefix(path)
            if is_old and not (is_own and path.exists()):
                if is_own:
                    os.replace(entry, path)
            elif entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    """Return the beginning of the temporary names of a path in this system."""
    return f".{path.name[:MAX_PREFIX_LENGTH]}.{_system_tag()}."


@cache
def _system_tag() -> str:
    """Return a text that differs between systems, and containers, with other process numbers."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


def _is_running(number: int) -> bool:
    """Whether there is a process with a number, or it cannot be known."""
    if os.name != "posix":
        return True
    try:
        os.kill(number, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
