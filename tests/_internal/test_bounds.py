"""Bounds that contradict each other, or are NaN, do not leave the library."""

import numpy as np
import pytest

import regmdp as rm
from regmdp._frontier.result import Frontier
from regmdp._internal.bounds import require_bounds, require_error_bound
from regmdp._internal.status import Status
from regmdp.certificates import Bounds, Certificate, PolicyEvaluation
from regmdp.gradients import GradientErrors

INF, NAN = np.inf, np.nan
GOOD = [(0.0, 0.0), (-INF, INF), (-1.0, INF), (-INF, -INF), (INF, INF)]
BAD = [(1.0, 0.0), (NAN, 0.0), (0.0, NAN), (NAN, NAN), (INF, -INF)]


@pytest.mark.parametrize(("low", "high"), GOOD)
def test_good_bounds_pass(low, high):
    require_bounds("it", low, high)
    Bounds(*(np.array([0.0, x]) for x in (low, high, low, high)))


@pytest.mark.parametrize(("low", "high"), BAD)
def test_bad_bounds_are_refused(low, high):
    low, high, zero = np.array([0.0, low]), np.array([0.0, high]), np.zeros(2)
    for attempt in (
        lambda: require_bounds("it", low, high),
        lambda: Bounds(low, high, zero, zero),
        lambda: Bounds(zero, zero, low, high),
        lambda: PolicyEvaluation(zero, zero, low, high, 0.0),
        lambda: Frontier(zero, zero, low, high, zero, zero, zero, zero, (), "", Status.CONVERGED),
        lambda: Frontier(zero, zero, zero, zero, zero, low, high, zero, (), "", Status.CONVERGED),
    ):
        with pytest.raises(rm.CertificateError, match="contradict each other at 1"):
            attempt()


def test_bounds_of_different_shapes_are_refused():
    with pytest.raises(rm.CertificateError, match=r"\(1,\) and \(2,\)"):
        require_bounds("it", np.zeros(1), np.zeros(2))


@pytest.mark.parametrize("bad", [NAN, -1.0])
@pytest.mark.parametrize("field", range(4))
def test_bad_bounds_on_errors_are_refused(bad, field):
    with pytest.raises(rm.CertificateError):
        require_error_bound("it", np.array([0.0, bad]))
    fields = [0.0, 0.0, 0.0, np.zeros(2)]
    GradientErrors(*fields)
    fields[field] = np.array([0.0, bad]) if field == 3 else bad
    with pytest.raises(rm.CertificateError):
        GradientErrors(*fields)


def test_a_gap_between_infinite_bounds_is_infinite():
    bounds = Bounds(*(np.array([x]) for x in (INF, INF, INF, INF)))
    assert Certificate.from_bounds(np.ones(1), bounds).gap == INF
