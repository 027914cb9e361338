"""Local rates of GPMD and PMD: compared with rescaled runs, with runs, and with formulas."""

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp.theory import compute_optimum, local_rates

MDP = rm.models.garnet(8, 4, 3, discount=0.5)
MASK = np.zeros((8, 4), dtype=bool)
MASK[:, :2] = True
TEMPERATURE = 0.1

REGULARIZERS = {
    "Shannon": rm.Shannon(TEMPERATURE),
    "KL": rm.KL([0.4, 0.3, 0.3, 0.0], TEMPERATURE),
    "squared norm": rm.SquaredL2(TEMPERATURE),
    "Tsallis 2": rm.Tsallis(2.0, TEMPERATURE),
    "Tsallis 3/2": rm.Tsallis(1.5, TEMPERATURE),
    "Tsallis 1/2": rm.Tsallis(0.5, TEMPERATURE),
    "log barrier": rm.LogBarrier(TEMPERATURE),
    "Rényi": rm.Renyi(0.5, TEMPERATURE),
    "cap": rm.CapBarrier(MASK, 0.5, TEMPERATURE),
    "cap of all": rm.CapBarrier(np.ones(4, dtype=bool), 0.5, TEMPERATURE),
    "price": rm.WeightedL1([0.0, 0.1, 0.2, 0.3], TEMPERATURE),
    "Shannon and squared norm": rm.Shannon(0.05) + rm.SquaredL2(TEMPERATURE),
    "squared norm in a box": rm.SquaredL2(0.5)
    + rm.Box(np.array([0.1, 0.0, 0.0, 0.0]), np.array([0.6, 0.6, 0.6, 0.5])),
    "cubes": rm.Separable(lambda p: p**3 / 3, lambda p: p**2, temperature=0.3),
    "a temperature per state": rm.Tsallis(1.5, np.linspace(0.02, 0.5, 8)),
}
SOME = ("KL", "Tsallis 3/2", "log barrier", "cap")


def measure_rate(regularizer, method, optimum):
    """Spectral radius of the derivative of one iteration at π*, by differences.

    The coordinates are the probabilities of a state but that of the likeliest action.
    """
    best, p = optimum.policy.argmax(axis=1), optimum.policy
    bounds = regularizer and regularizer.probability_bounds
    upper = np.broadcast_to(1.0 if bounds is None else bounds.upper, p.shape)
    coordinates = [(s, a) for s, a in np.ndindex(p.shape) if a != best[s] and optimum.allowed[s, a]]
    columns = []
    for s, a in coordinates:
        # from a bound inwards
        size = 1e-6 * (p[s, a] if p[s, a] > 0.0 else 0.1) * (1.0 if p[s, a] < upper[s, a] else -1.0)
        policy = np.maximum(p, 1e-200) * optimum.allowed  # PMD needs positive probabilities
        policy[s, a] += size
        policy[s, best[s]] -= size
        found = rm.solve(MDP, regularizer, method, tol=0.0, max_iterations=1, start=policy).policy
        columns.append([(found - p)[at] / size for at in coordinates])
    return np.max(np.abs(np.linalg.eigvals(np.array(columns).T)))


@pytest.mark.parametrize("name", tiered(REGULARIZERS, SOME))
@pytest.mark.parametrize("step", [1.0, 8.0])
def test_predicted_rates_are_those_of_pmd_close_to_the_optimum(name, step):
    regularizer = REGULARIZERS[name]
    optimum = compute_optimum(MDP, regularizer)
    rates = local_rates(MDP, regularizer, step_size=step, optimum=optimum)
    measured = measure_rate(regularizer, rm.algorithms.PMD(step), optimum)
    np.testing.assert_allclose(measured, rates.pmd, rtol=1e-3)


def test_without_a_regularizer():
    optimum = compute_optimum(MDP)
    measured = measure_rate(None, rm.algorithms.PMD(20.0), optimum)
    np.testing.assert_allclose(measured, local_rates(MDP, None, step_size=20.0).pmd, rtol=1e-3)


@pytest.mark.parametrize("name", tiered(REGULARIZERS, ["log barrier", "price"]))
def test_predicted_rates_are_those_of_gpmd_close_to_the_optimum(name):
    # started at policies of the face of π*: from others GPMD reaches it in finitely many steps
    regularizer = REGULARIZERS[name]
    optimum = compute_optimum(MDP, regularizer)
    rates = local_rates(MDP, regularizer, step_size=2.0, optimum=optimum)
    run = rm.theory.trace(MDP, regularizer, rm.algorithms.GPMD(2.0), max_iterations=120)
    errors = np.max(np.abs(run.policies - optimum.policy), axis=(1, 2))
    near = np.flatnonzero((errors > 1e-9) & (errors < 1e-4))
    if rates.gpmd == 0.0:
        assert errors[-1] <= 1e-12
        return
    measured = (errors[near[-1]] / errors[near[0]]) ** (1.0 / (near[-1] - near[0]))
    np.testing.assert_allclose(measured, rates.gpmd, rtol=1e-2)


