"""Iterations to an accuracy: compared with independent loops."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp.reproduce.experiments import scaling
from regmdp.reproduce.experiments import scaling_runs as runs
from regmdp.reproduce.experiments.scaling_runs import METHODS, Count, Settings

TINY = Settings(
    states=(4, 24),
    actions=(2, 12),
    horizons=(2, 10),
    base=(6, 3, 5),
    models=2,
    branching=3,
    temperature=0.05,
    accuracy=0.02,
    acceleration=4000.0,
    divisors=(4,),
    cap=2000,
    seed=0,
)


def softmax(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def evaluate(mdp, policy, tau):
    """V and Q of a policy by one linear solve, and the visits from a uniform start."""
    P, r, gamma = mdp.to_array(), np.asarray(mdp.rewards), mdp.discount
    n = len(r)
    system = np.eye(n) - gamma * np.einsum("sa,sat->st", policy, P)
    value = np.linalg.solve(system, (policy * (r - tau * np.log(policy))).sum(axis=1))
    return value, r + gamma * P @ value, np.linalg.solve(system.T, np.full(n, 1.0 / n))


def best_value(mdp, tau):
    value = np.zeros(mdp.n_states)
    for _ in range(3000):
        q = mdp.rewards + mdp.discount * mdp.to_array() @ value
        top = q.max(axis=1)
        value = (
            top if tau == 0 else top + tau * np.log(np.exp((q - top[:, None]) / tau).sum(axis=1))
        )
    return value


def iterations(mdp, method, step, accuracy, temperature):
    """Iterations of a method until V*(ρ) - V(ρ) ≤ ε, ρ uniform."""
    tau = temperature if method.startswith("entropy") else 0.0
    goal = best_value(mdp, tau).mean() - accuracy / (1.0 - mdp.discount)
    logits = np.zeros((mdp.n_states, mdp.n_actions))
    for k in range(10_000):
        policy = softmax(logits)
        value, q, visits = evaluate(mdp, policy, tau)
        if value.mean() >= goal:
            return k
        advantage = q - tau * np.log(policy) - value[:, None]
        if method.endswith("NPG"):
            logits = (1.0 - step * tau / (1.0 - mdp.discount)) * np.log(policy) + step * q / (
                1.0 - mdp.discount
            )
        else:
            logits = logits + step * visits[:, None] * policy * advantage
    raise AssertionError("too many iterations")


@pytest.mark.parametrize("shape", [(6, 3, 5), (4, 5, 10)])
def test_counts_equal_those_of_plain_loops(shape):
    mdp = runs.make_random_model(shape, 1, TINY)
    cell = runs.run_all_methods(runs.ModelTask(shape, 1, TINY))
    for method, one in zip(METHODS, cell.counts, strict=True):
        assert one.iterations == iterations(
            mdp, method, one.step, TINY.accuracy, TINY.temperature
        ), method
        assert one.ascending
        assert not one.capped


def test_the_steps():
    mdp = runs.make_random_model((6, 3, 5), 0, TINY)
    cell = runs.run_all_methods(runs.ModelTask((6, 3, 5), 0, TINY))
    # rewards are in [0, 1], so their range is at most 1, and the step of policy gradient at least
    # (1-γ)³/8 and not much more
    assert 1.0 <= cell.counts[0].step / (TINY.acceleration * 0.2**3 / 8) <= 2.0
    assert cell.counts[1].step < cell.counts[0].step
    np.testing.assert_allclose([one.step for one in cell.counts[2:]], 0.2**2 * np.log(3))
    # 2/((1-γ)²ε), with ε = accuracy/(1-γ), for rewards of range 1 and a deterministic optimal
    # policy
    assert 0.8 * cell.guaranteed <= 2.0 / (0.2 * TINY.accuracy) <= 1.2 * cell.guaranteed
    np.testing.assert_allclose(mdp.initial, 1.0 / 6.0)


def test_run_that_reaches_the_cap():
    mdp = runs.make_random_model((6, 3, 5), 0, TINY)
    step = runs.natural_step(mdp)
    one = runs.count_iterations(mdp, rm.Unregularized(), rm.algorithms.NPG(step), step, 3, TINY)
    assert one == Count(step, 3, True, True)


def test_models_are_reproducible_and_different():
    one, same, other = (runs.make_random_model((6, 3, 5), number, TINY) for number in (0, 0, 1))
    assert one.digest == same.digest != other.digest
    assert one.transitions.storage == "dense"
    assert one.rewards.min() >= 0.0
    assert one.rewards.max() <= 1.0


@pytest.fixture(scope="module")
def result():
    return scaling.run(TINY, lambda fraction, text: None)


@pytest.mark.slow
def test_a_small_run(result):
    assert [check.claim for check in result.checks if not check.passed] == []
    table = result.tables["scaling"]
    # three sweeps of two sizes
    assert table["iterations"].size == 3 * 2 * TINY.models * len(METHODS)
    assert result.tables["smaller-steps"]["iterations"].size == 2
    assert result.tables["smaller-steps"]["step"][0] < result.tables["smaller-steps"]["step"][1]


@pytest.mark.slow
def test_the_figure_can_be_drawn(result):
    from regmdp import plots

    with plots.style():
        drawn = result.figures["scaling"].draw()
        assert plots.to_svg(drawn).startswith("<svg")
    assert len(drawn.axes) == 3


@pytest.mark.slow
def test_growth_is_detected(result):
    table = {name: column.copy() for name, column in result.tables["scaling"].items()}
    natural = (table["method"] == "NPG") & (table["grows"] == "states")
    table["iterations"][natural] *= table["states"][natural]
    failed = [check.claim for check in failing(table, result)]
    assert "NPG does not slow down with more states" in failed
    table = {name: column.copy() for name, column in result.tables["scaling"].items()}
    table["iterations"][table["method"] == "PG"] = 100
    failed = [check.claim for check in failing(table, result)]
    assert len(failed) == 3
    assert all(claim.startswith("PG slows down") for claim in failed)


def failing(table, result):
    counted = [runs.Cell((Count(1.0, 1, False, True),) * len(METHODS), 1)]
    return [
        check
        for check in scaling._make_checks(table, result.tables["smaller-steps"], counted, TINY)
        if not check.passed
    ]


def test_capped_runs_are_reported():
    capped = scaling.run(replace(TINY, cap=5, models=1, divisors=()), lambda fraction, text: None)
    table = capped.tables["scaling"]
    assert np.all(table["iterations"][table["capped"]] == 5)
    assert table["capped"].any()
    assert (
        f"{np.count_nonzero(table['capped'])} runs were stopped at 5 iterations"
        in capped.figures["scaling"].caption
    )
    assert "NPG never needs more iterations than its bound" in [
        check.claim for check in capped.checks if not check.passed
    ]
