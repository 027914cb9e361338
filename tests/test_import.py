"""What ``import regmdp`` loads, and what waits until somebody needs it."""

import subprocess
import sys

import pytest

import regmdp as rm

SLOW = [
    "beartype",
    "gymnasium",
    "hypothesis",
    "icu_sepsis",
    "jax",
    "jaxtyping",
    "jinja2",
    "matplotlib",
    "numpy.f2py",
    "regmdp.cli",
    "regmdp.deep",
    "regmdp.experiments",
    "regmdp.io",
    "regmdp.models",
    "regmdp.off_policy",
    "regmdp.plots",
    "regmdp.report",
    "regmdp.testing",
    "regmdp.theory",
    "rich",
    "scipy.integrate",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.sparse",
    "scipy.special",
    "scipy.stats",
    "typer",
]


def test_what_is_slow_to_import_is_imported_when_it_is_needed():
    code = f"import sys, regmdp; print([name for name in {SLOW!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert told.stdout == "[]\n"


def test_every_public_name_is_there_whether_or_not_it_is_loaded():
    code = "import regmdp; assert dir(regmdp) == sorted(regmdp.__all__); print([hasattr(regmdp, name) for name in dir(regmdp)])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert told.stdout == f"{[True] * len(rm.__all__)}\n"


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(AttributeError, match="module 'regmdp' has no attribute 'nothing'"):
        rm.nothing  # noqa: B018
