r"""Discounts that differ between states or pairs, which become probabilities of termination.

With \(\gamma\) the largest discount, \(c = \gamma(s, a)/\gamma\) and β the termination,

.. math:: r + \gamma(s, a) (1 - β) E V = r + \gamma (c (1 - β)) E V,

so a model with the discount γ, whose rows are multiplied by c and whose termination is
1 - c (1 - β), has the same value under every policy: exactly, apart from the rounding of its data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Bool, Float, Int
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import ModelError
from regmdp.mdp.objective import GoalOptions
from regmdp.mdp.validation import as_discount

__all__ = ["Discounting", "is_discounted", "is_list", "split_discount"]


@dataclass(frozen=True, eq=False)
class Discounting:
    """One discount for all pairs, and the share of it that each pair has.

    Attributes:
        discount: The largest discount, γ.
        survival: (S, A) the discounts divided by γ, at most 1; None if they are all equal.
    """

    discount: float
    survival: Float[np.ndarray, "S A"] | None = None

    def add_termination(self, termination: ArrayLike | None) -> ArrayLike | None:
        """(S, A) termination -> that of the model with one discount; wrong ones are left alone."""
        if self.survival is None:
            return termination
        if termination is None:
            return 1.0 - self.survival
        given = np.asarray(termination)
        if given.shape != self.survival.shape or given.dtype.kind not in "biuf":
            return termination  # refused later
        ends = given.astype(np.float64)
        kept = 1.0 - self.survival * (1.0 - ends)
        return np.where(self.survival == 1.0, ends, kept)

    def scale_rows(
        self, rows: scipy.sparse.csr_array, index: Int[np.ndarray, "S A"]
    ) -> scipy.sparse.csr_array:
        """(K, S) rows and their (S, A) numbers, or -1 -> the rows times what survives."""
        if self.survival is None:
            return rows
        factor = np.ones(rows.shape[0])
        listed = index >= 0
        factor[index[listed]] = self.survival[listed]
        data = rows.data * np.repeat(factor, np.diff(rows.indptr))
        scaled = scipy.sparse.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)
        if not data.all():
            scaled = scaled.copy()
            scaled.eliminate_zeros()
        return scaled

    def require_goal(self, goal: GoalOptions) -> None:
        """Check that termination, which stands for discounts here, does not change a goal."""
        if self.survival is None or self.discount < 1.0 or goal.get("goal") is None:
            return
        if goal.get("objective", "reward") != "reach":
            raise ModelError(
                "goal= with a discount of 1 in some states and less in others: without a discount "
                "an episode that ends elsewhere counts as infinite, and discounts that differ are "
                "kept as probabilities of ending; use discounts below 1, or objective='reach'"
            )


def is_discounted(discount: object) -> bool:
    """Whether all discounts are below 1; False for what is no discount, which is refused later."""
    try:
        return bool(np.max(np.asarray(discount, dtype=np.float64)) < 1.0)
    except (TypeError, ValueError):
        return False


def split_discount(discount: object, available: Bool[np.ndarray, "S A"]) -> Discounting:
    """Return one discount, and what each pair has of it.

    Args:
        discount: One number, (S,) numbers or (S, A) numbers in [0, 1].
        available: (S, A) mask; discounts of other pairs do not count.

    Raises:
        ModelError: if they have another shape, or one of an available pair is outside [0, 1].
    """
    shape = available.shape
    if not is_list(discount):
        return Discounting(as_discount(discount))
    advice = "give one number, one a state (S,), or one a state and action (S, A)"
    given = check_array("discount", discount, error=ModelError, advice=advice)
    if given.shape not in (shape[:1], shape):
        raise ModelError(
            f"discount must have shape (S,) = {shape[:1]} or (S, A) = {shape}, not {given.shape}; "
            f"{advice}"
        )
    table = np.broadcast_to(given if given.ndim == 2 else given[:, None], shape)
    bad = available & ~((table >= 0.0) & (table <= 1.0))
    if bad.any():
        raise ModelError(
            describe_first(
                bad,
                lambda state, action: (
                    f"discount: state {state}, action {action} has {table[state, action]:g}, not a "
                    "number in [0, 1]"
                ),
                "pairs",
                of=int(np.count_nonzero(available)),
            )
        )
    used = table[available]
    largest = float(used.max())
    if largest == float(used.min()):
        return Discounting(largest)
    return Discounting(largest, np.where(available, table, largest) / largest)


def is_list(discount: object) -> bool:
    """Whether a discount is an array or a list, and not one number."""
    return isinstance(discount, list | tuple) or bool(getattr(discount, "shape", ()))
