"""Value iteration, modified policy iteration and policy iteration, for any regularizer."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from regmdp import bellman
from regmdp._arrays import Array, Float
from regmdp.algorithms.iterate import Algorithm, Start, State
from regmdp.evaluation import Evaluation, Exact, Sweeps
from regmdp.improvement import Greedy
from regmdp.mdp import MDP
from regmdp.mdp.structure import never_ending
from regmdp.policies import uniform_policy
from regmdp.regularizers import Regularizer

__all__ = ["ModifiedPolicyIteration", "PolicyIteration", "PolicyOptimization", "ValueIteration"]

#: An evaluation stops at this fraction of the residual it is to remove: more accuracy would be wasted on a policy about to change.
FORCING = 1e-2


@dataclass(frozen=True)
class ValueIteration(Algorithm):
    r"""Value iteration, V ← T V: hard, soft or sparse, as the regularizer is.

    Starts from V = 0, from the given value, or from one sweep of the given policy over 0. It keeps no policy; the greedy one is
    made at the end. The error shrinks by γ an iteration, the span often much faster.

    Examples:
        >>> import regmdp as rm
        >>> rm.solve(rm.models.chain(5), algorithm=rm.algorithms.ValueIteration(), tol=1e-6).status.word
        'converged'

    References:
        Puterman 1994, *Markov Decision Processes*, section 6.3; Geist, Scherrer & Pietquin 2019, ICML, "A theory of regularized
        Markov decision processes".
    """

    name = "value iteration"

    def init(self, mdp: MDP, regularizer: Regularizer, start: Start) -> State:
        value = np.zeros(mdp.n_states) if start.value is None else start.value
        if start.policy is not None:
            value = bellman.policy_backup(mdp, regularizer, start.policy, value)
        return State(value, bellman.backup(mdp, regularizer, value))

    def step(self, mdp: MDP, regularizer: Regularizer, state: State) -> State:
        return State(state.backup, bellman.backup(mdp, regularizer, state.backup))

    def policy(self, mdp: MDP, regularizer: Regularizer, state: State) -> Float[Array, "S A"]:
        return Greedy()(mdp, regularizer, state.value).policy


@dataclass(frozen=True)
class PolicyOptimization(Algorithm):
    """An evaluation and an improvement in turn: π ← improve(V), V ← evaluate(π).

    Args:
        evaluation: From a policy to a value.
        improvement: From a value to a policy.
        name: The name in summaries.
    """

    evaluation: Evaluation
    improvement: Greedy = field(default_factory=Greedy)
    name: str = "policy optimization"

    def init(self, mdp: MDP, regularizer: Regularizer, start: Start) -> State:
        if start.value is not None:
            state = self._look_ahead(mdp, regularizer, start.value, None)
            ahead = state.ahead
            assert ahead is not None
            if mdp.discount < 1.0 or not self.evaluation.exact or not never_ending(mdp, ahead > 0).any():
                return state
            # the policy that is greedy for this value goes on for ever and has no value: start as if none was given
        policy = uniform_policy(mdp, regularizer) if start.policy is None else start.policy
        value = self.evaluation(mdp, regularizer, policy, np.zeros(mdp.n_states))
        return self._look_ahead(mdp, regularizer, value, policy)

    def step(self, mdp: MDP, regularizer: Regularizer, state: State) -> State:
        assert state.ahead is not None
        accuracy = FORCING * float(np.max(np.abs(state.backup - state.value)))
        value = self.evaluation(mdp, regularizer, state.ahead, state.value, accuracy)
        return self._look_ahead(mdp, regularizer, value, state.ahead)

    def policy(self, mdp: MDP, regularizer: Regularizer, state: State) -> Float[Array, "S A"]:
        # an inexact value is not that of the policy that made it: the policy ahead is the better one
        policy = state.policy if self.evaluation.exact and state.policy is not None else state.ahead
        assert policy is not None
        return policy

    def _look_ahead(
        self, mdp: MDP, regularizer: Regularizer, value: Float[Array, " S"], policy: Float[Array, "S A"] | None
    ) -> State:
        improved = self.improvement(mdp, regularizer, value)
        kept = policy if self.evaluation.exact else None
        return State(value, improved.backup, kept, improved.policy)


def PolicyIteration(evaluation: Evaluation | None = None) -> PolicyOptimization:
    """Policy iteration: exact evaluation, greedy improvement. With Shannon entropy it is soft policy iteration.

    It is Newton's method on the regularized Bellman equation: a handful of iterations, quadratic near the optimum. Starts from the
    uniform policy, or from the one that is greedy for the given value.

    Args:
        evaluation: By default :class:`regmdp.evaluation.Exact`, which chooses between a factorization and Krylov iterations.

    Examples:
        >>> import regmdp as rm
        >>> solution = rm.solve(rm.models.chain(5), rm.Shannon(temperature=0.1), rm.algorithms.PolicyIteration())
        >>> solution.status.ok, solution.iterations < 10
        (True, True)

    References:
        Howard 1960, *Dynamic Programming and Markov Processes*; Puterman & Brumelle 1979, Mathematics of Operations Research 4(1).
    """
    return PolicyOptimization(evaluation or Exact(), name="policy iteration")


def ModifiedPolicyIteration(sweeps: int = 20) -> PolicyOptimization:
    """Modified policy iteration: a number of sweeps of evaluation between greedy improvements.

    Args:
        sweeps: Sweeps of evaluation; 1 is value iteration.

    Examples:
        >>> import regmdp as rm
        >>> rm.solve(rm.models.chain(5), algorithm=rm.algorithms.ModifiedPolicyIteration(10), tol=1e-6).status.word
        'converged'

    References:
        Puterman & Shin 1978, Management Science 24(11); Scherrer et al. 2015, JMLR 16, "Approximate modified policy iteration".
    """
    return PolicyOptimization(Sweeps(sweeps), name=f"modified policy iteration ({sweeps} sweeps)")
