"""The check of `.ci/tracked.py` finds files that were committed by accident, and no others."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECK = ROOT / ".ci" / "tracked.py"


def test_what_scripts_write_in_the_root_is_found() -> None:
    find_strays = runpy.run_path(str(CHECK))["find_strays"]
    written = ["policy.npy", "model.mapped/model.json", "buses/g870.asc", "files/a", "notes.txt"]
    misplaced = ["src/regmdp/models/policy.npz"]
    known = ["README.md", "src/regmdp/__init__.py", "tests/data/a.npz", "docs/index.md"]
    assert find_strays([*known, *written, *misplaced]) == [*written, *misplaced]
