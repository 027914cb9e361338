"""The checked problem: a model with a regularizer that fits it.

``solve``, ``certify``, ``evaluate``, ``visits`` and the functions of the leaves check their input
here, once; what they call relies on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.array_checks import check_array, check_shape
from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import ModelError, RegularizerError, SolverError
from regmdp._internal.width_table import WidthTable
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import check_policy, require_ending
from regmdp.regularizers import Regularizer, Unregularized

__all__ = ["Problem", "check_regularizer", "check_value", "require_value_size"]

#: Largest value that may be reached: doubles end at about 1e308.
LARGEST_VALUE = 1e300


@dataclass(frozen=True, eq=False)
class Problem:
    """A model and a regularizer that fits it. Made by :meth:`check` only.

    Attributes:
        mdp: The model.
        regularizer: The regularizer; :class:`~regmdp.Unregularized` if there is none.
    """

    mdp: MDP
    regularizer: Regularizer

    @classmethod
    def check(cls, mdp: MDP, regularizer: Regularizer | None = None) -> Problem:
        """Check that the arguments are a model and a regularizer that fits it, or None.

        Raises:
            SolverError: if one of them is something else.
            RegularizerError: if the regularizer does not fit the model.
            ModelError: if values may exceed what doubles hold.

        Examples:
            >>> import regmdp as rm
            >>> Problem.check(rm.models.chain(5)).regularizer
            Unregularized()
        """
        if not isinstance(mdp, MDP):
            raise SolverError(
                f"the model must be a regmdp.MDP, not {type(mdp).__name__}; build one with MDP(P, "
                "r, discount=…)"
            )
        return cls(mdp, check_regularizer(mdp, regularizer))

    def check_policy(self, policy: ArrayLike | DeterministicPolicy) -> Float[np.ndarray, "S A"]:
        """Return (S, A) probabilities of a policy of the model that has a value.

        Args:
            policy: (S, A) probabilities, or (S,) integers, the action of each state.

        Raises:
            PolicyError: if it is not a policy of the model, or the regularizer is infinite at it.
            InfeasibleError: if γ = 1 and from some state no policy ends the episode.
            ImproperPolicyError: if γ = 1 and this policy does not end it.
        """
        checked = check_policy(self.mdp, policy, self.regularizer)
        require_ending(self.mdp, checked)
        return checked

    def check_value(self, value: ArrayLike) -> Float[np.ndarray, " S"]:
        """Return a value as (S,) doubles, after checking its shape and its size."""
        return check_value(self.mdp, value)


def check_regularizer(process: DecisionProcess, regularizer: object) -> Regularizer:
    """Return the regularizer, ``Unregularized()`` for None, after checking that it fits.

    Args:
        process: States and actions; of a model, the sizes of rewards and values are checked too.
        regularizer: A regularizer or None.

    Raises:
        SolverError: if it is something else.
        RegularizerError: if it does not fit.
        ModelError: if values may exceed what doubles hold.
    """
    regularizer = Unregularized() if regularizer is None else regularizer
    if not isinstance(regularizer, Regularizer):
        raise SolverError(
            "the regularizer must be a regmdp.Regularizer or None, not "
            f"{type(regularizer).__name__}"
        )
    try:
        _require_columns(process, regularizer)
        regularizer.check(process.available)
    except RegularizerError as error:
        if process.numbering is None:
            raise
        raise RegularizerError(
            f"{error}; the model is ragged, with actions numbered within each state: "
            "mdp.to_columns(…) puts numbers of pairs in the order of its arrays"
        ) from error
    if isinstance(process, MDP):  # of others, the rewards are not known
        require_value_size(
            process, regularizer.max_temperature * regularizer.magnitude(process.n_actions)
        )
    return regularizer


def require_value_size(mdp: MDP, largest_term: float) -> None:
    """Check that values cannot exceed what doubles hold.

    Args:
        mdp: The model.
        largest_term: Bound on |τ h|.

    Raises:
        ModelError: if they can.
    """
    largest = mdp.reward_bound + largest_term
    if not largest / max(1.0 - mdp.discount, 2.0**-53) < LARGEST_VALUE:
        raise ModelError(
            f"rewards and temperature reach {largest:.3g} a step: with discount "
            f"{mdp.discount:.15g} values may exceed what a double holds, about 1e308; measure "
            "rewards in a larger unit"
        )


def _require_columns(process: DecisionProcess, regularizer: Regularizer) -> None:
    """Check that numbers of pairs have the columns of the model's blocks.

    Raises:
        RegularizerError: if a regularizer has an array with as many columns for all of them.
    """
    if process.numbering is None or process.numbering.partition is None:
        return
    for name, ndim in regularizer.state_fields.items():
        field = getattr(regularizer, name)
        if ndim == 2 and np.ndim(field) > 0 and not isinstance(field, WidthTable):
            raise RegularizerError(
                f"{name.lstrip('_')} of {type(regularizer).__name__} must have the columns of the "
                f"model's arrays, not the shape {np.shape(field)}"
            )


def check_value(process: DecisionProcess, value: ArrayLike) -> Float[np.ndarray, " S"]:
    """Return a value as (S,) doubles, after checking its shape and its size.

    Without a discount a state may have the value -∞, in which every policy loses without bound.
    Then the number there means nothing: it becomes 0.

    Raises:
        SolverError: if it is not finite, or above what the value of a model can be; it names the
            first such state.
    """
    checked = np.array(check_array("the value", value))
    check_shape("the value", checked, (process.n_states,), "(S,)")
    if process.discount == 1.0:
        checked[np.isneginf(checked)] = 0.0
    bad = ~(np.abs(checked) <= LARGEST_VALUE)
    if bad.any():
        state = int(np.argmax(bad))
        raise SolverError(
            f"the value of {process.describe(state)} is {checked[state]}; "
            f"{int(np.count_nonzero(bad))} are not finite, or larger than the value of any model, "
            f"{LARGEST_VALUE:g}"
        )
    return checked
