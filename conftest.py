"""Checks the shape annotations of regmdp at run time, in tests and docstring examples alike.

It lies in the root because pytest loads it before it imports anything of ``src`` or ``tests``,
whichever of them it is asked to run.
"""

import doctest
import inspect
import sys
from pathlib import Path

from jaxtyping import install_import_hook

if "regmdp" in sys.modules:
    raise RuntimeError(
        "regmdp was imported before the shape checks were installed; import it in test files only"
    )
sys.path.insert(0, str(Path(__file__).parent / "tests"))
install_import_hook("regmdp", "typechecker.typechecker")


# A checked function is wrapped, so doctest takes it for one of jaxtyping's and would silently leave
# its examples out.
_from_module = doctest.DocTestFinder._from_module


def _from_module_unwrapped(self, module, item):
    return _from_module(self, module, inspect.unwrap(item) if inspect.isroutine(item) else item)


doctest.DocTestFinder._from_module = _from_module_unwrapped
