"""Temperatures that JAX traces: the same numbers as without JAX, and derivatives."""

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm

jax = pytest.importorskip("jax")

Q = np.random.default_rng(0).normal(size=(6, 4))
MASK = np.random.default_rng(1).random((6, 4)) < 0.7
MASK[:, 0] = True
UNIFORM = MASK / MASK.sum(axis=1, keepdims=True)
MAKE = {
    "Shannon": rm.Shannon,
    "KL": lambda tau: rm.KL(np.array([0.1, 0.2, 0.3, 0.4]), tau),
    "Tsallis, sparse": lambda tau: rm.Tsallis(2.0, tau),
    "Tsallis, heavy tails": lambda tau: rm.Tsallis(0.5, tau),
    "squared norm": rm.SquaredL2,
    "log barrier": rm.LogBarrier,
    "Rényi": lambda tau: rm.Renyi(0.5, tau),
    "weighted ℓ1": lambda tau: rm.WeightedL1(np.arange(4.0), tau),
}
METHODS = {
    "maximum": lambda h, mask: h.maximum(Q, mask),
    "maximiser": lambda h, mask: h.maximiser(Q, mask),
    "cost": lambda h, mask: h.cost(np.full((6, 4), 0.25) if mask is None else UNIFORM, mask),
}
each_mask = pytest.mark.parametrize("masked", tiered([True, False], 1))


@pytest.fixture(autouse=True)
def doubles():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", tiered(MAKE, ("Shannon", "squared norm")))
@each_mask
def test_values_are_those_of_numbers(name, masked):
    mask = MASK if masked else None
    temperatures = np.array([0.0, 1e-3, 0.3, 2.0])
    for method in METHODS.values():
        expected = np.stack([method(MAKE[name](tau), mask) for tau in temperatures])
        compiled = jax.jit(jax.vmap(lambda tau, method=method: method(MAKE[name](tau), mask)))
        np.testing.assert_allclose(compiled(temperatures), expected, rtol=1e-9, atol=1e-9)
    per_state = np.linspace(0.0, 1.0, 6)
    expected = MAKE[name](per_state).maximum(Q, mask)
    found = jax.jit(lambda tau: MAKE[name](tau).maximum(Q, mask))(per_state)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "name", tiered([name for name in MAKE if name != "Rényi"], ("Shannon", "KL"))
)
@each_mask
def test_derivatives_are_finite_and_right(name, masked):
    mask = MASK if masked else None

    def total(tau):
        return MAKE[name](tau).maximum(Q, mask).sum()

    # the derivative of the maximum is -h at the maximiser
    regularizer = MAKE[name](0.3)
    expected = -np.sum(regularizer.value(regularizer.maximiser(Q, mask), mask))
    assert float(jax.grad(total)(0.3)) == pytest.approx(float(expected), rel=1e-6)

    def mean(tau):
        return (MAKE[name](tau).maximiser(Q, mask) * Q).sum()

    step = 1e-6
    difference = (mean(0.3 + step) - mean(0.3 - step)) / (2 * step)
    assert float(jax.grad(mean)(0.3)) == pytest.approx(float(difference), rel=1e-4, abs=1e-6)


def test_what_cannot_be_traced_says_so():
    mdp = rm.models.chain(3)
    with pytest.raises(rm.RegularizerError, match="^the temperature is traced by JAX, and solvers"):
        jax.jit(lambda tau: rm.solve(mdp, rm.Shannon(tau)).value)(0.1)
    with pytest.raises(rm.RegularizerError, match="^JAX cannot trace the temperature of a part"):
        jax.jit(lambda tau: (rm.Shannon(tau) + rm.SquaredL2(1.0)).maximum(Q))(0.1)
    for make in (
        lambda tau: rm.CapBarrier(np.array([False, True, True, True]), 0.5, tau),
        lambda tau: rm.Sum([rm.Shannon(1.0), rm.SquaredL2(1.0)], tau),
    ):
        with pytest.raises(rm.RegularizerError, match="^temperature is not an array of numbers"):
            jax.jit(lambda tau, make=make: make(tau).maximum(Q))(0.1)
