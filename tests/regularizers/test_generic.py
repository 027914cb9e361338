"""Greedy distributions by the general method, against closed forms: two halves of one regularizer
are the whole.
"""

import numpy as np
import pytest

import regmdp as rm


class Half(rm.Regularizer):
    """Half of Shannon's entropy, from ``value`` and ``greedy`` alone."""

    temperature = 1.0

    def value(self, p, available=None):
        return 0.5 * rm.Shannon(temperature=1.0).value(p)

    def greedy(self, y, available=None):
        return rm.Shannon(temperature=1.0).greedy(2 * y)


#: The sum, and what it is.
SUMS = {
    "Rényi": (
        rm.Renyi(0.5, temperature=0.3) + rm.Renyi(0.5, temperature=0.7),
        rm.Renyi(0.5, temperature=1.0),
    ),
    "Rényi, heavy tails": (
        rm.Renyi(0.05, temperature=0.3) + rm.Renyi(0.05, temperature=0.7),
        rm.Renyi(0.05, temperature=1.0),
    ),
    "a user's own and Shannon": (Half() + rm.Shannon(temperature=0.5), rm.Shannon(temperature=1.0)),
}

PATTERNS = [[0.0, -1.0], [0.0, -1.0, -2.0], [0.0, -1e-70, -1.0], [-1.0, 0.0, 0.0]]


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("distance", [1.0, 1e14, 1e30, 1e61, 1e90])
def test_scores_that_are_far_apart(name, distance):
    both, whole = SUMS[name]
    for pattern in PATTERNS:
        y = np.array(pattern) * distance
        claim = both.rounding(y.size) + whole.rounding(y.size)
        p = both.greedy(y)
        assert abs(p.sum() - 1.0) <= 1e-15
        assert both.conjugate(y) == pytest.approx(whole.conjugate(y), rel=0, abs=claim)


@pytest.mark.parametrize("distance", [1e150, 1e250, np.inf])
@pytest.mark.parametrize("name", ["Rényi", "a user's own and Shannon"])
def test_scores_that_are_very_far_apart(name, distance):
    both, _ = SUMS[name]
    np.testing.assert_array_equal(both.greedy(np.array([0.0, -distance])), [1.0, 0.0])
    np.testing.assert_allclose(
        both.greedy(np.array([0.0, 0.0, -distance])), [0.5, 0.5, 0.0], rtol=1e-8
    )


def test_what_cannot_be_found_is_an_error_and_no_wrong_answer():
    # an action 1e300 below the best has a probability of about 1e-300, which adds 1.05 % to what
    # Rényi's entropy has
    both = rm.Renyi(0.001, temperature=0.3) + rm.Renyi(0.001, temperature=0.7)
    with pytest.raises(
        rm.RegularizerError, match="the greedy distribution of Sum is only known to be within"
    ):
        both.greedy(np.array([0.0, -1.0, -1e300]))


SQUARE = rm.Convex(lambda p: 0.5 * np.sum(p * p, axis=-1), lambda p: p, temperature=0.003)
CAPPED = np.array([False, True, True, True, False, True])


@pytest.mark.parametrize("distance", [1e3, 2.67e10, 1e11, 1e12])
def test_caps_far_above_where_it_is_decided(distance):
    """What the best actions leave is shared by tied ones, far below."""
    cap = rm.CapBarrier(CAPPED, 0.25, temperature=0.3)
    found, right = SQUARE + cap, rm.SquaredL2(temperature=0.003) + cap
    for pattern in (
        [-1.0, 0.0, -0.99, -1.0, -1.0, -1.0],
        [-1.0, 0.0, -0.3, -1.0 - 1e-9, -1.0, -1.5],
    ):
        y = np.array(pattern) * distance
        claim = found.rounding(6) + right.rounding(6) + 16 * (6 + 4) * 2.0**-53 * distance
        p = found.greedy(y)
        assert np.all((p >= 0) & (p <= np.where(CAPPED, 0.25, 1.0)))
        assert found.conjugate(y) == pytest.approx(right.conjugate(y), rel=0, abs=claim)
        np.testing.assert_allclose(p, right.greedy(y), rtol=0, atol=1e-3)
