"""Writers that are killed at random moments lose nothing that was complete before."""

import json
import subprocess
import sys

import killed_commands
import killed_writers
import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the writers are forked, and killed by signals"
)


def run_program(program, count, folder, names):
    """Run a program that kills others; return its report."""
    done = subprocess.run(
        [sys.executable, program.__file__, str(count), "0", str(folder), *names],
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("count", "names"),
    [(2, ["mapped"]), pytest.param(26, list(killed_writers.WRITERS), marks=pytest.mark.slow)],
    ids=["few kills", "many kills"],
)
def test_nothing_that_was_complete_is_lost(count, names, tmp_path):
    report = run_program(killed_writers, count, tmp_path, names)
    assert report["kills"] == count * len(names)


@pytest.mark.parametrize(
    ("count", "name"),
    [
        (2, "reproduce"),
        pytest.param(100, "reproduce", marks=pytest.mark.slow),
        pytest.param(100, "train", marks=pytest.mark.slow),
    ],
)
def test_commands_that_were_killed_go_on_to_the_same_result(count, name, tmp_path):
    report = run_program(killed_commands, count, tmp_path, [name])
    assert report["kills"] == count
    assert report["ends"] >= report["compared"] >= 1
