"""The public checks detect errors, and describe them."""

import builtins
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import regmdp as rm
from regmdp.algorithms import State
from regmdp.mdp import DenseTransitions
from regmdp.testing import check_algorithm, check_mdp, check_regularizer, strategies

SHANNON, NORM = rm.Shannon(temperature=1.0), rm.SquaredL2(temperature=1.0)


class Broken(rm.Regularizer):
    """A user-defined regularizer with an error: some methods of another one are replaced."""

    def __init__(self, right, **wrong):
        self.temperature = 0.5
        self.right = right
        self.wrong = wrong

    def _call(self, name, *arguments):
        return (
            self.wrong[name](*arguments)
            if name in self.wrong
            else getattr(self.right, name)(*arguments)
        )

    def value(self, p, available=None):
        return self._call("value", p, available)

    def greedy(self, y, available=None):
        return self._call("greedy", y, available)

    def conjugate(self, y, available=None):
        if {"value", "greedy"} & set(self.wrong) and "conjugate" not in self.wrong:
            return super().conjugate(y, available)
        return self._call("conjugate", y, available)

    def subgradient(self, p, available=None):
        return self._call("subgradient", p, available)

    def bounds(self, n_actions):
        return self._call("bounds", n_actions)

    def strong_convexity(self, n_actions):
        return self._call("strong_convexity", n_actions)

    def relative_strong_convexity(self, n_actions):
        return self._call("relative_strong_convexity", n_actions)

    def divergence(self, p, q, xi=None, available=None):
        return self._call("divergence", p, q, xi, available)

    def domain(self, available):
        return self._call("domain", available)


def overflowing_softmax(y, available=None):
    """A softmax that overflows for large scores: their maximum is not subtracted."""
    weights = np.exp(y + 3.0)
    return weights / weights.sum(axis=-1, keepdims=True)


def greedy_of_scaled_scores(y, available=None):
    return SHANNON.greedy(y * (1 + 1e-5), available)


def greedy_in_place(y, available=None):
    y *= 1.0 if np.isinf(y).any() else 0.5
    return SHANNON.greedy(2 * y, available)


