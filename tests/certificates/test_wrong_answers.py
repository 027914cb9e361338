"""Wrong policies, wrong values and broken methods: certificates are refused, or state their true
loss.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import truth
from mpmath import mpf
from tiers import tiered

import regmdp as rm
from regmdp import bellman

SEEDS = [
    p
    for p in range(64, 160)
    if truth.problem(p).discount in (0.5, 0.9, 0.999, 1.0) and truth.problem(p).n_states > 2
][::2]


class Corrupted(rm.algorithms.Algorithm):
    """A method of the library whose iterate is changed after every step."""

    name = "corrupted"

    def __init__(self, inner, corrupt=lambda state: state, policy=None):
        self._inner, self._corrupt, self._policy = inner, corrupt, policy

    def check(self, mdp, regularizer):
        self._inner.check(mdp, regularizer)

    def init(self, mdp, regularizer, start):
        return self._corrupt(self._inner.init(mdp, regularizer, start))

    def step(self, mdp, regularizer, state):
        return self._corrupt(self._inner.step(mdp, regularizer, state))

    def policy(self, mdp, regularizer, state):
        return self._inner.policy(mdp, regularizer, state) if self._policy is None else self._policy


def assert_honest(problem, solution, tol):
    """The certificate covers the error; a converged run is as good as stated."""
    own = problem.value_of(solution.policy)
    truth.assert_covers(solution.certificate, problem.initial, problem.optimum, own)
    error = max(x - y for x, y in zip(problem.optimum, own, strict=True))
    assert error <= solution.certificate.gap
    assert solution.status is not rm.Status.CONVERGED or error <= tol


def scale(problem):
    return problem.reward_scale + float(max(abs(x) for x in problem.optimum))


# ---- wrong policies and values ----


@pytest.mark.parametrize("seed", tiered(SEEDS, 8))
def test_the_gap_of_a_wrong_policy_is_its_loss(seed):
    problem = truth.problem(seed)
    mdp, regularizer = problem.mdp(), problem.regularizer()
    optimum = np.array([float(x) for x in problem.optimum])
    for k in range(3):
        wrong = truth.random_policy(np.random.default_rng([seed, k]), problem, spread=2.0)
        own = problem.value_of(wrong)
        error = max(x - y for x, y in zip(problem.optimum, own, strict=True))
        # not even together with the true optimal value, or with its own
        for value in (None, optimum, np.array([float(x) for x in own])):
            certificate = rm.certify(mdp, regularizer, policy=wrong, value=value)
            truth.assert_covers(certificate, problem.initial, problem.optimum, own)
            assert certificate.gap >= error


@pytest.mark.parametrize("seed", tiered(SEEDS, 8))
def test_a_method_that_returns_a_wrong_policy_has_not_converged(seed):
    problem = truth.problem(seed)
    mdp, regularizer = problem.mdp(), problem.regularizer()
    wrong = truth.random_policy(np.random.default_rng(seed), problem, spread=2.0)
    error = max(x - y for x, y in zip(problem.optimum, problem.value_of(wrong), strict=True))
    tol = 1e-9 * scale(problem)
    for inner in (rm.algorithms.PolicyIteration(), rm.algorithms.ValueIteration()):
        solution = rm.solve(
            mdp, regularizer, Corrupted(inner, policy=wrong), tol=tol, max_iterations=30
        )
        assert_honest(problem, solution, tol)
        assert error <= tol or solution.status is not rm.Status.CONVERGED


BROKEN = {
    "unavailable": lambda p: np.array([[0.0, 1.0], [1.0, 0.0]]),
    "too little": lambda p: 0.5 * p,
    "too much": lambda p: 2.0 * p,
    "negative": lambda p: np.array([[1.0, 0.0], [2.0, -1.0]]),
    "nan": lambda p: np.nan * p,
    "shape": lambda p: p[:1],
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("reward", [-1.0, 1.0])
@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_invalid_policies_are_refused(kind, reward, discount):
    mdp = rm.MDP(
        np.full((2, 2, 2), 0.25), np.full((2, 2), reward), discount,
        available=np.array([[True, False], [True, True]]), termination=np.full((2, 2), 0.5),
    )  # fmt: skip
    policy = BROKEN[kind](np.array([[1.0, 0.0], [0.5, 0.5]]))
    with pytest.raises(rm.PolicyError):
        rm.certify(mdp, policy=policy)
    with pytest.raises(rm.PolicyError):
        rm.evaluate(mdp, policy)
    with pytest.raises(rm.PolicyError):
        rm.solve(mdp, start=policy)
    with pytest.raises(rm.PolicyError):
        rm.solve(mdp, algorithm=Corrupted(rm.algorithms.ValueIteration(), policy=policy))


@pytest.mark.parametrize("value", [[np.nan, 0.0], [np.inf, 0.0], [0.0], [[0.0, 0.0]], ["a", "b"]])
def test_invalid_values_are_refused(value):
    mdp = rm.MDP(np.full((2, 1, 2), 0.5), np.ones((2, 1)), 0.9)
    with pytest.raises(rm.SolverError, match="value"):
        rm.certify(mdp, value=value)


def test_a_method_with_infinite_values_is_not_certified():
    mdp = rm.MDP(np.full((2, 2, 2), 0.5), np.array([[1.0, 0.0], [0.0, 1.0]]), 0.9)

    def lose(state):
        return replace(state, value=np.full(2, np.nan), backup=np.full(2, np.nan))

    with np.errstate(invalid="ignore"):
        try:
            solution = rm.solve(
                mdp, algorithm=Corrupted(rm.algorithms.ValueIteration(), lose), max_iterations=5
            )
        except rm.RegmdpError:
            return
    assert not solution.status.ok
    assert not np.isnan(solution.certificate.upper).any()
    assert not np.isnan(solution.certificate.lower).any()


# ---- broken methods ----


def biased(rng, size):
    """A backup with a different error in each state."""
    return lambda state: replace(
        state, backup=state.backup + size * rng.normal(size=state.backup.size)
    )


def flattering(rng, size):
    """An iterate that falsely claims to have converged."""
    offset = size * rng.normal(size=8)

    def corrupt(state):
        value = state.backup + offset[: state.backup.size]
        return replace(state, value=value, backup=value.copy())

    return corrupt


def foreign(rng, size):
    """A value unrelated to its backup and to the next policy."""
    return lambda state: replace(state, value=size * rng.normal(size=state.value.size))


@pytest.mark.parametrize("corruption", [biased, flattering, foreign])
@pytest.mark.parametrize("seed", tiered(SEEDS, 8))
def test_a_corrupted_backup_is_not_certified(seed, corruption):
    problem = truth.problem(seed)
    mdp, regularizer = problem.mdp(), problem.regularizer()
    tol = 1e-7 * scale(problem)
    rng = np.random.default_rng(seed)
    for inner in (
        rm.algorithms.ValueIteration(),
        rm.algorithms.PolicyIteration(),
        rm.algorithms.ModifiedPolicyIteration(3),
    ):
        corrupted = Corrupted(inner, corruption(rng, scale(problem)))
        solution = rm.solve(mdp, regularizer, corrupted, tol=tol, max_iterations=25)
        own = (
            problem.value_of(solution.policy)
            if np.isfinite(solution.certificate.policy_lower).all()
            else None
        )
        truth.assert_covers(solution.certificate, problem.initial, problem.optimum, own)
        assert solution.status is not rm.Status.CONVERGED or solution.certificate.gap <= tol
        # the value returned is still that of the policy
        assert own is None or np.all(solution.value >= solution.certificate.policy_lower)
        assert own is None or np.all(solution.value <= solution.certificate.policy_upper)


def test_a_false_claim_of_convergence_is_detected():
    mdp = rm.models.chain(6, discount=0.9)
    lie = flattering(np.random.default_rng(0), 100.0)
    solution = rm.solve(
        mdp, algorithm=Corrupted(rm.algorithms.ValueIteration(), lie), max_iterations=2000
    )
    assert not solution.status.ok
    assert solution.certificate.gap > 1.0


@pytest.mark.parametrize("bias", [1e-3, 1.0, -1.0])
@pytest.mark.parametrize("discount", [0.5, 0.99])
def test_the_certificate_detects_a_biased_backup(monkeypatch, bias, discount):
    # value iteration with T V + b converges to the fixed point of T + b; the certificate is for T
    mdp = rm.models.chain(6, discount=discount)
    optimum = rm.solve(mdp).value
    true = bellman.backup
    state_wise = bias * np.arange(6) ** 2

    monkeypatch.setattr(bellman, "backup", lambda *arguments: true(*arguments) + state_wise)
    solution = rm.solve(
        mdp, algorithm=rm.algorithms.ValueIteration(), max_iterations=5000, tol=1e-8
    )
    monkeypatch.undo()
    certificate = solution.certificate
    assert np.all((certificate.lower <= optimum + 1e-9) & (optimum - 1e-9 <= certificate.upper))
    own = rm.evaluate(mdp, solution.policy)
    assert certificate.gap >= np.max(optimum - own.value) - 1e-9
    if not solution.status.ok:
        assert certificate.gap > 1e-8
    else:
        np.testing.assert_allclose(own.value, optimum, atol=2e-8)
        # a constant bias leaves a good policy, and the value is corrected
        np.testing.assert_allclose(solution.value, optimum, atol=2e-8)


@pytest.mark.parametrize("seed", tiered(SEEDS, 8))
def test_the_solution_of_another_model_is_certified_for_this_one(seed):
    problem = truth.problem(seed)
    mdp, regularizer = problem.mdp(), problem.regularizer()
    rng = np.random.default_rng(seed)
    other = mdp.with_rewards(
        np.where(problem.available, problem.r, 0.0) * rng.uniform(0.5, 1.5, size=problem.r.shape)
    )
    tol = 1e-9 * scale(problem)
    solution = rm.solve(other, regularizer, tol=tol, max_iterations=100)
    certificate = rm.certify(mdp, regularizer, policy=solution.policy, value=solution.value)
    truth.assert_covers(
        certificate, problem.initial, problem.optimum, problem.value_of(solution.policy)
    )


def test_wrong_transitions_are_detected():
    # a method that plans with other rows, where the river never moves the swimmer back
    P = np.array([[[1.0, 0.0], [0.9, 0.1]], [[1.0, 0.0], [0.5, 0.5]]])
    dream = np.array([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    r = np.array([[0.3, 0.0], [0.3, 1.0]])
    mdp, dreamt = rm.MDP(P, r, 0.9), rm.MDP(dream, r, 0.9)

    class Dreamer(rm.algorithms.Algorithm):
        name = "dreamer"
        inner = rm.algorithms.PolicyIteration()

        def check(self, mdp, regularizer):
            self.inner.check(dreamt, regularizer)

        def init(self, mdp, regularizer, start):
            return self.inner.init(dreamt, regularizer, start)

        def step(self, mdp, regularizer, state):
            return self.inner.step(dreamt, regularizer, state)

        def policy(self, mdp, regularizer, state):
            return self.inner.policy(dreamt, regularizer, state)

    assert rm.solve(dreamt).status.ok
    solution = rm.solve(mdp, algorithm=Dreamer(), max_iterations=500)
    assert not solution.status.ok
    problem = truth.Problem(
        P, r, 0.9, np.ones((2, 2), dtype=bool), np.zeros((2, 2)), np.full(2, 0.5)
    )
    assert_honest(problem, solution, 1e-8)
    assert solution.certificate.gap > 0.1


# ---- files ----


def test_a_policy_from_a_file_is_certified_anew(tmp_path):
    mdp = rm.models.chain(6, discount=0.9)
    path = tmp_path / "policy.npz"
    solution = rm.solve(mdp)
    solution.save(path)
    honest = rm.Solution.load(path)
    assert rm.certify(mdp, policy=honest.policy).gap <= 1e-8
    with np.load(path) as file:
        arrays = dict(file)
    rolled = np.roll(arrays["policy"], 1, axis=1)
    np.savez(path, **{**arrays, "policy": rolled})
    with pytest.raises(rm.FormatError, match="was changed after it was written"):
        rm.Solution.load(path)
    # without the digest it is read; the certificate in it is still that of the solution
    meta = {
        name: part for name, part in json.loads(str(arrays["meta"])).items() if name != "digest"
    }
    arrays["meta"], arrays["policy"] = np.array(json.dumps(meta)), rolled
    np.savez(path, **arrays)
    swapped = rm.Solution.load(path)
    own = rm.evaluate(mdp, swapped.policy)
    certificate = rm.certify(mdp, policy=swapped.policy, value=swapped.value)
    assert certificate.gap >= np.max(solution.certificate.lower - own.upper) > 0.01
    arrays["policy"] = 0.9 * arrays["policy"]
    np.savez(path, **arrays)
    with pytest.raises(rm.RegmdpError):
        rm.certify(mdp, policy=rm.Solution.load(path).policy)


def test_single_precision_is_refused_or_certified_as_given():
    mdp = rm.models.chain(3, discount=0.9)
    rounded = np.tile(np.array([0.1, 0.9], dtype=np.float32), (3, 1))
    with pytest.raises(rm.PolicyError, match="sums to"):
        rm.certify(mdp, policy=np.tile(np.array([0.1, 0.8], dtype=np.float32), (3, 1)))
    exact = rounded.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(
        rm.certify(mdp, policy=exact).upper, rm.certify(mdp, policy=exact.tolist()).upper
    )


def test_the_gap_is_that_of_the_worst_state():
    # correct everywhere except in one state of initial probability 0
    mdp = rm.models.chain(6, discount=0.9).with_initial(np.eye(6)[5])
    policy = rm.solve(mdp).policy.copy()
    policy[0] = policy[0, ::-1]
    certificate = rm.certify(mdp, policy=policy, value=rm.solve(mdp).value)
    assert certificate.worst_state == 0
    assert certificate.gap > 0.01
    assert mpf(certificate.initial_gap) <= mpf(certificate.gap)
