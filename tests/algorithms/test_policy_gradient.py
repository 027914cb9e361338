"""Gradient methods: their gradients are those of the value, and the natural ones are one method in
two forms.
"""

from itertools import pairwise

import numpy as np
import pytest

import regmdp as rm
from regmdp.algorithms import (
    GPMD,
    NPG,
    PMD,
    FisherNPG,
    Maximum,
    Recorder,
    SoftmaxPG,
    SoftPolicyIteration,
)
from regmdp.improvement.step_size_improvement import as_step_size


def model(seed, discount=0.9, n_states=5, n_actions=3, masked=False, ends=False):
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(n_states), size=(n_states, n_actions))
    available = (
        rng.random((n_states, n_actions)) < 0.7
        if masked
        else np.ones((n_states, n_actions), dtype=bool)
    )
    available[:, 0] = True
    termination = np.full((n_states, n_actions), 0.1 if ends else 0.0)
    rows *= 1.0 - termination[..., None]
    initial = rng.dirichlet(np.ones(n_states))
    return rm.MDP(
        rows,
        rng.normal(size=(n_states, n_actions)),
        discount,
        available=available,
        termination=termination,
        initial=initial,
    )


def some_policy(mdp, seed):
    weight = (
        np.random.default_rng(seed).exponential(size=mdp.available.shape) * mdp.available
        + 0.05 * mdp.available
    )
    return weight / weight.sum(axis=1, keepdims=True)


def softmax(logits, available):
    weight = np.where(
        available,
        np.exp(logits - np.max(np.where(available, logits, -np.inf), axis=1, keepdims=True)),
        0.0,
    )
    return weight / weight.sum(axis=1, keepdims=True)


def iterates(mdp, regularizer, algorithm, n, start=None):
    recorder = Recorder()
    rm.solve(mdp, regularizer, algorithm, tol=0, max_iterations=n, start=start, callback=recorder)
    return recorder.states


REGULARIZERS = {
    "none": lambda mdp: None,
    "Shannon": lambda mdp: rm.Shannon(0.3),
    "a temperature per state": lambda mdp: rm.Shannon(np.linspace(0.0, 0.5, mdp.n_states)),
    "KL": lambda mdp: rm.KL(some_policy(mdp, 99), temperature=0.3),
    "Tsallis": lambda mdp: rm.Tsallis(1.7, temperature=0.3),
    "squared norm": lambda mdp: rm.SquaredL2(temperature=0.3),
    "log barrier": lambda mdp: rm.LogBarrier(temperature=0.05),
}


@pytest.mark.parametrize("name", REGULARIZERS)
@pytest.mark.parametrize(
    "kind",
    [{"discount": 0.9}, {"discount": 0.0}, {"discount": 1.0, "ends": True}, {"masked": True}],
)
def test_the_policy_gradient_is_the_gradient_of_the_value(name, kind):
    mdp = model(1, **kind)
    regularizer = REGULARIZERS[name](mdp)
    policy = some_policy(mdp, 2)
    before, after = (state.dual for state in _two_duals(mdp, regularizer, policy))
    logits = np.where(mdp.available, np.log(np.where(mdp.available, policy, 1.0)), -np.inf)

    def value(moved):
        return rm.evaluate(mdp, softmax(moved, mdp.available), regularizer).value @ mdp.initial

    width = 1e-4
    for s, a in np.argwhere(mdp.available):
        nudge = width * ((np.arange(mdp.n_states)[:, None] == s) & (np.arange(mdp.n_actions) == a))
        # Richardson's extrapolation of the central difference
        slopes = [
            (value(logits + k * nudge) - value(logits - k * nudge)) / (2 * k * width)
            for k in (1, 2)
        ]
        slope = (4 * slopes[0] - slopes[1]) / 3
        # logits are known up to a constant for each state: the gradient sums to 0 there
        taken = (after - before)[s]
        taken = taken - np.mean(taken, where=mdp.available[s])
        assert taken[a] == pytest.approx(slope, abs=1e-9)


def _two_duals(mdp, regularizer, policy):
    """The logits of a policy, and those one step of size 1 further."""
    recorder = Recorder()
    rm.solve(
        mdp,
        regularizer,
        SoftmaxPG(1.0),
        tol=0,
        max_iterations=0,
        start=policy,
        callback=recorder,
    )
    (first,) = recorder.states
    logits = np.where(mdp.available, np.log(np.where(mdp.available, policy, 1.0)), 0.0)
    zero = rm.algorithms.State(first.value, first.backup, dual=logits)
    return zero, rm.algorithms.State(
        first.value, first.backup, dual=np.where(mdp.available, first.dual, 0.0)
    )


