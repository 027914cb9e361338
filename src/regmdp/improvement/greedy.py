"""The greedy improvement, and greedy policies of undiscounted models, which must terminate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float
from regmdp._internal.parameters import ArrayOf, Instance, Number, checked
from regmdp.bellman import Block
from regmdp.improvement.base import Candidate, Improvement, ImprovementResult, improve_blockwise
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.deterministic import DeterministicPolicy, find_actions
from regmdp.mdp.structure import find_non_terminating_states, find_terminating_policy
from regmdp.policies import permitted
from regmdp.regularizers import Regularizer
from regmdp.rounding import backup_error, largest_relevant_reward

__all__ = ["Greedy", "Mixture", "greedy_policy"]


@dataclass(frozen=True)
class Greedy(Improvement):
    r"""The regularized greedy policy \(\nabla h^*(Q/\tau)\); see :func:`greedy_policy`."""

    memoryless = True

    def __call__(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
    ) -> ImprovementResult:
        return _find_greedy(mdp, regularizer, candidate)

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        """Accept every problem."""

    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> None:
        """Return None: it keeps no dual variable."""


@checked(share=Number(above=0.0, maximum=1.0))
@dataclass(frozen=True)
class Mixture(Improvement):
    r"""A step towards the greedy policy, \(\pi^+ = (1-\beta) \pi + \beta \nabla h^*(Q/\tau)\).

    Args:
        share: β, with 0 < β ≤ 1.

    Raises:
        SolverError: if β is out of its range.

    References:
        Kakade & Langford 2002, ICML, "Approximately optimal approximate reinforcement learning",
        equation 4.1.
    """

    share: float

    def __call__(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
    ) -> ImprovementResult:
        improved = _find_greedy(mdp, regularizer, candidate)
        share = float(self.share)
        # at β = 1 this is the greedy policy to the last bit
        return ImprovementResult(
            improved.backup,
            (1.0 - share) * candidate.policy + share * np.asarray(improved.policy),
            None,
            share,
        )

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        """Accept every problem."""

    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> None:
        """Return None: it keeps no dual variable."""


def _find_greedy(
    mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
) -> ImprovementResult:
    """Return the greedy policy of a candidate."""
    if isinstance(mdp, MDP) and candidate.q is None:
        return greedy_policy(mdp, regularizer, candidate.value, candidate.policy)

    def rule(block: Block, allowed: Array | None) -> tuple[Array, Array]:
        return block.regularizer.maximiser(block.q, block.available), np.zeros(block.q.shape)

    return improve_blockwise(mdp, regularizer, candidate, rule, None)._replace(dual=None)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    value=ArrayOf("S", infinite=(-np.inf,)),
    previous=bellman.POLICY | None,
)
def greedy_policy(
    mdp: MDP,
    regularizer: Regularizer,
    value: Float[Array, " S"],
    previous: Float[Array, "S A"] | None = None,
) -> ImprovementResult:
    r"""(S,) value -> the greedy policy \(\nabla h^*(Q/\tau)\).

    If γ = 1 and there is no regularizer, some of several best actions may form cycles that never
    end. So the policy keeps what the previous one does, which ends and whose value this is, where
    nothing is better by more than rounding: a policy that never ends would gain in each of its
    other steps (Bertsekas & Tsitsiklis 1991, proposition 3). Without a previous one, it takes a
    shortest way to the end by actions that are best up to rounding.
    """
    best, policy = bellman.improve(mdp, regularizer, value)
    if (
        mdp.discount == 1.0
        and regularizer.max_temperature == 0.0
        and regularizer.probability_bounds is None
    ):
        policy = _find_terminating_greedy(mdp, regularizer, value, best, policy, previous)
    return ImprovementResult(best, policy)


def _keep_what_is_best(
    mdp: MDP,
    regularizer: Regularizer,
    value: Float[Array, " S"],
    best: Float[np.ndarray, " S"],
    policy: Float[Array, "S A"],
    previous: Float[Array, "S A"],
) -> Float[Array, "S A"] | None:
    """Return the greedy policy, with the previous one where that is as good up to rounding.

    None if it does not terminate.
    """
    before = bellman.policy_backup(mdp, regularizer, previous, value)
    # an improvement by less than the value is wrong is none
    wrong = float(np.max(np.abs(before - value), initial=0.0))
    matters = largest_relevant_reward(mdp, value, best)
    noise = 2.0 * (backup_error(mdp, regularizer, value, rewards=matters) + wrong)
    keep = before >= best - noise
    actions, old = find_actions(policy), find_actions(previous)
    if actions is None or old is None:
        kept = np.where(keep[:, None], np.asarray(previous), np.asarray(policy))
    else:  # it has the part of NumPy's interface that users of a policy need
        kept = cast("Array", DeterministicPolicy(np.where(keep, old, actions), mdp.n_actions))
    return None if find_non_terminating_states(mdp, np.asarray(kept) > 0).any() else kept


def _find_terminating_greedy(
    mdp: MDP,
    regularizer: Regularizer,
    value: Float[Array, " S"],
    best: Float[np.ndarray, " S"],
    policy: Float[Array, "S A"],
    previous: Float[Array, "S A"] | None,
) -> Float[Array, "S A"]:
    """Return a greedy policy that terminates, with as little slack as possible.

    A mixed policy is kept only if no pure one is found: its chain has many more cycles.
    """
    if previous is not None and find_actions(previous) is not None:
        kept = _keep_what_is_best(mdp, regularizer, value, best, policy, previous)
        if kept is not None:
            return kept
    allowed = permitted(mdp, regularizer)
    q = bellman.q_values(mdp, value)
    scale = largest_relevant_reward(mdp, value, best) + float(np.max(np.abs(best)))
    # from a hundred rounding errors to half of the digits
    for slack in scale * UNIT_ROUNDOFF * 10.0 ** np.arange(2, 9, 2):
        actions = find_terminating_policy(mdp, allowed & (q >= (best - slack)[:, None]))
        if np.all((actions >= 0) | mdp.terminal):
            chosen = DeterministicPolicy(np.where(mdp.terminal, -1, actions), mdp.n_actions)
            # it has the part of NumPy's interface that users of a policy need
            return cast("Array", chosen)
    if previous is not None:
        kept = _keep_what_is_best(mdp, regularizer, value, best, policy, previous)
        if kept is not None:
            return kept
    return policy
