"""What an improvement is: from a policy and its action values to a better policy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Array, Bool, Float, assign
from regmdp._internal.errors import SolverError
from regmdp.bellman import Block
from regmdp.evaluation import System
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer

__all__ = ["Candidate", "Improvement", "ImprovementResult", "improve_blockwise"]

Result = TypeVar("Result")

#: Dual variables of permitted actions stay above this, so that the arithmetic with them stays
#: finite.
LOWEST = -1e300


@dataclass(frozen=True, eq=False)
class Candidate:
    """What an improvement starts from.

    Attributes:
        value: (S,) value V whose action values r + γ P V it uses.
        policy: (S, A) the policy to improve on.
        dual: (S, A) its dual variable ξ, -inf at pairs that are not permitted; None if the
            improvement keeps none.
        iteration: Number of improvements made before.
        depth: Backups that separate V from the value of the policy, plus one: the depth of the
            lookahead.
        system: The linear system of the policy's evaluation, if one was solved.
        q: (S, A) estimated action values, which are used in place of those of V; None if V's own
            are to be used.
        gradient: (S, A) estimated gradient of the value from ρ with respect to the logits, or None.
    """

    value: Float[np.ndarray, " S"]
    policy: Float[Array, "S A"]
    dual: Float[np.ndarray, "S A"] | None = None
    iteration: int = 0
    depth: int = 1
    system: System | None = None
    q: Float[np.ndarray, "S A"] | None = None
    gradient: Float[np.ndarray, "S A"] | None = None


class ImprovementResult(NamedTuple):
    """What one look ahead from a value gives.

    Attributes:
        backup: (S,) T V.
        policy: (S, A) the improved policy.
        dual: (S, A) its dual variable; None if the improvement keeps none.
        step: The step size that was used; None if there is none.
    """

    backup: Float[np.ndarray, " S"]
    policy: Float[Array, "S A"]
    dual: Float[np.ndarray, "S A"] | None = None
    step: float | None = None


class Improvement(ABC):
    """A way to improve a policy.

    Immutable; what it has to remember is the dual variable that it returns.
    """

    #: Whether the improved policy depends on V alone, not on the policy before.
    memoryless: ClassVar[bool] = False

    @abstractmethod
    def __call__(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
    ) -> ImprovementResult:
        """Return a better policy."""

    @abstractmethod
    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        """Check that the improvement is defined for this problem.

        Raises:
            SolverError: if it is not, or a step size is out of its range.
        """

    @abstractmethod
    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> Float[np.ndarray, "S A"] | None:
        """(S, A) start policy -> (S, A) its dual variable; None if the improvement keeps none.

        Raises:
            SolverError: if the policy has none, because it lies on the boundary of the simplex.
        """


def improve_blockwise(
    mdp: DecisionProcess,
    regularizer: Regularizer,
    candidate: Candidate,
    rule: Callable[[Block, Bool[Array, "b A"] | None], tuple[Array, Array]],
    step: float | None,
) -> ImprovementResult:
    """Back a candidate's value up, block by block, and apply a rule to the action values of each block.

    Args:
        mdp: The model.
        regularizer: The regularizer.
        candidate: V, or the estimated action values.
        rule: From a block, and the (b, A) mask of its permitted pairs, to the (b, A) policy and
            dual variable there. Threads share the blocks, so it must not depend on their order.
        step: The step size that the rule uses.
    """
    backup = np.empty(mdp.n_states)
    policy = np.empty((mdp.n_states, mdp.n_actions), order="F")
    dual = np.empty_like(policy)
    map_action_values(
        mdp,
        regularizer,
        candidate,
        lambda block: assign(
            block.states,
            (backup, block.maximum()),
            *zip((policy, dual), rule(block, _allowed(block)), strict=True),
        ),
    )
    return ImprovementResult(backup, policy, dual, step)


def _allowed(block: Block) -> Bool[Array, "b A"] | None:
    """Return the mask of the permitted pairs of a block; None stands for all."""
    allowed = block.regularizer.domain(block.available)
    return None if allowed is None else np.broadcast_to(allowed, block.q.shape)


def map_action_values(
    mdp: DecisionProcess,
    regularizer: Regularizer,
    candidate: Candidate,
    work: Callable[[Block], Result],
) -> list[Result]:
    """Apply some work to the action values of a candidate, block by block, in no order."""
    if candidate.q is not None:
        return [work(block) for block in bellman.iterate_blocks(mdp, regularizer, candidate.q)]
    if not isinstance(mdp, MDP):
        raise SolverError(
            "this method needs a model whose transition probabilities are known, or an evaluation "
            "from samples"
        )
    return bellman.map_blocks(mdp, regularizer, candidate.value, work)


def subtract_best(
    q: Float[Array, "*batch A"], allowed: Bool[Array, "*batch A"] | None
) -> Float[Array, "*batch A"]:
    """(…, A) action values -> how far they are below the best permitted one; 0 at the others."""
    if allowed is None:
        return q - np.max(q, axis=-1, keepdims=True)
    top = np.max(np.where(allowed, q, -np.inf), axis=-1, keepdims=True)
    return np.where(allowed, q - np.where(top > -np.inf, top, 0.0), 0.0)


def normalise_dual(
    dual: Float[Array, "*batch A"], allowed: Bool[Array, "*batch A"] | None
) -> Float[Array, "*batch A"]:
    """(…, A) dual variable -> the same with maximum 0 and -inf at pairs that are not permitted; 0 where none is.

    Adding a constant to the dual variable of a state changes nothing.
    """
    if allowed is None:
        return np.maximum(dual - np.max(dual, axis=-1, keepdims=True), LOWEST)
    masked = np.where(allowed, dual, -np.inf)
    top = np.max(masked, axis=-1, keepdims=True)
    some = top > -np.inf
    return np.where(
        allowed, np.maximum(masked - np.where(some, top, 0.0), LOWEST), np.where(some, -np.inf, 0.0)
    )


def policy_from_dual(
    mirror: Regularizer, dual: Float[Array, "*batch A"], allowed: Bool[Array, "*batch A"] | None
) -> Float[Array, "*batch A"]:
    """(…, A) dual variable -> (…, A) the policy it stands for, the greedy distribution of the mirror map h."""
    policy = mirror.greedy(dual, allowed)
    return policy if allowed is None else np.where(allowed, policy, 0.0)