VALUES = {
    # 1/1.1² for GPMD with any h; 1/(1 + 0.1 k)² or exp(-s) for PMD
    "Shannon": (rm.Shannon(0.1), (0.826, 0.826)),
    "Tsallis 2": (rm.Tsallis(2.0, 0.1), (0.826, 0.980)),
    "Tsallis 3/2": (rm.Tsallis(1.5, 0.1), (0.826, 0.950)),
    "Tsallis 1/2": (rm.Tsallis(0.5, 0.1), (0.826, 0.866)),
}


@pytest.mark.parametrize("name", tiered(VALUES, ["Tsallis 3/2"]))
def test_values_converge_at_the_predicted_rates(name):
    regularizer, factor = VALUES[name]
    mdp = rm.models.garnet(20, 5, 3, discount=0.5)
    optimum = compute_optimum(mdp, regularizer)
    rates = local_rates(mdp, regularizer, step_size=1.0, optimum=optimum)
    np.testing.assert_allclose((rates.gpmd_value, rates.pmd_value), factor, atol=1e-3)
    for method, predicted in (
        (rm.algorithms.GPMD(1.0), rates.gpmd_value),
        (rm.algorithms.PMD(1.0), rates.pmd_value),
    ):
        run = rm.theory.trace(mdp, regularizer, method, max_iterations=250)
        errors = np.max(np.abs(run.values - optimum.value), axis=1)
        last = np.flatnonzero(errors > 1e-11)[-1]
        measured = (errors[last] / errors[last - 30]) ** (1 / 30)
        np.testing.assert_allclose(measured, predicted, rtol=2e-3)


# ---- formulas ----


@pytest.mark.parametrize(
    ("regularizer", "second"),
    [
        (rm.Shannon(0.7), lambda p: 1.0 / p),
        (rm.LogBarrier(0.7), lambda p: 1.0 / p**2),
        (rm.SquaredL2(0.7), lambda p: 1.0),
        (rm.Tsallis(1.5, 0.7), lambda p: 1.5 * p**-0.5),
        (rm.Tsallis(0.5, 0.7), lambda p: 0.5 * p**-1.5),
        (rm.CapBarrier([True, True], 0.8, 0.7), lambda p: 1.0 / (0.8 - p) ** 2),
    ],
    ids=lambda one: getattr(type(one), "__name__", None),
)
def test_the_curvature_of_two_arms(regularizer, second):
    # one direction, (1, -1)
    mdp = rm.models.bandit((0.3, 0.0), discount=0.9)
    rates = local_rates(mdp, regularizer, step_size=3.0)
    p = compute_optimum(mdp, regularizer).policy[0]
    assert 0.51 < p[0] < 0.99
    expected = (second(p[0]) + second(p[1])) / (1.0 / p[0] + 1.0 / p[1])
    np.testing.assert_allclose(rates.curvature, [expected], rtol=1e-9)
    assert np.all(rates.margin == np.inf)
    np.testing.assert_allclose(rates.pmd, 1.0 / (1.0 + 3.0 * 0.7 * expected), rtol=1e-9)
    np.testing.assert_allclose(rates.gpmd, 1.0 / (1.0 + 3.0 * 0.7), rtol=1e-14)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_the_curvature_is_at_least_the_modulus(name):
    regularizer = REGULARIZERS[name]
    rates = local_rates(MDP, regularizer, step_size=1.0)
    assert rates.curvature.shape == rates.margin.shape == (8,)
    assert np.all(rates.curvature >= regularizer.relative_strong_convexity(4) * (1.0 - 1e-9))
    assert np.all(rates.margin > 0.0)


