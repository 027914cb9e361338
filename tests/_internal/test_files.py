"""Files and folders are replaced whole or not at all, and what cannot be written is named."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import regmdp as rm
from regmdp._internal import files
from regmdp._internal.files import (
    make_folder,
    replace_atomically,
    replace_together,
    require_file,
    require_writable,
    save_or_rescue,
)
from regmdp._internal.temporaries import clean_up, temporary_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def gone():
    """The number of a process that no longer exists."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def left_by(number, path, **options):
    """Return a temporary name as another process makes it."""
    mine = temporary_path(path, **options)
    return mine.with_name(mine.name.replace(f".{os.getpid()}.", f".{number}."))


def fail(number):
    def write(file):
        file.write(b"half")
        raise OSError(number, os.strerror(number))

    return write


# ---- one file ----


def test_a_file_is_replaced_with_its_permissions(tmp_path):
    path = tmp_path / "a"
    replace_atomically(path, lambda file: file.write(b"one"))
    path.chmod(0o640)
    replace_atomically(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(tmp_path) == ["a"]


def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "file")
    for content in (b"one", b"two"):
        replace_atomically(tmp_path / "link", lambda file, content=content: file.write(content))
        assert (tmp_path / "folder" / "file").read_bytes() == content
        assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO])
def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path, number):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(rm.WriteError, match=rf"cannot write {path}: ") as error:
        replace_atomically(path, fail(number))
    assert error.value.errno == number
    assert isinstance(error.value, OSError)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_long_names_are_written(tmp_path):
    path = tmp_path / ("é" * 120)
    replace_atomically(path, lambda file: file.write(b"x"))
    assert path.read_bytes() == b"x"


WRONG_TARGETS = {
    "a missing folder": ("nowhere/a", FileNotFoundError, "there is no folder"),
    "a folder": ("folder", rm.WriteError, "there is a folder with this name"),
    "a device": ("/dev/null", rm.WriteError, "a device or a pipe"),
    "a folder that is a file": ("file/a", FileNotFoundError, "there is no folder"),
    "a NUL": ("a\0b", rm.WriteError, "NUL"),
    "a name that is too long": ("x" * 300, rm.WriteError, "too long"),
    "a link into nowhere": ("link", FileNotFoundError, "there is no folder"),
}


@pytest.mark.parametrize("case", WRONG_TARGETS)
def test_wrong_targets_are_refused_before_the_work(tmp_path, case):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "a")
    name, kind, message = WRONG_TARGETS[case]
    path = tmp_path / name
    called = []
    with pytest.raises(kind, match=message):
        replace_atomically(path, called.append)
    with pytest.raises(kind, match=message):
        require_writable(path)
    assert names(tmp_path) == ["file", "folder", "link"]
    assert Path("/dev/null").is_char_device()


def test_a_read_only_place_is_refused(tmp_path, monkeypatch):
    """The tests may run as a user to whom everything is permitted."""
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for check in (require_writable, lambda path: replace_atomically(path, lambda file: None)):
        with pytest.raises(rm.WriteError, match="a: the file is read-only"):
            check(tmp_path / "a")
    monkeypatch.undo()

    def refuse(path, *arguments, **keywords):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    for check in (require_writable, lambda path: replace_atomically(path, lambda file: None)):
        with pytest.raises(rm.WriteError, match="cannot write .*a: Permission denied"):
            check(tmp_path / "a")


