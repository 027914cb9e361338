"""What ``import regmdp`` loads, and what waits until somebody needs it."""

import pkgutil
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

import regmdp as rm

SLOW = [
    "beartype",
    "gymnasium",
    "hypothesis",
    "icu_sepsis",
    "jax",
    "jinja2",
    "matplotlib",
    "numpy.f2py",
    "regmdp.applications",
    "regmdp.cli",
    "regmdp.deep",
    "regmdp.gradients",
    "regmdp.io",
    "regmdp.models",
    "regmdp.off_policy",
    "regmdp.plots",
    "regmdp.reproduce",
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
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert told.stdout == "[]\n"


def test_every_public_name_is_there_whether_or_not_it_is_loaded():
    code = "import regmdp; print([name for name in dir(regmdp) if not hasattr(regmdp, name)])"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert told.stdout == "[]\n"
    assert set(rm.__all__) < set(dir(rm))


def test_the_library_can_be_inspected_without_any_extra():
    code = """
import inspect, pydoc, sys
extras = ["jax", "equinox", "optax", "gymnasium", "matplotlib", "mpltern", "jinja2", "icu_sepsis"]
sys.modules.update(dict.fromkeys(extras))
import regmdp
members = dict(inspect.getmembers(regmdp))
assert {"io", "choice", "irl", "routes", "theory", "__version__"} <= set(members)
assert not {"deep", "plots"} & set(members)
assert "solve(" in pydoc.plain(pydoc.render_doc(regmdp))
try:
    regmdp.deep
except regmdp.MissingExtraError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert "pip install 'regmdp[deep]'" in told.stdout


def test_modules_and_functions_never_share_a_name():
    for info in pkgutil.walk_packages(rm.__path__, "regmdp."):
        if info.name != "regmdp.__main__":
            package, name = info.name.rsplit(".", 1)
            assert isinstance(
                getattr(import_module(package), name, import_module(info.name)), ModuleType
            ), info.name


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(AttributeError, match="module 'regmdp' has no attribute 'nothing'"):
        rm.nothing  # noqa: B018
    with pytest.raises(
        AttributeError, match="no attribute 'Evaluated'; it is called PolicyEvaluat"
    ):
        rm.Evaluated  # noqa: B018
