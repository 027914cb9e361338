"""Thousands of mutated files of every format: errors of the library, or valid objects.

What is done to a file is in file_mutants.py.
"""

import json
import subprocess
import sys
from pathlib import Path

import file_mutants
import pytest
from file_mutants import FORMATS, run_mutants

QUICK, THOROUGH = 20, 640
#: Without networks and figures, whose packages take long to import.
LIGHT = [name for name in FORMATS if not name.startswith("learner") and name != "toy"]


@pytest.mark.parametrize("name", LIGHT)
def test_some_mutants(name, tmp_path):
    report = run_mutants(name, QUICK, 0, tmp_path)
    assert report["failures"] == 0, "\n".join(report["first"])
    assert report["refused"] > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_many_mutants_in_a_process_of_their_own(name, tmp_path):
    command = [sys.executable, str(Path(file_mutants.__file__)), name, str(THOROUGH)]
    done = subprocess.run(
        [*command, "1", str(tmp_path)], capture_output=True, text=True, timeout=1800, check=False
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"after mutant {lines[-1:]}: {done.stderr[-2000:]}"
    report = json.loads(lines[-1])
    assert report["failures"] == 0, "\n".join(report["first"])
    assert report["refused"] + report["valid"] == THOROUGH
    assert report["refused"] > THOROUGH // 4
