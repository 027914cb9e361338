"""Bounds on spectral radii against radii that are known exactly."""

import numpy as np
import pytest
import scipy.sparse as sp
from mpmath import mp, mpf
from tiers import tiered

import regmdp as rm
from regmdp.applications import routes
from regmdp.applications.routes.factorization import log_radius
from regmdp.applications.routes.spectral import LogRadiusBounds, spectral_radius

#: Bounds on the radius of a matrix are this close together.
WIDTH = 3e-12


def exact_log_radius(matrix):
    """The logarithm of the radius of a 2 × 2 matrix of doubles, in 60 digits."""
    (a, b), (c, d) = [[mpf(float(x)) for x in row] for row in matrix]
    return mp.log((a + d + mp.sqrt((a - d) ** 2 + 4 * b * c)) / 2)


def assert_covers(bounds, exact):
    assert mpf(bounds.lower) <= exact <= mpf(bounds.upper)


@pytest.mark.parametrize("seed", tiered(range(36), 3))
def test_the_radius_of_two_by_two_matrices_is_between_the_bounds(seed):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        matrix = 10.0 ** rng.uniform(*((-1, 0), (-30, 0), (-200, 0))[seed % 3], size=(2, 2))
        exact = exact_log_radius(matrix)
        bounds = spectral_radius(sp.csr_array(matrix))
        assert_covers(bounds, exact)
        if seed % 3 == 0:
            scale = float(rng.normal(scale=100.0))
            assert_covers(spectral_radius(sp.csr_array(matrix), scale), exact + mpf(scale))
            assert bounds.upper - bounds.lower < WIDTH


@pytest.mark.parametrize("seed", range(4))
def test_the_radius_of_a_cycle_is_the_geometric_mean(seed):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        n = int(rng.integers(1, 7))
        weights = 10.0 ** rng.uniform(-3, 0, size=n)
        cycle = sp.csr_array((weights, (np.arange(n), np.roll(np.arange(n), -1))), shape=(n, n))
        exact = sum(mp.log(mpf(float(x))) for x in weights) / n
        assert_covers(spectral_radius(cycle), exact)


@pytest.mark.parametrize("entry", [1.0, 0.1, 1.0 + 2.0**-52, 1.0 - 2.0**-53, 5e-324, 1e-310])
def test_the_radius_of_one_entry_is_between_the_bounds(entry):
    bounds = spectral_radius(sp.csr_array([[entry]]))
    assert_covers(bounds, mp.log(mpf(entry)))
    assert bounds.upper - bounds.lower < 1e-12


def test_the_radius_of_an_acyclic_matrix_is_0():
    assert spectral_radius(sp.csr_array([[0.0, 1.0], [0.0, 0.0]])) == (-np.inf, -np.inf)


@pytest.mark.parametrize("seed", range(6))
def test_the_radius_of_exponentials_is_between_the_bounds(seed):
    # a link in each direction between two nodes: the only cycle has the length of both
    rng = np.random.default_rng(seed)
    network = routes.RoadNetwork([0, 1], [1, 0])
    for _ in range(50):
        w = rng.uniform(-1.0, 0.0, size=network.n_pairs) * 10.0 ** rng.uniform(-3, 3.2)
        exact = sum(mpf(float(x)) for x in w[: network.n_link_pairs]) / 2
        assert_covers(log_radius(network, w), exact)


@pytest.mark.parametrize(
    ("lower", "upper", "text"),
    [
        (0.0, 0.0, "between 0.999999999 and 1.00000001"),
        (-np.inf, -np.inf, "between 0 and 0"),
        (0.0, 800.0, "between 0.999999999 and inf"),
    ],
)
def test_bounds_are_rounded_outwards_when_they_are_shown(lower, upper, text):
    assert str(LogRadiusBounds(lower, upper)) == text


def test_a_radius_that_is_not_below_1_is_refused():
    network = routes.RoadNetwork([0, 1], [1, 0], {"length": np.ones(2)})
    features = routes.LinkFeatures(network, {"length": routes.link_attribute(network, "length")})
    with pytest.raises(rm.UnboundedError, match="spectral radius"):
        routes.RecursiveLogit(features, [-1e-14]).values([0])
    assert np.isfinite(routes.RecursiveLogit(features, [-1e-9]).values([0])).all()
