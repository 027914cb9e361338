"""Users' functions that write into what they are given are named, with the argument."""

import numpy as np
import pytest

import regmdp as rm
from regmdp._internal.user_code import call_user

MDP = rm.models.garnet(6, 3, 2, discount=0.9, rng=0)


def entropy(p):
    return np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1)


def value_that_writes(p):
    p[p < 1e-12] = 1e-12
    return entropy(p)


def gradient(p):
    return 1.0 + np.log(p)


def gradient_that_writes(p):
    np.log(p, out=p)
    return 1.0 + p


class Entropy(rm.Regularizer):
    def __init__(self, temperature):
        self.temperature = temperature

    def value(self, p, available=None):
        return entropy(p)

    def greedy(self, y, available=None):
        weights = np.exp(y)
        return weights / weights.sum(axis=-1, keepdims=True)


class GreedyWrites(Entropy):
    def greedy(self, y, available=None):
        y -= y.max(axis=-1, keepdims=True)
        return super().greedy(y)


class ValueWrites(Entropy):
    def value(self, p, available=None):
        p += 1e-300
        return entropy(p)


class MaskWrites(Entropy):
    def greedy(self, y, available=None):
        if available is not None:
            available |= y > 0
        return super().greedy(y)


class Writes(rm.evaluation.Evaluation):
    exact = False

    def __call__(self, mdp, regularizer, policy, value, accuracy=0.0):
        policy.sort(axis=1)
        return value


class Takes(rm.evaluation.Evaluation):
    exact = False

    def __call__(self, mdp, regularizer, policy, value, accuracy=0.0):
        mdp.rewards[0] = 0.0
        return value


def steps_that_write(state, action, rng):
    state += 1
    return state % 6, np.zeros(state.shape)


def solve(regularizer=None, algorithm="auto", mdp=MDP, **options):
    return rm.solve(mdp, regularizer, algorithm, **options)


def write_value(event):
    event.state.value[0] = 0.0


PARTIAL = rm.MDP(MDP.to_array(), MDP.rewards, 0.9, available=np.arange(18).reshape(6, 3) != 4)
PI = rm.algorithms.PolicyOptimization

CASES = {
    "value": (
        lambda: solve(rm.Convex(value_that_writes, gradient, 0.5)),
        rm.RegularizerError,
        "value_that_writes writes into .* its argument p must",
    ),
    "gradient": (
        lambda: solve(rm.Convex(entropy, gradient_that_writes, 0.5)),
        rm.RegularizerError,
        "gradient_that_writes writes into .* its argument p must",
    ),
    "phi": (
        lambda: rm.Separable(lambda p: np.square(p, out=p), lambda p: 2 * p, 0.5).maximum(
            np.ones((1, 2))
        ),
        rm.RegularizerError,
        r"the lambda in line \d+ of .*test_user_code.py writes into .* its argument p must",
    ),
    "a regularizer's greedy": (
        lambda: solve(GreedyWrites(0.5)),
        rm.RegularizerError,
        r"GreedyWrites\.greedy writes into .* its argument y must",
    ),
    "a regularizer's value": (
        lambda: solve(ValueWrites(0.5)),
        rm.RegularizerError,
        r"ValueWrites\.value writes into .* its argument p must",
    ),
    "a regularizer's mask": (
        lambda: solve(MaskWrites(0.5), mdp=PARTIAL),
        rm.RegularizerError,
        r"MaskWrites\.greedy writes into .* its arguments y and available must",
    ),
    "an evaluation": (
        lambda: solve(algorithm=PI(Writes())),
        rm.SolverError,
        r"Writes\.__call__ writes into .* its arguments mdp and .* policy and value must",
    ),
    "an evaluation that writes into the model": (
        lambda: solve(algorithm=PI(Takes())),
        rm.SolverError,
        r"Takes\.__call__ writes into .* its arguments mdp and .* policy and value must",
    ),
    "a callback": (
        lambda: solve(callback=write_value),
        rm.SolverError,
        "write_value writes into .* its argument event must",
    ),
    "one of several callbacks": (
        lambda: solve(callback=[print, lambda event: event.state.backup.fill(0.0)]),
        rm.SolverError,
        r"the lambda in line \d+ of .* writes into .* its argument event must",
    ),
    "a simulator": (
        lambda: rm.samples.UserSimulator(
            steps_that_write, n_states=6, n_actions=3, discount=0.9
        ).sample(np.zeros(2, dtype=int), np.zeros(2, dtype=int), np.random.default_rng(0)),
        rm.SampleError,
        "steps_that_write writes into .* its arguments state and action must",
    ),
    "a function of parameters": (
        lambda: rm.gradients.ModelFunction(
            lambda theta: theta.sort(), lambda theta: np.ones((6, 3, 1)), MDP
        ).model(np.ones(1)),
        rm.SolverError,
        "the lambda in line .* its argument theta must",
    ),
    "utilities": (
        lambda: rm.choice.UtilityFunction(
            lambda theta: np.exp(theta, out=theta), lambda theta: theta, ["a"]
        ).values(np.ones(1)),
        rm.SampleError,
        "the lambda in line .* its argument theta must",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_function_that_writes_is_named(case):
    call, error, message = CASES[case]
    with pytest.raises(error, match=message) as caught:
        call()
    assert "copy" in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)  # the traceback has the line


def test_other_errors_of_users_stay_as_they_are():
    def refuse(p):
        raise ValueError("p is too small")

    with pytest.raises(ValueError, match="^p is too small$"):
        call_user(rm.SolverError, refuse, np.ones(1))
    with pytest.raises(KeyError):
        call_user(rm.SolverError, {}.__getitem__, 1)


def test_functions_whose_arguments_are_not_known_are_named_too():
    locked = np.ones(2)
    locked.flags.writeable = False
    with pytest.raises(rm.SolverError, match="fill writes into .* what it is given"):
        call_user(rm.SolverError, locked.fill, 0.0)


def test_the_user_is_named_and_not_the_method_that_calls_it():
    """An error that is the library's own passes through the calls around it."""
    with pytest.raises(rm.RegularizerError, match=r"^GreedyWrites\.greedy"):
        solve(GreedyWrites(0.5), rm.algorithms.GPMD(step_size=1.0), tol=0, max_iterations=2)
