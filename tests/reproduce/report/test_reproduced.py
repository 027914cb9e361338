"""``regmdp reproduce all --quick``: all checks pass."""

import subprocess
import sys

import pytest

from regmdp.reproduce.experiments import EXPERIMENTS
from regmdp.reproduce.records import Record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The command in a separate process without run-time checks of shapes, which are slow."""
    folder = tmp_path_factory.mktemp("reproduced")
    command = [sys.executable, "-m", "regmdp", "reproduce", "all", "--quick", "--output", "report"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    ), folder / "report"


@pytest.fixture(scope="module")
def output(ended):
    """The output folder of the command."""
    process, folder = ended
    assert folder.is_dir(), process.stderr
    return folder


@pytest.mark.parametrize("name", [one.name for one in EXPERIMENTS])
def test_every_check_passes(output, name):
    record = Record.load(output / name)
    failed = [
        f"{check.claim}: {check.measured}, expected {check.expected}"
        for check in record.checks
        if not check.passed
    ]
    assert not failed
    assert record.checks
    assert record.figures
    assert record.tables
    assert record.numbers


def test_output_of_the_command(ended):
    process, _ = ended
    assert process.returncode == 0, process.stderr
    assert "Warning" not in process.stderr
    for one in EXPERIMENTS:
        assert f"\n{one.name}  " in f"\n{process.stdout}"