@pytest.mark.parametrize("name", ["none", "Shannon", "a temperature per state", "KL"])
@pytest.mark.parametrize("masked", [False, True])
def test_natural_gradient_is_the_same_by_the_fisher_matrix_and_in_closed_form(name, masked):
    mdp = model(3, masked=masked)
    regularizer = REGULARIZERS[name](mdp)
    for step in (0.01, 0.1, 0.2):
        closed, fisher = (
            iterates(mdp, regularizer, method(step), 8, some_policy(mdp, 4))
            for method in (NPG, FisherNPG)
        )
        for one, other in zip(closed, fisher, strict=True):
            # the pseudo-inverse amplifies the rounding of a gradient whose entries are as small as
            # probabilities
            assert np.allclose(one.next_policy, other.next_policy, atol=1e-8)


def test_natural_gradient_does_not_depend_on_the_initial_distribution():
    mdp = model(3)
    other = mdp.with_initial(np.array([0.02, 0.9, 0.02, 0.03, 0.03]))
    for regularizer in (None, rm.Shannon(0.3)):
        for method, differs in ((FisherNPG, False), (SoftmaxPG, True)):
            one, two = (
                iterates(each, regularizer, method(0.1), 3, some_policy(mdp, 4))[-1].next_policy
                for each in (mdp, other)
            )
            assert np.allclose(one, two, atol=1e-9) != differs


def test_the_fisher_matrix_does_not_improve_states_that_are_never_visited():
    # from state 0 there is no way to state 1
    mdp = rm.MDP(
        np.eye(2)[:, None, :].repeat(2, axis=1),
        np.array([[0.0, 1.0], [0.0, 1.0]]),
        0.9,
        initial=np.array([1.0, 0.0]),
    )
    fisher = iterates(mdp, None, FisherNPG(0.1), 5)[-1].next_policy
    closed = iterates(mdp, None, NPG(0.1), 5)[-1].next_policy
    assert np.allclose(fisher[0], closed[0])
    assert np.array_equal(fisher[1], [0.5, 0.5])
    assert closed[1, 1] > 0.9


@pytest.mark.parametrize("name", ["Shannon", "KL"])
def test_natural_gradient_ends_in_soft_policy_iteration(name):
    mdp = model(5, masked=True)
    regularizer = REGULARIZERS[name](mdp)
    largest = (1 - 0.9) / 0.3
    for step in (largest, Maximum()):
        for one, other in zip(
            iterates(mdp, regularizer, NPG(step), 6),
            iterates(mdp, regularizer, SoftPolicyIteration(), 6),
            strict=True,
        ):
            assert np.allclose(one.next_policy, other.next_policy, atol=1e-12)


def test_natural_gradient_is_mirror_descent_with_another_step_size():
    mdp, regularizer, step = model(6), rm.Shannon(0.3), 0.2
    mirror = step / (1 - 0.9 - step * 0.3)
    start = some_policy(mdp, 7)
    natural = iterates(mdp, regularizer, NPG(step), 8, start)
    for method in (GPMD(mirror), PMD(mirror)):
        for one, other in zip(natural, iterates(mdp, regularizer, method, 8, start), strict=True):
            assert np.allclose(one.next_policy, other.next_policy, atol=1e-12)


def test_natural_gradient_as_it_stands_in_the_papers():
    mdp, tau, eta = model(8), 0.3, 0.2
    policy = some_policy(mdp, 9)
    for state in iterates(mdp, rm.Shannon(tau), NPG(eta), 5, policy):
        assert np.allclose(state.policy, policy, atol=1e-12)
        q = rm.bellman.q_values(mdp, rm.evaluate(mdp, policy, rm.Shannon(tau)).value)
        weight = policy ** (1 - eta * tau / (1 - 0.9)) * np.exp(eta * q / (1 - 0.9))
        policy = weight / weight.sum(axis=1, keepdims=True)


def test_soft_policy_iteration_averages():
    mdp, regularizer = model(10), rm.Tsallis(2.0, temperature=0.2)
    states = iterates(mdp, regularizer, SoftPolicyIteration(0.25), 4)
    for before, after in pairwise(states):
        greedy = rm.bellman.greedy(mdp, regularizer, before.value)[1]
        assert np.allclose(after.policy, 0.75 * before.policy + 0.25 * greedy, atol=1e-12)


