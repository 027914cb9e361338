"""What ``import regmdp`` loads, and what waits until somebody needs it."""

import subprocess
import sys

SLOW = [
    "gymnasium",
    "jaxtyping",
    "jinja2",
    "matplotlib",
    "rich",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.sparse.csgraph",
    "scipy.sparse.linalg",
    "scipy.special",
    "scipy.stats",
    "typer",
]


def test_what_is_slow_to_import_is_imported_when_it_is_needed():
    code = f"import sys, regmdp; print([name for name in {SLOW!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert told.stdout == "[]\n"
