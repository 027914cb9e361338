"""Tests of several processes: ``mpiexec -n 3 python -m pytest tests/distributed``.

All processes run the same tests in the same order. A failure in one of them ends the job, as the
others may wait for it. Without mpiexec nothing is collected.
"""

import os
import sys
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
from contract.lists import MODELS, STORAGES

import regmdp as rm
from regmdp._internal.mpi import count_launched, join_all
from regmdp.mdp import transitions

SEVERAL = count_launched() > 1
if not SEVERAL:
    collect_ignore_glob = ["test_*.py"]

#: Pairs of a block, so that small models have several.
PAIRS_PER_BLOCK = 9


def pytest_configure(config):
    if SEVERAL and join_all().rank > 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def pytest_runtest_logreport(report):
    if SEVERAL and report.failed:
        from mpi4py import MPI

        text = f"\nrank {join_all().rank}: {report.nodeid}\n{report.longreprtext}\n"
        os.write(2, text.encode())
        sys.stderr.flush()
        MPI.COMM_WORLD.Abort(1)


@pytest.fixture
def ranks():
    """The communicator of all processes."""
    return join_all()


@pytest.fixture
def folder(tmp_path):
    """A folder that all processes share."""
    return join_all().first("folder", lambda: tmp_path)


@contextmanager
def small_blocks(pairs=PAIRS_PER_BLOCK):
    """Make blocks so small that the models of the tests have several."""
    whole = transitions.MAX_PAIRS_PER_BLOCK
    transitions.MAX_PAIRS_PER_BLOCK = pairs
    try:
        yield
    finally:
        transitions.MAX_PAIRS_PER_BLOCK = whole


def save_and_open(mdp, path, pairs=PAIRS_PER_BLOCK):
    """Return a model as one process alone opens it, and as all processes share it."""
    with small_blocks(pairs):
        join_all().first("save", lambda: rm.io.save_mapped(mdp, path))
        return rm.io.open_mapped(path), rm.io.open_distributed(path)


@cache
def open_both(name):
    """Return a model of the contract's list, alone and shared."""
    import tempfile
    from pathlib import Path

    path = join_all().first("path", lambda: Path(tempfile.mkdtemp(prefix="regmdp-ranks-")))
    mdp = STORAGES["sparse"](MODELS[name](np.random.default_rng(0)))
    return save_and_open(mdp, path / "model")


def assert_same(alone, shared):
    """Check that two solutions have the same bits."""
    assert (alone.status, alone.iterations) == (shared.status, shared.iterations)
    for name in ("value", "policy", "initial"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(shared, name), name)
    for name in ("lower", "upper", "policy_lower", "policy_upper", "gap"):
        one, other = (getattr(solution.certificate, name) for solution in (alone, shared))
        np.testing.assert_array_equal(one, other, name)
    for name in ("residual", "gap", "value"):
        one, other = (getattr(solution.history, name) for solution in (alone, shared))
        np.testing.assert_array_equal(one, other, name)
