"""Greedy distributions by the numerical method, compared with closed forms.

Two parts of one regularizer sum to the whole.
"""

import numpy as np
import pytest

import regmdp as rm


class Half(rm.Regularizer):
    """Half of Shannon's entropy, with only ``value`` and ``greedy``."""

    temperature = 1.0

    def value(self, p, available=None):
        return 0.5 * rm.Shannon(temperature=1.0).value(p)

    def greedy(self, y, available=None):
        return rm.Shannon(temperature=1.0).greedy(2 * y)


#: The sum, and the regularizer it is equal to.
SUMS = {
    "Rényi": (
        rm.Renyi(0.5, temperature=0.3) + rm.Renyi(0.5, temperature=0.7),
        rm.Renyi(0.5, temperature=1.0),
    ),
    "Rényi, heavy tails": (
        rm.Renyi(0.05, temperature=0.3) + rm.Renyi(0.05, temperature=0.7),
        rm.Renyi(0.05, temperature=1.0),
    ),
    "user-defined and Shannon": (Half() + rm.Shannon(temperature=0.5), rm.Shannon(temperature=1.0)),
}

PATTERNS = [[0.0, -1.0], [0.0, -1.0, -2.0], [0.0, -1e-70, -1.0], [-1.0, 0.0, 0.0]]


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("distance", [1.0, 1e14, 1e30, 1e61, 1e90])
def test_scores_that_are_far_apart(name, distance):
    both, whole = SUMS[name]
    for pattern in PATTERNS:
        y = np.array(pattern) * distance
        tolerance = both.rounding(y.size) + whole.rounding(y.size)
        p = both.greedy(y)
        assert abs(p.sum() - 1.0) <= 1e-15
        assert both.conjugate(y) == pytest.approx(whole.conjugate(y), rel=0, abs=tolerance)


@pytest.mark.parametrize("distance", [1e150, 1e250, np.inf])
@pytest.mark.parametrize("name", ["Rényi", "user-defined and Shannon"])
def test_scores_that_are_very_far_apart(name, distance):
    both, _ = SUMS[name]
    np.testing.assert_array_equal(both.greedy(np.array([0.0, -distance])), [1.0, 0.0])
    np.testing.assert_allclose(
        both.greedy(np.array([0.0, 0.0, -distance])), [0.5, 0.5, 0.0], rtol=1e-8
    )


def test_an_inaccurate_greedy_distribution_is_an_error():
    # an action 1e300 below the best has a probability of about 1e-300, which changes the Rényi
    # entropy by 1.05 %
    both = rm.Renyi(0.001, temperature=0.3) + rm.Renyi(0.001, temperature=0.7)
    with pytest.raises(
        rm.RegularizerError, match="the greedy distribution of Sum is only known to be within"
    ):
        both.greedy(np.array([0.0, -1.0, -1e300]))


SQUARE = rm.Convex(lambda p: 0.5 * np.sum(p * p, axis=-1), lambda p: p, temperature=0.003)
CAPPED = np.array([False, True, True, True, False, True])


@pytest.mark.parametrize("distance", [1e3, 2.67e10, 1e11, 1e12])
def test_capped_actions_far_above_the_marginal_score(distance):
    """Tied actions far below share the probability that the best actions leave."""
    cap = rm.CapBarrier(CAPPED, 0.25, temperature=0.3)
    found, closed = SQUARE + cap, rm.SquaredL2(temperature=0.003) + cap
    for pattern in (
        [-1.0, 0.0, -0.99, -1.0, -1.0, -1.0],
        [-1.0, 0.0, -0.3, -1.0 - 1e-9, -1.0, -1.5],
    ):
        y = np.array(pattern) * distance
        tolerance = found.rounding(6) + closed.rounding(6) + 16 * (6 + 4) * 2.0**-53 * distance
        p = found.greedy(y)
        assert np.all((p >= 0) & (p <= np.where(CAPPED, 0.25, 1.0)))
        assert found.conjugate(y) == pytest.approx(closed.conjugate(y), rel=0, abs=tolerance)
        np.testing.assert_allclose(p, closed.greedy(y), rtol=0, atol=1e-3)