@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_the_theorys_largest_step_never_makes_policy_gradient_worse(tau):
    for seed in range(3):
        mdp = model(seed, discount=0.6)
        values = rm.solve(
            mdp, rm.Shannon(tau), SoftmaxPG(Maximum()), tol=0, max_iterations=60
        ).history.value
        assert np.all(np.diff(values) > 0)
        step = iterates(mdp, rm.Shannon(tau), SoftmaxPG(Maximum()), 0)[0].step
        spread = mdp.rewards.max() - mdp.rewards.min()
        assert step == pytest.approx(0.4**3 / (8 * spread + tau * (4 + 8 * np.log(3))))


# ---- bad input ----


@pytest.mark.parametrize("method", [NPG, FisherNPG])
def test_a_step_size_out_of_range_states_the_range(method):
    mdp = model(0)
    with pytest.raises(
        rm.SolverError, match=r"must be in \(0, \(1-γ\)/τ\] = \(0, 0\.2\], not 0\.3"
    ):
        rm.solve(mdp, rm.Shannon(0.5), method(0.3))
    with pytest.raises(rm.SolverError, match="not Geometric, which grows without limit"):
        rm.solve(mdp, rm.Shannon(0.5), method(rm.algorithms.Geometric()))
    with pytest.raises(rm.SolverError, match="there is no largest one: give a number"):
        rm.solve(mdp, None, method(Maximum()))
    rm.solve(mdp, rm.Shannon(0.5), method(0.1 / 0.5), max_iterations=3)


@pytest.mark.parametrize("step", [0.0, -1.0, np.inf, np.nan])
def test_a_step_size_is_positive_and_finite(step):
    for method in (SoftmaxPG, NPG, PMD, GPMD):
        with pytest.raises(
            rm.SolverError, match=r"^step_size must be a number in \(0, 1e\+250\], not "
        ):
            method(step)


@pytest.mark.parametrize("step", ["big", None, True])
def test_a_step_size_is_a_number_or_an_object(step):
    with pytest.raises(rm.SolverError, match="not .*; or use a step size object"):
        as_step_size(step)


@pytest.mark.parametrize("share", [0.0, 1.5, -0.1, True])
def test_the_share_of_the_greedy_policy_has_a_range(share):
    with pytest.raises(rm.SolverError, match=r"must be a number in \(0, 1\]"):
        SoftPolicyIteration(share)


def test_natural_gradient_has_a_closed_form_for_few_regularizers():
    with pytest.raises(rm.SolverError, match="not with Tsallis; use GPMD"):
        rm.solve(model(0), rm.Tsallis(2.0, temperature=0.1), NPG(0.1))


@pytest.mark.parametrize("method", [NPG, FisherNPG])
def test_natural_gradient_needs_a_discount(method):
    with pytest.raises(rm.SolverError, match="natural policy gradient needs a discount below 1"):
        rm.solve(model(0, discount=1.0, ends=True), None, method(0.1))
    with pytest.raises(rm.SolverError, match="needs a discount below 1"):
        rm.solve(model(0, discount=1.0, ends=True), None, SoftmaxPG(Maximum()))


@pytest.mark.parametrize("method", [SoftmaxPG, NPG, FisherNPG, PMD])
def test_a_start_on_the_boundary_is_refused(method):
    mdp = model(0)
    start = np.zeros(mdp.available.shape)
    start[:, 1] = 1.0
    start[2] = 1 / 3
    with pytest.raises(rm.SolverError, match=r"probability 0, .*; 8 of 15 pairs are wrong"):
        rm.solve(mdp, rm.Shannon(0.5), method(0.1), start=start)


def test_a_solution_on_the_boundary_is_a_start_all_the_same():
    mdp = model(0)
    solution = rm.solve(mdp)
    assert (solution.policy == 0).any()
    assert rm.solve(mdp, rm.Shannon(0.1), NPG(0.5), start=solution).status.ok


def test_logits_do_not_keep_out_of_where_a_barrier_is_infinite():
    class Half(rm.Regularizer):
        """Finite only where no probability exceeds a half."""

        temperature = 1.0

        def value(self, p, available=None):
            return np.where(p.max(axis=-1) <= 0.5, 0.0, np.inf)

        def greedy(self, y, available=None):
            order = np.argsort(np.argsort(-y, axis=-1), axis=-1)
            return np.where(order < 2, 0.5, 0.0)

    with pytest.raises(rm.SolverError, match="Half is infinite inside the simplex"):
        rm.solve(model(0), Half(), SoftmaxPG(0.1))
