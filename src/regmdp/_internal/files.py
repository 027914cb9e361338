"""Files and folders that are replaced whole or not at all, alone or several together.

A file is written under a temporary name beside its own, and renamed when it is complete and on
disk: a crash, an interrupt or a full disk leaves the old one as it was.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import IO

from regmdp._internal.errors import WriteError
from regmdp._internal.temporaries import clean_up, temporary_path

__all__ = [
    "make_folder",
    "replace_atomically",
    "replace_together",
    "require_file",
    "require_new_folder",
    "require_writable",
    "save_or_rescue",
    "writing",
]


def require_file(path: str | PathLike[str]) -> Path:
    """Return the path of a file, after checking that it exists."""
    path = Path(path)
    if path.is_dir():
        raise FileNotFoundError(f"{path} is a folder, not a file")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path


def require_writable(path: str | PathLike[str]) -> None:
    """Check that a file can be written, before the work whose result it will hold.

    Raises:
        FileNotFoundError: if its folder does not exist.
        WriteError: if the folder or the file cannot be written to, or the path is something else.
    """
    target = _resolve_target(path)
    temporary = temporary_path(target)
    with writing(path):
        try:
            with open(temporary, "xb"):
                pass
        finally:
            temporary.unlink(missing_ok=True)


def replace_atomically(path: str | PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """Write a file under a temporary name beside it, and move it into place when it is complete.

    After a crash or an interrupt the old file is still there, whole.

    Args:
        path: The file; a symbolic link is followed, and the permissions of an old file are kept.
        write: Called with the temporary file, opened for writing.

    Raises:
        FileNotFoundError: if the folder does not exist.
        WriteError: if the file cannot be written; the message names it.
    """
    replace_together({Path(path): write})


def replace_together(files: Mapping[Path, Callable[[IO[bytes]], object]]) -> None:
    """Write several files that belong together, as :func:`replace_atomically` writes one.

    All of them are complete and on disk before the first is moved into place; they are moved in the
    given order. A crash between two moves leaves files of both sets: the first file should hold a
    checksum of the others, so that a reader refuses the mixture.
    """
    targets = {path: _resolve_target(path) for path in files}
    parts = {path: temporary_path(target) for path, target in targets.items()}
    try:
        for path, write in files.items():
            with writing(path):
                clean_up(targets[path])
                _write_temporary(parts[path], targets[path], write)
        for path, target in targets.items():
            with writing(path):
                os.replace(parts[path], target)
        for folder in {target.parent for target in targets.values()}:
            _sync_folder(folder)
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)


def require_new_folder(folder: Path) -> None:
    """Check that a folder can be made.

    Raises:
        FileExistsError: if something with this name exists.
        FileNotFoundError: if the folder above does not exist.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists already; choose another name, or remove it")
    _require_parent(folder, folder)


@contextmanager
def make_folder(folder: str | PathLike[str], *, replace: bool = False) -> Iterator[Path]:
    """Give a new folder with a temporary name, which is renamed when the block ends without error.

    Args:
        folder: The name.
        replace: Whether a folder with this name is replaced; otherwise it must not exist.

    Raises:
        FileExistsError: if something with this name exists and is not to be replaced.
        FileNotFoundError: if the folder above does not exist.
        WriteError: if the folder cannot be made or renamed.
    """
    folder = Path(folder)
    _require_parent(folder, folder)
    with writing(folder):
        clean_up(folder)
        if not replace:
            require_new_folder(folder)
        part, old = temporary_path(folder), temporary_path(folder, old=True)
        part.mkdir()
    try:
        yield part
        with writing(folder):
            _sync_files(part)
            if replace and folder.exists():
                os.rename(folder, old)
            elif folder.exists():  # rename would replace an empty one
                raise FileExistsError(f"{folder} was made meanwhile; choose another name")
            os.rename(part, folder)
            _sync_folder(folder.parent)
    except BaseException:
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        raise
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def writing(path: str | PathLike[str]) -> Iterator[None]:
    """Raise errors of the system in the block as errors that name a file or folder.

    Raises:
        WriteError: for an OSError that does not name it yet.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, WriteError) or error.errno is None:
            raise
        raise WriteError(f"cannot write {path}: {error.strerror}", error.errno) from error


def save_or_rescue(path: Path, save: Callable[[Path], object]) -> None:
    """Save a result; if its place cannot be written, save it in a new temporary folder.

    Args:
        path: Where the result belongs.
        save: Called with the path to write.

    Raises:
        WriteError: if it is not in its place; the message says where it is instead.
    """
    try:
        save(path)
    except OSError as error:
        try:
            other = Path(tempfile.mkdtemp(prefix="regmdp-")) / path.name
            save(other)
        except OSError as second:
            raise WriteError(
                f"{error}; nor could it be saved elsewhere: {second}", error.errno
            ) from error
        raise WriteError(f"{error}; the result is in {other} instead", error.errno) from error


def _resolve_target(path: str | PathLike[str]) -> Path:
    """Return the file that a path leads to, after checking what is there."""
    path = Path(path)
    if "\0" in str(path):
        raise WriteError(f"cannot write {str(path)!r}: the name has a NUL character")
    with writing(path):
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        _require_parent(path, target)
        if target.is_dir():
            raise WriteError(f"cannot write {path}: there is a folder with this name")
        if target.exists() and not target.is_file():
            raise WriteError(f"cannot write {path}: it is a device or a pipe, not a file")
        if target.exists() and not os.access(target, os.W_OK):
            raise WriteError(f"cannot write {path}: the file is read-only")
    return target


def _require_parent(path: Path, target: Path) -> None:
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {target.parent}")


def _write_temporary(temporary: Path, target: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a temporary file with the permissions of its target, and wait until it is on disk."""
    with open(temporary, "xb") as file:
        if target.exists():
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _sync_files(folder: Path) -> None:
    """Wait until the files of a folder are on disk."""
    for entry in folder.iterdir():
        if entry.is_file():
            with open(entry, "rb+") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk, where the system can do that."""
    if os.name != "posix":
        return
    with suppress(OSError):  # some file systems cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