WRONG = {
    "concave": (
        SHANNON,
        {"value": lambda p, m: -SHANNON.value(p, m)},
        "h is not convex, between p = array",
    ),
    "concave in the middle": (
        NORM,
        {"value": lambda p, m: NORM.value(p, m) - 0.6 * np.sum(p**2 * (1 - p) ** 2, axis=-1)},
        "h is not convex|strong_convexity says",
    ),
    "nan": (
        SHANNON,
        {"value": lambda p, m: np.sum(np.where(p > 0, p * np.log(p + (p == 0)), np.nan), axis=-1)},
        "h is nan at p",
    ),
    "warns": (
        SHANNON,
        {"value": lambda p, m: np.sum(p * np.log(p), axis=-1)},
        "value warns: divide by zero",
    ),
    "wrong shape": (
        SHANNON,
        {"value": lambda p, m: np.sum(p, axis=-1, keepdims=True)},
        "value of shape .* has shape",
    ),
    "greedy of another regularizer": (
        SHANNON,
        {"greedy": NORM.greedy},
        "greedy is not the maximiser: for the scores",
    ),
    "greedy a little off": (
        SHANNON,
        {"greedy": greedy_of_scaled_scores},
        "greedy is not the maximiser",
    ),
    "greedy without its conjugate": (
        SHANNON,
        {"greedy": NORM.greedy, "conjugate": SHANNON.conjugate},
        "the conjugate is not ⟨p, y⟩ - h.p. at the greedy p, so one of the two is wrong",
    ),
    "greedy that ignores the mask": (
        SHANNON,
        {"greedy": lambda y, m: np.full(y.shape, 1 / y.shape[-1])},
        "greedy is not the maximiser|which is not available|the conjugate is not",
    ),
    "greedy that is not normalised": (
        SHANNON,
        {"greedy": lambda y, m: 0.5 * SHANNON.greedy(y, m)},
        "not return a distribution",
    ),
    "negative probabilities": (
        SHANNON,
        {"greedy": lambda y, m: -SHANNON.greedy(y, m)},
        "gives action . probability -",
    ),
    "greedy that overflows": (
        NORM,
        {"greedy": lambda y, m: overflowing_softmax(y * 1e3)},
        "not the maximiser|greedy warns",
    ),
    "conjugate off by 1e-9": (
        SHANNON,
        {"conjugate": lambda y, m: SHANNON.conjugate(y, m) + 1e-9},
        "conjugate is not ⟨p, y⟩ - h",
    ),
    "writes into its argument": (
        SHANNON,
        {"greedy": greedy_in_place},
        "writes into the scores|the conjugate",
    ),
    "bound too low": (
        SHANNON,
        {"bounds": lambda n: (-np.log(n), -0.1)},
        "the upper bound on h, .*, is wrong: h is",
    ),
    "bound too high": (
        SHANNON,
        {"bounds": lambda n: (-np.log(n) + 0.01, 0.0)},
        "the lower bound on h",
    ),
    "bounds crossed": (
        SHANNON,
        {"bounds": lambda n: (0.0, -1.0)},
        "which are not a lower and an upper bound",
    ),
    "modulus too large": (
        NORM,
        {"strong_convexity": lambda n: 1.0},
        "strong_convexity says 1, which is too large",
    ),
    "relative modulus too large": (
        SHANNON,
        {"relative_strong_convexity": lambda n: 1.01},
        "relative_strong_convexity says 1.01, which is too large",
    ),
    "relative modulus of a sparse regularizer": (
        NORM,
        {"relative_strong_convexity": lambda n: 0.1},
        "relative_strong_convexity says 0.1, which is too large",
    ),
    "divergence of the other order": (
        NORM,
        {"divergence": lambda p, q, xi, m: NORM.divergence(q, p, p, m)},
        "the divergence of array",
    ),
    "subgradient": (SHANNON, {"subgradient": lambda p, m: p}, "which is no subgradient of h"),
    "subgradient not finite": (
        SHANNON,
        {"subgradient": lambda p, m: np.where(p > 0, np.inf, 0.0)},
        "subgradient .* has inf",
    ),
    "domain": (
        SHANNON,
        {"domain": lambda m: np.array([True, True, True, False]) & (True if m is None else m)},
        "the domain leaves out action 3",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_regularizer_is_detected_with_a_counterexample(name):
    right, wrong, message = WRONG[name]
    with pytest.raises(AssertionError, match=message):
        check_regularizer(Broken(right, **wrong), rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    "right", [SHANNON, NORM, rm.KL(np.array([0.1, 0.2, 0.3, 0.4]), temperature=1.0)]
)
def test_a_correct_user_defined_regularizer_passes(right):
    check_regularizer(Broken(right), rng=np.random.default_rng(0))


def test_the_counterexample_can_be_verified():
    with pytest.raises(AssertionError) as caught:
        check_regularizer(Broken(SHANNON, greedy=NORM.greedy), rng=np.random.default_rng(0))
    text = str(caught.value)
    array = {"array": np.array, "inf": np.inf}
    y, _, p = (
        eval(f"array({part.partition(')')[0]})", array) for part in text.split("array(")[1:4]
    )
    assert p @ y - SHANNON.value(p) > NORM.greedy(y) @ y - SHANNON.value(NORM.greedy(y))


def test_other_objects_are_not_regularizers():
    with pytest.raises(rm.SolverError, match=r"regularizer must be of class Regularizer, not 0\.5"):
        check_regularizer(0.5, rng=np.random.default_rng(0))
    with pytest.raises(rm.RegularizerError, match="the reference must have"):
        check_regularizer(
            rm.KL(np.array([0.5, 0.5]), temperature=1.0), 3, rng=np.random.default_rng(0)
        )


# ---- algorithms ----


class Wrapped(rm.algorithms.Algorithm):
    """Policy iteration with an error: some of its methods are replaced."""

    name = "wrapped"

    def __init__(self, **wrong):
        self.inner = rm.algorithms.PolicyIteration()
        self.wrong = wrong

    def check(self, mdp, regularizer):
        self.wrong.get("check", self.inner.check)(mdp, regularizer)

    def init(self, mdp, regularizer, start):
        return self.wrong.get("init", self.inner.init)(mdp, regularizer, start)

    def step(self, mdp, regularizer, state):
        return self.wrong.get("step", self.inner.step)(mdp, regularizer, state)

    def policy(self, mdp, regularizer, state):
        return self.wrong.get("policy", self.inner.policy)(mdp, regularizer, state)


def method_of_policy_iteration(name):
    return getattr(rm.algorithms.PolicyIteration(), name)


def step_in_place(mdp, regularizer, state):
    state.value.base[:] = state.backup  # the value itself is read-only
    return method_of_policy_iteration("step")(mdp, regularizer, state)


def ignore_start(mdp, regularizer, start):
    return method_of_policy_iteration("init")(mdp, regularizer, rm.algorithms.Start())


def ignore_policy(mdp, regularizer, start):
    return method_of_policy_iteration("init")(
        mdp, regularizer, rm.algorithms.Start(value=start.value)
    )


def drift(mdp, regularizer, state):
    """A step whose result depends on the number of earlier calls."""
    drift.calls = getattr(drift, "calls", 0) + 1
    after = method_of_policy_iteration("step")(mdp, regularizer, state)
    value = after.value + 1e-9 * drift.calls
    return State(value, rm.bellman.backup(mdp, regularizer, value), after.policy, after.next_policy)


def refuse(mdp, regularizer):
    raise rm.SolverError("not this one")


def wrong_backup(mdp, regularizer, start):
    state = method_of_policy_iteration("init")(mdp, regularizer, start)
    return State(state.value, state.backup + 1e-9, state.policy, state.next_policy)


WRONG_ALGORITHMS = {
    "makes no progress": (
        {"step": lambda mdp, regularizer, state: state},
        "does not reach a gap of 1e-06: stalled",
    ),
    "writes into the iterate": ({"step": step_in_place}, "writes into"),
    "ignores the start": ({"init": ignore_start}, "starts from"),
    "ignores the start policy": (
        {"init": ignore_policy},
        "starts from the same value for different start policies",
    ),
    "is random": ({"step": drift}, "returns a different result in a second run"),
    "backup is not that of the value": (
        {"init": wrong_backup},
        "has an iterate whose backup is 1e-09 from T V",
    ),
    "is defined for no problem": ({"check": refuse}, "is not defined for any of the problems"),
    "returns a bad policy": (
        {"policy": lambda mdp, regularizer, _: rm.uniform_policy(mdp, regularizer)},
        "not reach a gap",
    ),
}


@pytest.mark.parametrize("name", WRONG_ALGORITHMS)
def test_a_wrong_algorithm_is_detected(name):
    wrong, message = WRONG_ALGORITHMS[name]
    with pytest.raises(AssertionError, match=message):
        check_algorithm(Wrapped(**wrong), rng=np.random.default_rng(0))


def test_a_correct_wrapped_algorithm_passes():
    check_algorithm(Wrapped(), rng=np.random.default_rng(0))


def test_an_algorithm_is_not_a_class():
    with pytest.raises(rm.SolverError, match="algorithm must be of class Algorithm, .* parenthes"):
        check_algorithm(rm.algorithms.ValueIteration, rng=np.random.default_rng(0))


# ---- storages ----


def broken_model(**wrong):
    """A model whose storage has an error."""
    rng = np.random.default_rng(0)
    mdp = rm.MDP(rng.dirichlet(np.ones(4), size=(4, 3)), rng.normal(size=(4, 3)), 0.9)
    kind = type("Broken", (DenseTransitions,), wrong)
    storage = kind(np.stack(list(mdp.transitions.iterate_arrays())))
    mdp.__dict__["transitions"] = storage
    return mdp


def constant(value):
    return property(lambda self: value, lambda self, other: None)


WRONG_STORAGES = {
    "products": (
        {"matvec": lambda *given: DenseTransitions.matvec(*given) * (1 + 1e-12)},
        r"matvec\(\) gives|row_sums",
    ),
    "chain": (
        {"policy_matrix": lambda self, policy: self._rows[0]},
        r"policy_matrix\(\) (takes the value to|cannot)",
    ),
    "rows": (
        {"to_csr": lambda self: sp.csr_array(self._rows.reshape(-1, self.n_states))},
        r"to_csr\(\) has .* but to_dense\(\)",
    ),
    "alias": (
        {"to_dense": lambda self: self._rows.transpose(1, 0, 2)},
        r"what to_dense\(\) returns cannot be written to",
    ),
    "blocks": (
        {"blocks": constant((slice(0, 2), slice(3, 4)))},
        "the blocks do not partition the states",
    ),
    "branching": ({"branching": constant(2)}, "branching says 2 at most"),
}


@pytest.mark.parametrize("name", WRONG_STORAGES)
def test_a_wrong_storage_is_detected(name):
    wrong, message = WRONG_STORAGES[name]
    with pytest.raises(AssertionError, match=message):
        check_mdp(broken_model(**wrong))


def test_a_correct_storage_passes():
    check_mdp(broken_model())


def test_a_model_that_was_written_into_is_detected():
    mdp = broken_model()
    assert mdp.digest
    rewards = np.array(mdp.rewards, order="F")
    rewards[0, 0] += 1.0
    rewards.flags.writeable = False
    mdp.__dict__["rewards"] = rewards
    with pytest.raises(AssertionError, match="something was written into the model"):
        check_mdp(mdp)
    mdp = broken_model()
    mdp.__dict__["rewards"] = np.array(mdp.rewards)
    with pytest.raises(AssertionError, match="rewards can be written to"):
        check_mdp(mdp)


# ---- strategies ----


@given(st.data())
def test_strategies_draw_consistent_objects(data):
    mdp = data.draw(strategies.mdps(discounts=st.sampled_from([0.0, 0.9, 1.0])))
    check_mdp(mdp)
    regularizer = data.draw(strategies.regularizers(mdp))
    regularizer.check(mdp.available)
    policy = data.draw(strategies.policies(mdp, regularizer))
    assert rm.evaluate(mdp, policy, regularizer).value.shape == (mdp.n_states,)
    assert np.all(data.draw(strategies.values(mdp))[mdp.terminal] == 0)
    assert data.draw(strategies.scores(3, n_states=2)).shape == (2, 3)


@given(strategies.mdps(masks=False, endings=False))
def test_strategies_can_omit_masks_and_endings(mdp):
    assert mdp.all_available
    assert not mdp.terminates


def test_without_hypothesis_the_error_names_the_extra(monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name.split(".")[0] == "hypothesis":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.delitem(sys.modules, "hypothesis.strategies")
    with pytest.raises(
        rm.MissingExtraError, match=r"needs the package 'hypothesis'.*regmdp\[dev\]"
    ):
        strategies.mdps()