def test_require_writable_leaves_nothing(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    require_writable(tmp_path / "a")
    require_writable(tmp_path / "b")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_require_file(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    assert require_file(tmp_path / "a") == tmp_path / "a"
    with pytest.raises(FileNotFoundError, match="there is no file"):
        require_file(tmp_path / "b")
    with pytest.raises(FileNotFoundError, match="is a folder, not a file"):
        require_file(tmp_path)


# ---- several files ----


def test_several_files_are_replaced_when_all_are_complete(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_bytes(b"old")
    order = []
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda one, two: (order.append(Path(two)), real(one, two)))
    replace_together({path: lambda file: file.write(b"new") for path in paths})
    assert order == paths
    assert [path.read_bytes() for path in paths] == [b"new"] * 3
    order.clear()
    for failing in range(3):
        writers = {path: lambda file: file.write(b"third") for path in paths}
        writers[paths[failing]] = fail(errno.ENOSPC)
        with pytest.raises(rm.WriteError, match=f"cannot write {paths[failing]}: No space"):
            replace_together(writers)
        assert [path.read_bytes() for path in paths] == [b"new"] * 3
        assert names(tmp_path) == ["a", "b", "c"]
    assert not order


# ---- what killed writers leave ----


def test_the_next_writer_removes_what_killed_ones_left(tmp_path, gone):
    path = tmp_path / "model.npz"
    left_by(gone, path).write_bytes(b"half")
    left_by(gone, path).mkdir()
    left_by(gone, tmp_path / "another").mkdir()
    kept = [
        left_by(os.getppid(), path),  # of a process that runs
        left_by(gone, tmp_path / "model.npy", old=True),  # the only one of its name
        tmp_path / f".model.npz.0123abcd.{gone}.00.part",  # of another system
        tmp_path / f"model.npz.{gone}.part",
    ]
    for entry in kept:
        entry.write_bytes(b"kept")
    replace_atomically(path, lambda file: file.write(b"whole"))
    assert names(tmp_path) == sorted(["model.npz", *(entry.name for entry in kept)])


def test_an_old_folder_that_was_moved_away_comes_back(tmp_path, gone):
    folder = tmp_path / "results"
    moved = left_by(gone, folder, old=True)
    moved.mkdir()
    (moved / "data").write_bytes(b"old")
    clean_up(folder)
    assert (folder / "data").read_bytes() == b"old"
    # when the new one is in place, the old one is of no use
    left_by(gone, folder, old=True).mkdir()
    clean_up(folder)
    assert names(tmp_path) == ["results"]


# ---- folders ----


def test_a_folder_is_renamed_when_it_is_complete(tmp_path):
    with make_folder(tmp_path / "new") as part:
        (part / "a").write_bytes(b"1")
        assert not (tmp_path / "new").exists()
    assert names(tmp_path) == ["new"]
    with pytest.raises(FileExistsError, match="new exists already"), make_folder(tmp_path / "new"):
        pytest.fail("the folder exists")
    with make_folder(tmp_path / "new", replace=True) as part:
        (part / "b").write_bytes(b"2")
    assert names(tmp_path / "new") == ["b"]
    assert names(tmp_path) == ["new"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("when", ["while it is written", "at the first move", "at the second"])
def test_a_folder_stays_as_it_was_after_an_error(tmp_path, monkeypatch, error, when):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "data").write_bytes(b"old")
    real, moves = os.rename, []

    def rename(one, two):
        moves.append(two)
        if len(moves) == (1 if when == "at the first move" else 2):
            raise error
        real(one, two)

    def write():
        with make_folder(folder, replace=True) as part:
            (part / "data").write_bytes(b"new")
            if when == "while it is written":
                raise error
            monkeypatch.setattr(os, "rename", rename)

    with pytest.raises(type(error)):
        write()
    monkeypatch.undo()
    assert (folder / "data").read_bytes() == b"old"
    assert names(tmp_path) == ["results"]


def test_a_folder_that_was_made_meanwhile_is_not_replaced(tmp_path):
    def write():
        with make_folder(tmp_path / "new"):
            (tmp_path / "new").mkdir()

    with pytest.raises(FileExistsError, match="meanwhile"):
        write()
    assert names(tmp_path) == ["new"]


def test_a_folder_in_a_missing_one_is_refused(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="there is no folder"),
        make_folder(tmp_path / "nowhere" / "new"),
    ):
        pytest.fail("the folder above does not exist")


# ---- results whose place cannot be written ----


def test_a_result_that_cannot_be_saved_is_saved_elsewhere(tmp_path, monkeypatch):
    path = tmp_path / "nowhere" / "result.npz"
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(
        rm.WriteError, match=r"no folder .*; the result is in (.*) instead"
    ) as error:
        save_or_rescue(path, lambda path: replace_atomically(path, lambda file: file.write(b"it")))
    (saved,) = tmp_path.glob("regmdp-*/result.npz")
    assert str(saved) in str(error.value)
    assert saved.read_bytes() == b"it"
    with pytest.raises(rm.WriteError, match="nor could it be saved elsewhere: .*No space"):
        save_or_rescue(
            tmp_path / "result.npz", lambda path: replace_atomically(path, fail(errno.ENOSPC))
        )
    save_or_rescue(tmp_path / "a", lambda path: path.write_bytes(b"fine"))
    assert (tmp_path / "a").read_bytes() == b"fine"
