"""The two tiers of the tests, and the check of shapes and types at run time.

``pytest`` alone runs the quick tier: what is not marked ``slow``. ``pytest --full`` runs every test
and every docstring example, and checks the annotated shapes and types of every call.

It lies in the root because pytest loads it before it imports anything of ``src`` or ``tests``,
whichever of them it is asked to run.
"""

import doctest
import inspect
import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tests"))

#: Docstring examples that take long; a docstring has no place for a mark.
SLOW_EXAMPLES = {"AdaptiveStepSize", "OnPolicyMDPO", "TRPO", "train_vectorized"}

# What JAX has compiled is kept for the next run, here and in the processes that tests start.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_addoption(parser):
    """Add the options of the tiers."""
    parser.addoption(
        "--full",
        action="store_true",
        help="run everything, every seed, with shapes and types checked at run time",
    )
    parser.addoption(
        "--check-types",
        action="store_true",
        help="check the annotated shapes and types of every call at run time",
    )


def pytest_xdist_auto_num_workers(config):
    """Use no further processes where mpiexec has started several."""
    several = {os.environ.get(name, "1") for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")} != {"1"}
    return 0 if several else None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Install the check of shapes and types before anything of the library is imported."""
    config.addinivalue_line("markers", "slow: left out unless pytest is called with --full")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell starts commands in the background so; tests press Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--full") or config.getoption("--check-types"):
        from jaxtyping import install_import_hook

        if "regmdp" in sys.modules:
            raise RuntimeError("regmdp was imported before its shapes and types could be checked")
        install_import_hook("regmdp", "typechecker.typechecker")


def pytest_collection_modifyitems(config, items):
    """Leave out what is slow, unless it is asked for: everything, by a mark, or by its name."""
    named = any("::" in argument for argument in config.args)
    if config.getoption("--full") or config.getoption("-m") or named:
        return
    config.hook.pytest_deselected(items=[item for item in items if _is_slow(item)])
    items[:] = [item for item in items if not _is_slow(item)]


def _is_slow(item):
    if isinstance(item, pytest.DoctestItem):
        return item.name.rpartition(".")[2] in SLOW_EXAMPLES
    return item.get_closest_marker("slow") is not None


# A checked function is wrapped, so doctest takes it for one of jaxtyping's and would silently leave
# its examples out.
_from_module = doctest.DocTestFinder._from_module


def _from_module_unwrapped(self, module, item):
    return _from_module(self, module, inspect.unwrap(item) if inspect.isroutine(item) else item)


doctest.DocTestFinder._from_module = _from_module_unwrapped
