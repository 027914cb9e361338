"""Writers that are killed at random moments lose nothing that was complete before."""

import json
import subprocess
import sys
from pathlib import Path

import killed_writers
import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the writers are forked, and killed by signals"
)


@pytest.mark.parametrize(
    ("count", "names"),
    [(2, ["mapped"]), pytest.param(26, list(killed_writers.WRITERS), marks=pytest.mark.slow)],
    ids=["few kills", "many kills"],
)
def test_nothing_that_was_complete_is_lost(count, names, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            str(Path(killed_writers.__file__)),
            str(count),
            "0",
            str(tmp_path),
            *names,
        ],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["kills"] == count * len(names)
