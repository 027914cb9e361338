"""Every writer on a disk without room: the error names the file, and what was there stays whole.

The limit on the size of files stands for the disk: the system refuses to write more.
"""

import shutil
import sys
from contextlib import contextmanager

import pytest
from all_writers import MDP, OTHER, WRITERS, content
from tiers import tiered

import regmdp as rm

resource = pytest.importorskip("resource")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems end the process at the limit"
)


@contextmanager
def room(size):
    """Let no file be longer than some bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


REPLACING = [name for name, writer in WRITERS.items() if writer.replaces]


@pytest.mark.parametrize("name", tiered(REPLACING, lambda name: not WRITERS[name].heavy))
@pytest.mark.parametrize("size", [0, 100, 400])
def test_what_was_there_stays_whole(name, size, tmp_path):
    writer, place = WRITERS[name], tmp_path / "place"
    place.mkdir()
    writer.write(MDP, place / name)
    before = content(place)
    stem = name.partition(".")[0]
    with room(size), pytest.raises(rm.WriteError, match=rf"cannot write .*{stem}"):
        writer.write(OTHER, place / name)
    assert content(place) == before
    writer.read(place / name)
    writer.write(OTHER, place / name)
    writer.read(place / name)
    assert content(place) != before


@pytest.mark.parametrize("size", [0, 100, 400, 2000])
def test_no_mapped_model_is_half_there(size, tmp_path):
    with room(size), pytest.raises(rm.WriteError, match=r"cannot write .*/m\.mapped"):
        rm.io.write_model(MDP, tmp_path / "m.mapped")
    assert content(tmp_path) == {}
    rm.io.write_model(MDP, tmp_path / "m.mapped")
    assert rm.io.read_model(tmp_path / "m.mapped", verify=True).digest == MDP.digest
    shutil.rmtree(tmp_path / "m.mapped")
