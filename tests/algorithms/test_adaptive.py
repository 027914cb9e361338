"""Policy iteration that adapts while it runs, and its evaluations within a budget."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm
from regmdp._internal import heartbeat
from regmdp.algorithms.adaptive import AdaptivePolicyIteration
from regmdp.evaluation.base import Chain
from regmdp.evaluation.budgeted import Plan, evaluate_within, measure_size
from regmdp.evaluation.krylov_methods import bicgstab, gmres


def ring(n_states: int, discount: float) -> rm.MDP:
    """A ring with a prize at one place."""
    moves = [sp.csr_array(np.roll(np.eye(n_states), step, axis=1)) for step in (-1, 1)]
    rewards = np.zeros((n_states, 2))
    rewards[0] = 1.0
    return rm.MDP.from_action_matrices(moves, rewards, discount)


def rounds(n_layers: int, width: int) -> sp.csr_array:
    """Layers that are passed in turn: eigenvalues around a circle."""
    rng, n = np.random.default_rng(0), n_layers * width
    states = np.repeat(np.arange(n), 2)
    after = (states // width + 1) % n_layers * width + rng.integers(width, size=2 * n)
    chain = sp.csr_array((np.full(2 * n, 0.5), (states, after)), shape=(n, n))
    chain.sum_duplicates()
    return chain


MODELS = {
    "random": lambda: rm.models.garnet(400, 6, 4, rng=0, discount=0.99),
    "dense": lambda: rm.models.garnet(250, 3, 250, rng=0, discount=0.9),
    "queue": lambda: rm.models.queue(400, discount=0.9999),
    "forest": lambda: rm.models.forest(500, discount=0.99),
    "ring": lambda: ring(300, 0.999),
    "gridworld": lambda: rm.models.gridworld(20, 20),
    "no future": lambda: rm.models.garnet(300, 3, 3, rng=0, discount=0.0),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("regularizer", [None, rm.Shannon(0.05), rm.Tsallis(1.5, 0.1)], ids=str)
def test_it_finds_what_exact_policy_iteration_finds(name, regularizer):
    mdp = MODELS[name]()
    ours = rm.solve(mdp, regularizer)
    assert ours.provenance.algorithm == "adaptive policy iteration"
    assert ours.status.ok
    exact = rm.solve(mdp, regularizer, rm.algorithms.PolicyIteration())
    allowed = ours.certificate.gap + exact.certificate.gap
    assert np.max(np.abs(ours.value - exact.value)) <= allowed + 1e-12


def test_a_run_is_the_same_to_the_bit_whatever_the_clock_says(monkeypatch):
    mdp = rm.models.garnet(1000, 10, 5, rng=0, discount=0.999)
    first = rm.solve(mdp)
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.0)
    events = []
    again = rm.solve(mdp, callback=events.append)
    np.testing.assert_array_equal(first.value, again.value)
    np.testing.assert_array_equal(first.policy, again.policy)
    assert first.iterations == again.iterations < len(events) - 1


def test_it_evaluates_exactly_where_less_has_led_nowhere(monkeypatch):
    monkeypatch.setattr("regmdp.algorithms.adaptive.ATTEMPTS", 0)
    mdp = MODELS["random"]()
    solution = rm.solve(mdp)
    exact = rm.solve(mdp, algorithm=rm.algorithms.PolicyIteration())
    assert solution.status.ok
    assert np.max(np.abs(solution.value - exact.value)) <= 1e-8 * np.max(np.abs(exact.value))


@pytest.mark.parametrize("given", ["value", "policy"])
def test_it_starts_from_what_is_given(given):
    mdp = MODELS["random"]()
    best = rm.solve(mdp)
    method = AdaptivePolicyIteration()
    assert rm.solve(mdp, algorithm=method, start=getattr(best, given)).iterations <= 1


# ---- evaluation within a budget ----


def make_chain(discount: float = 0.99) -> tuple[Chain, np.ndarray]:
    mdp = rm.models.garnet(2000, 1, 4, rng=0, discount=discount)
    return Chain.from_policy(mdp, np.ones((2000, 1))), np.asarray(mdp.rewards[:, 0])


@pytest.mark.parametrize("goal", [1e-2, 1e-10])
def test_the_residual_is_as_small_as_asked(goal):
    chain, rewards = make_chain()
    found = evaluate_within(chain, rewards, Plan(goal, np.inf))
    size, _ = measure_size(chain.residual(found.value, rewards), True)
    assert size == pytest.approx(found.size, abs=1e-12)
    assert found.size <= goal


def test_it_ends_with_its_budget():
    chain, rewards = make_chain(0.9999)
    lazy = Chain(sp.csr_array(0.999 * sp.eye_array(2000) + 0.001 * chain.matrix), 0.9999, 1e-12)
    small, large = (evaluate_within(lazy, rewards, Plan(1e-12, work)) for work in (1e5, 1e7))
    assert small.work < large.work < 2e7
    assert large.size < small.size


@pytest.mark.parametrize("method", [bicgstab, gmres], ids=["bicgstab", "gmres"])
def test_krylov_methods_solve_a_chain_with_a_period(method):
    chain, b = Chain(rounds(10, 30), 0.999), np.random.default_rng(1).standard_normal(300)
    _, x, residual = next(step for step in method(chain, b) if step[0] >= 120)
    np.testing.assert_allclose(chain.residual(x, b), residual, atol=1e-8)
    assert np.max(np.abs(residual)) < 1e-5


def test_gmres_ends_where_no_direction_is_left():
    chain = Chain(sp.csr_array(np.eye(5)), 0.5)
    steps = list(gmres(chain, np.ones(5)))
    assert len(steps) == 1
    np.testing.assert_allclose(steps[0][1], 2.0)


# ---- signs of life ----


def test_events_come_from_within_an_iteration_too(monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.0)
    events = []
    recorder = rm.algorithms.Recorder()
    solution = rm.solve(MODELS["random"](), callback=[events.append, recorder])
    within = [event for event in events if event.within]
    assert len(within) > len(events) - len(within) == solution.iterations + 1
    assert len(recorder.states) == solution.iterations + 1
    assert "still running" in repr(within[-1])
    assert within[0].state is None
    assert within[0].measures["gap"] == np.inf
    assert [event.seconds for event in events] == sorted(event.seconds for event in events)


@pytest.mark.parametrize("algorithm", ["auto", rm.algorithms.PolicyIteration()], ids=str)
def test_a_callback_stops_a_run_within_an_iteration(monkeypatch, algorithm):
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.0)
    mdp = MODELS["random"]()
    stopped = rm.solve(mdp, None, algorithm, callback=lambda event: not event.within)
    assert stopped.status is rm.Status.STOPPED
    assert stopped.iterations == 0
    best = rm.solve(mdp).value
    assert np.all(stopped.certificate.lower <= best + 1e-9)
    assert np.all(best <= stopped.certificate.upper + 1e-9)


def test_ctrl_c_within_an_evaluation_leaves_the_last_iterate(monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.0)

    pressed = []

    def press(event):
        if event.within and event.state is not None and event.iteration == 1 and not pressed:
            pressed.append(event)
            raise KeyboardInterrupt

    solution = rm.solve(MODELS["random"](), callback=press)
    assert (solution.status, solution.iterations) == (rm.Status.INTERRUPTED, 1)


def test_a_long_factorization_gives_signs_of_life(monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.0)
    monkeypatch.setattr("regmdp.evaluation.direct.STATES_AT_ONCE", 0)
    events = []
    method = rm.algorithms.PolicyIteration(rm.evaluation.Direct())
    solution = rm.solve(MODELS["gridworld"](), None, method, callback=events.append)
    assert solution.status.ok
    assert sum(event.within for event in events) > solution.iterations


def test_errors_on_the_other_thread_are_raised():
    def fail():
        raise ZeroDivisionError

    with heartbeat.listen(lambda: None), pytest.raises(ZeroDivisionError):
        heartbeat.run_beating(fail)