def test_margins():
    mdp = rm.models.bandit((1.0, 0.9, 0.1), discount=0.5)
    # without a regularizer the difference to the second arm
    np.testing.assert_allclose(local_rates(mdp, None, step_size=2.0).margin, [0.1], rtol=1e-12)
    assert local_rates(mdp, None, step_size=2.0).pmd_value == pytest.approx(np.exp(-0.2))
    # h = ½p²/2 at τ = 0.5: p = (0.6, 0.4, 0), λ = 0.9 - 0.5 · 0.4
    rates = local_rates(mdp, rm.SquaredL2(0.5), step_size=2.0)
    np.testing.assert_allclose(rates.margin, [0.7 - 0.1], rtol=1e-12)
    # bounds: the first arm is at 0.5 and the third excluded, while the second is free
    boxed = rm.SquaredL2(0.5) + rm.Box(0.0, [0.55, 1.0, 1.0])
    np.testing.assert_allclose(
        local_rates(mdp, boxed, step_size=2.0).margin, [0.9 - 0.5 * 0.45 - 0.1], rtol=1e-9
    )
    # the third arm must have 0.2, which says nothing about the multiplier
    forced = rm.SquaredL2(0.5) + rm.Box([0.0, 0.0, 0.2], 1.0)
    rates = local_rates(mdp, forced, step_size=2.0)
    assert rates.margin[0] == np.inf
    forced = rm.SquaredL2(0.05) + rm.Box([0.0, 0.0, 0.2], 1.0)
    np.testing.assert_allclose(
        local_rates(mdp, forced, step_size=2.0).margin, [1.0 - 0.05 * 0.8 - 0.9], rtol=1e-9
    )


def test_actions_that_are_forbidden_or_underflow_are_not_excluded():
    mdp = rm.models.bandit((1.0, 0.9, 0.95), discount=0.5)
    forbidden = rm.SquaredL2(0.5) + rm.Box(0.0, [1.0, 1.0, 0.0])
    assert local_rates(mdp, forbidden, step_size=1.0).margin[0] == np.inf
    cold = rm.Shannon(1e-4)
    assert compute_optimum(mdp, cold).policy[0, 1] == 0.0
    rates = local_rates(mdp, cold, step_size=1.0)
    assert rates.margin[0] == np.inf
    np.testing.assert_allclose(rates.pmd, 1.0 / 1.0001, rtol=1e-12)


def test_finite_convergence_and_errors_of_first_order():
    mdp = rm.models.bandit((1.0, 0.9, 0.1), discount=0.5)
    rates = local_rates(mdp, rm.SquaredL2(0.01), step_size=2.0)
    assert rates.gpmd == rates.gpmd_value == 0.0
    assert rates.curvature[0] == np.inf
    # λ = 1 - τ
    assert rates.pmd == rates.pmd_value == pytest.approx(np.exp(-2.0 * 0.09))
    largest = local_rates(mdp, rm.Shannon(0.5), step_size=1e9)
    np.testing.assert_allclose(largest[:4], [2e-9, 2e-9, 4e-18, 4e-18], rtol=1e-6)


def test_terminal_states_and_unavailable_actions():
    mdp = rm.MDP(
        np.array([[[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0]] * 3]),
        np.array([[1.0, 0.8, 5.0], [0.0] * 3]),
        0.9,
        available=np.array([[True, True, False], [False] * 3]),
    )
    rates = local_rates(mdp, rm.SquaredL2(3.0), step_size=1.0)
    assert rates.curvature[1] == rates.margin[1] == np.inf
    p = compute_optimum(mdp, rm.SquaredL2(3.0)).policy[0]
    expected = 2.0 / (1.0 / p[0] + 1.0 / p[1])
    np.testing.assert_allclose(rates.curvature[0], expected, rtol=1e-9)


class Spread(rm.Regularizer):
    """Half the squared distance from uniform, without a gradient."""

    def __init__(self, temperature):
        self.temperature = temperature

    def value(self, p, available=None):
        return 0.5 * np.sum((p - 1 / 3) ** 2, axis=-1)

    def greedy(self, y, available=None):
        return rm.SquaredL2(temperature=1.0).greedy(y + 1 / 3, available)


def test_a_regularizer_without_a_gradient():
    mdp = rm.models.bandit(discount=0.5)
    found = local_rates(mdp, Spread(2.0), step_size=1.0)
    np.testing.assert_allclose(
        found.curvature, local_rates(mdp, rm.SquaredL2(2.0), step_size=1.0).curvature, rtol=1e-6
    )
    for one in (Spread(0.5), Spread(0.5) + rm.WeightedL1([0.0, 0.0, 0.1], 1.0)):
        with pytest.raises(rm.SolverError, match="has no gradient there; define its method subgr"):
            local_rates(mdp, one, step_size=1.0)


@pytest.mark.parametrize("step", [0.0, -1.0, np.inf, np.nan, "1"])
def test_wrong_step_sizes(step):
    with pytest.raises(rm.SolverError, match="step_size must be"):
        local_rates(MDP, rm.Shannon(0.1), step_size=step)
