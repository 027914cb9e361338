"""Every writer in a folder that cannot be written to: an error names the file, nothing changes.

The functions of the system refuse to write below a folder, as in a file system that is mounted
read-only; permissions of folders do not stop the superuser.
"""

import builtins
import errno
import io
import os
from contextlib import contextmanager
from pathlib import Path

import pytest
from all_writers import MDP, OTHER, WRITERS, animate, content
from tiers import tiered

import regmdp as rm
from regmdp._internal import files

NAMES = tiered(WRITERS, lambda name: not WRITERS[name].heavy)


@contextmanager
def read_only(monkeypatch, folder):
    """Let the system refuse to write below a folder."""

    def refuse(function, writes):
        def call(path, *arguments, **keywords):
            below = not isinstance(path, int) and Path(path).absolute().is_relative_to(folder)
            if below and writes(*arguments, **keywords):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return function(path, *arguments, **keywords)

        return call

    def writes(mode="r", *_, **__):
        return set(mode) & set("wax+")

    with monkeypatch.context() as patch:
        for module in (builtins, io):
            patch.setattr(module, "open", refuse(open, writes))
        for name in ("mkdir", "rename", "replace", "unlink", "rmdir", "chmod"):
            function = getattr(os, name)
            patch.setattr(os, name, refuse(function, lambda *_, **__: True))
        yield


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", ["something", "nothing"])
def test_the_error_names_the_file(name, before, tmp_path, monkeypatch):
    writer, place = WRITERS[name], tmp_path / "place"
    place.mkdir()
    if before == "something" and writer.replaces:
        writer.write(MDP, place / name)
    found = content(place)
    stem = name.partition(".")[0]
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    with read_only(monkeypatch, place):
        message = rf"cannot write .*{stem}.*: Read-only file system"
        with pytest.raises(rm.WriteError, match=message) as caught:
            writer.write(OTHER, place / name)
    assert caught.value.errno == errno.EROFS
    assert content(place) == found
    writer.write(OTHER, place / name)
    writer.read(place / name)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_where_a_folder_is_needed_is_named(name, tmp_path):
    (tmp_path / "place").write_bytes(b"")
    with pytest.raises((rm.WriteError, FileNotFoundError), match="cannot write .*place"):
        WRITERS[name].write(MDP, tmp_path / "place" / name)
    assert content(tmp_path) == {"place": b""}


@pytest.mark.slow
def test_no_frame_is_painted_for_a_film_that_cannot_be_written(tmp_path, monkeypatch):
    painted = []
    with read_only(monkeypatch, tmp_path), pytest.raises(rm.WriteError, match=r"run\.gif"):
        animate(MDP, tmp_path / "run.gif", callback=painted.append)
    assert painted == []


@pytest.mark.slow
def test_a_board_that_cannot_be_written_is_named(tmp_path):
    pytest.importorskip("tensorboardX")
    from regmdp.deep import TensorBoard

    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(rm.WriteError, match="cannot write .*file/board"):
        TensorBoard(tmp_path / "file" / "board")


@pytest.mark.slow
def test_workers_without_a_temporary_folder_are_an_error(tmp_path, monkeypatch):
    from regmdp.deep import A3C

    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    learner = A3C("CartPole-v1", workers=1)
    with (
        read_only(monkeypatch, tmp_path),
        pytest.raises(rm.WriteError, match="cannot write the temporary folder of the workers"),
    ):
        learner.learn(10)
