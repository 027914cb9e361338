"""The two tiers of the tests, and the check of shapes and types at run time.

It lies in the root because pytest loads it before it imports anything of ``src`` or ``tests``,
whichever of them it is asked to run.
"""

import doctest
import inspect
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "tests"))


def pytest_addoption(parser):
    """Add the options of the tiers."""
    parser.addoption(
        "--full",
        action="store_true",
        help="run everything: slow cases and every seed too, with shapes and types checked at run time",
    )
    parser.addoption(
        "--check-types",
        action="store_true",
        help="check the annotated shapes and types of every call at run time",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Install the check of shapes and types before anything of the library is imported."""
    if config.getoption("--full") or config.getoption("--check-types"):
        from jaxtyping import install_import_hook

        if "regmdp" in sys.modules:
            raise RuntimeError("regmdp was imported before its shapes and types could be checked")
        install_import_hook("regmdp", "typechecker.typechecker")


# A checked function is wrapped, so doctest takes it for one of jaxtyping's and would silently leave
# its examples out.
_from_module = doctest.DocTestFinder._from_module


def _from_module_unwrapped(self, module, item):
    return _from_module(self, module, inspect.unwrap(item) if inspect.isroutine(item) else item)


doctest.DocTestFinder._from_module = _from_module_unwrapped
