"""The base class of improvements: from a policy and its action values to a better policy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeAlias, TypeVar

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Array, Bool, Float, assign
from regmdp._internal.errors import SolverError
from regmdp._internal.user_code import user_methods
from regmdp.bellman import Block
from regmdp.evaluation import System
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer

__all__ = ["BlockRule", "Candidate", "Improvement", "ImprovementResult", "improve_blockwise"]

Result = TypeVar("Result")


#: From a block and the (b, A) mask of its permitted pairs, None for all, to the (b, A) policy and
#: dual variable.
BlockRule: TypeAlias = Callable[[Block, Array | None], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Candidate:
    """The policy that an improvement starts from, with its value.

    Attributes:
        value: (S,) value V; the improvement uses its action values r + γ P V.
        policy: (S, A) the policy to improve on.
        dual: (S, A) its dual variable ξ, -inf at pairs that are not permitted; None if the
            improvement keeps none.
        iteration: Number of improvements made before.
        depth: Backups that separate V from the value of the policy, plus one: the depth of the
            lookahead.
        system: The linear system of the policy's evaluation, if one was solved.
        q: (S, A) estimated action values, used instead of those of V; None to use those of V.
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

    def require_dual(self) -> Float[np.ndarray, "S A"]:
        """Return the dual variable.

        Raises:
            SolverError: if the candidate has none.
        """
        if self.dual is None:
            raise SolverError(
                "this improvement needs the dual variable of the policy; give the candidate "
                "dual=improvement.initial_dual(mdp, regularizer, policy)"
            )
        return self.dual


class ImprovementResult(NamedTuple):
    """The result of one improvement.

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


@user_methods(SolverError)
class Improvement(ABC):
    """A way to improve a policy.

    It is immutable: its only memory is the dual variable that it returns.
    """

    #: Whether the improved policy depends on V only, not on the previous policy.
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
            SolverError: if it is not, or if a step size is out of its range.
        """

    @abstractmethod
    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> Float[np.ndarray, "S A"] | None:
        """(S, A) start policy -> (S, A) its dual variable; None if the improvement keeps none.

        Raises:
            SolverError: if the policy is on the boundary of the simplex, and has none.
        """


def improve_blockwise(
    mdp: DecisionProcess,
    regularizer: Regularizer,
    candidate: Candidate,
    rule: BlockRule,
    step: float | None,
) -> ImprovementResult:
    """Back up the value of a candidate, and apply a rule to the action values of each block.

    Args:
        mdp: The model.
        regularizer: The regularizer.
        candidate: V, or the estimated action values.
        rule: From a block and the (b, A) mask of its permitted pairs to the (b, A) policy and dual
            variable. Threads share the blocks, so it must not depend on their order.
        step: The step size that the rule uses.
    """
    backup = np.empty(mdp.n_states)
    policy, dual = mdp.partition.new_table(), mdp.partition.new_table()
    map_action_values(
        mdp,
        regularizer,
        candidate,
        lambda block: assign(
            block.states,
            (backup, block.maximum()),
            *zip((policy, dual), rule(block, _find_permitted(block)), strict=True),
        ),
        backup,
    )
    return ImprovementResult(backup, policy, dual, step)


def _find_permitted(block: Block) -> Bool[Array, "b A"] | None:
    """Return the mask of the permitted pairs of a block; None stands for all."""
    allowed = block.regularizer.domain(block.available)
    return None if allowed is None else np.broadcast_to(allowed, block.q.shape)


def map_action_values(
    mdp: DecisionProcess,
    regularizer: Regularizer,
    candidate: Candidate,
    work: Callable[[Block], Result],
    *vectors: np.ndarray,
) -> list[Result]:
    """Apply a function to the action values of a candidate, block by block, in any order.

    It may write (S,) vectors, which are named as for :func:`regmdp.bellman.visit_blocks`.
    """
    if candidate.q is not None:
        return [work(block) for block in bellman.iterate_blocks(mdp, regularizer, candidate.q)]
    if not isinstance(mdp, MDP):
        raise SolverError(
            "this method needs a model whose transition probabilities are known, or an evaluation "
            "from samples"
        )
    return bellman.map_blocks(mdp, regularizer, candidate.value, work, *vectors)
