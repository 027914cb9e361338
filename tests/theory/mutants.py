"""Methods with one error, whose iterates are claimed to be those of the correct method."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

import regmdp as rm
from regmdp.algorithms import PolicyOptimization, Start, State
from regmdp.evaluation import Evaluation, Exact
from regmdp.improvement import Improvement, ImprovementResult


@dataclass(frozen=True)
class Wrong(Improvement):
    """Initial values of the correct improvement, and a wrong rule.

    The rule maps (mdp, regularizer, candidate, Q) to the policy and the dual variable.
    """

    rule: Callable
    right: Improvement

    def __call__(self, mdp, regularizer, candidate):
        q = rm.bellman.q_values(mdp, candidate.value)
        policy, dual = self.rule(mdp, regularizer, candidate, q)
        return ImprovementResult(
            rm.bellman.backup(mdp, regularizer, candidate.value), policy, dual, None
        )

    def check(self, mdp, regularizer):
        self.right.check(mdp, regularizer)

    def initial_dual(self, mdp, regularizer, policy):
        return self.right.initial_dual(mdp, regularizer, policy)


def claim_iterates(mdp, regularizer, right, rule, iterations, start=None, evaluation=None):
    """Claim that the iterates of the wrong rule are those of the algorithm; values are exact by
    default.
    """
    wrong = PolicyOptimization(evaluation or Exact(), Wrong(rule, right.improvement))
    run = rm.theory.trace(mdp, regularizer, wrong, max_iterations=iterations, start=start)
    return rm.theory.Trace(mdp, run.regularizer, right, run.states)


def state_other_error(run, error):
    """The same run, whose evaluation states another error."""
    states = [
        state
        if state.estimate is None
        else replace(state, estimate=replace(state.estimate, error=np.array([error])))
        for state in run.states
    ]
    return rm.theory.Trace(run.mdp, run.regularizer, run.algorithm, tuple(states))


@dataclass(frozen=True)
class WrongEvaluation(Evaluation):
    """An evaluation that claims to be exact but omits the cost of the regularizer."""

    exact = True

    def __call__(self, mdp, regularizer, policy, guess, accuracy=0.0):
        return Exact()(mdp, rm.Unregularized(), policy, guess, accuracy)


@dataclass(frozen=True)
class Half(rm.algorithms.Algorithm):
    """Value iteration with half steps."""

    name = "half"

    def check(self, mdp, regularizer):
        pass

    def init(self, mdp, regularizer, start: Start):
        return rm.algorithms.ValueIteration().init(mdp, regularizer, start)

    def step(self, mdp, regularizer, state: State):
        value = 0.5 * (state.value + state.backup)
        return State(value, rm.bellman.backup(mdp, regularizer, value))

    def policy(self, mdp, regularizer, state):
        return rm.uniform_policy(mdp, regularizer)


# ---- wrong rules, for models with all actions available ----


def averages(kept, gain, action_values=lambda mdp, value, q: q):
    """ξ⁺ = kept ξ + gain Q, π⁺ = ∇h*(ξ⁺), where h is the regularizer, or entropy without one."""

    def rule(mdp, regularizer, candidate, q):
        mirror = rm.Shannon(1.0) if isinstance(regularizer, rm.Unregularized) else regularizer
        dual = kept * candidate.dual + gain * action_values(mdp, candidate.value, q)
        dual = dual - dual.max(axis=1, keepdims=True)
        return mirror.greedy(dual), dual

    return rule


def undiscounted(mdp, value, q):
    """Q without the factor γ."""
    return mdp.rewards + (q - mdp.rewards) / mdp.discount


def add_to_logits(direction):
    """θ⁺ = θ + direction(visits, π, Q, τ, V)."""

    def rule(mdp, regularizer, candidate, q):
        policy = candidate.policy
        often = rm.visits(mdp, policy)[:, None]
        tau = regularizer.max_temperature
        logits = candidate.dual + direction(often, policy, q, tau, candidate.value[:, None])
        logits = logits - logits.max(axis=1, keepdims=True)
        return rm.Shannon(1.0).greedy(logits), logits

    return rule


def mixture(share):
    """π⁺ = (1-β) π + β greedy."""

    def rule(mdp, regularizer, candidate, q):
        greedy = regularizer.maximiser(q)
        return (1 - share) * candidate.policy + share * greedy, None

    return rule


def one_hot(actions, n_actions):
    return np.eye(n_actions)[np.asarray(actions)]
