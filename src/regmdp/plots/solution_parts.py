"""What the figures of solutions share: the layout, the title, and what is left blank."""

from __future__ import annotations

import textwrap
from typing import Any, TypeVar

import numpy as np
import scipy
from matplotlib.figure import Figure

from regmdp._internal.arrays import Float
from regmdp._internal.errors import ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Instance
from regmdp.mdp import MDP, DimensionLayout, GridLayout, Layout, LineLayout
from regmdp.solution import Solution

__all__ = [
    "LAYOUT",
    "add_title",
    "dense_policy",
    "find_layout",
    "hide_infinite",
    "hide_terminal",
    "require_layout",
]

Chosen = TypeVar("Chosen", DimensionLayout, GridLayout, LineLayout)

#: Largest number of characters of a regularizer in a title.
MAX_CHARACTERS = 58
#: A layout, or a model that has one.
LAYOUT = Instance(Layout, MDP)


def find_layout(solution: Solution, layout: object) -> Layout | None:
    """Return the layout that was given, or that of the solution, after checking that it fits."""
    found = layout.layout if isinstance(layout, MDP) else layout
    if found is None:
        found = solution.layout
    elif not isinstance(found, Layout):
        raise ModelError(
            "layout must be a regmdp.GridLayout, regmdp.LineLayout or regmdp.DimensionLayout, or a "
            f"model that has one, not {layout!r}"
        )
    if found is not None:
        found.require_fit(*solution.policy.shape)
    return found


def require_layout(
    solution: Solution, layout: object, kind: type[Chosen], name: str, example: str
) -> Chosen:
    """Return a layout of this kind."""
    found = find_layout(solution, layout)
    if isinstance(found, kind):
        return found
    problem = "no layout" if found is None else f"another layout, {type(found).__name__}"
    raise ModelError(
        f"the model has {problem}: give a {name}, as layout={example}, or set it with "
        "mdp.with_layout before solving; regmdp.plots.plot_overview draws any solution"
    )


def add_title(figure: Figure, solution: Solution, what: str) -> None:
    """Add two lines: what is shown, with its certified gap, and the regularizer."""
    regularizer = solution.provenance.regularizer
    if regularizer == "none":
        regularizer = "no regularizer"
    text = (
        f"{what}, certified gap {solution.certificate.gap:.2g}\n"
        f"{textwrap.shorten(regularizer, MAX_CHARACTERS, placeholder=' …')}"
    )
    figure.suptitle(text, x=0.01, ha="left", fontsize=11)


def dense_policy(solution: Solution) -> Float[np.ndarray, "S A"]:
    """Return the policy as an array, also that of a ragged model."""
    policy: Any = solution.policy
    if not scipy.sparse.issparse(policy):
        return policy
    require_memory(
        f"the probabilities of {policy.shape[1]:,} actions in {policy.shape[0]:,} states",
        8.0 * policy.shape[0] * policy.shape[1],
        "regmdp.plots.plot_overview draws their entropy",
    )
    return policy.toarray()


def hide_terminal(policy: Float[np.ndarray, "S A"]) -> Float[np.ndarray, "S A"]:
    """Return the policy with NaN in terminal states, whose rows are 0."""
    return np.where(policy.any(axis=1, keepdims=True), policy, np.nan)


def hide_infinite(value: Float[np.ndarray, " S"]) -> Float[np.ndarray, " S"]:
    """Return the value with NaN where it is infinite."""
    return np.where(np.isfinite(value), value, np.nan)
