"""Policies as tables, by the names of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from regmdp._internal.arrays import Float
from regmdp._internal.tables import Table
from regmdp.mdp.dimension_layout import DimensionLayout
from regmdp.mdp.layouts import Layout

__all__ = ["tabulate_policy"]


def tabulate_policy(
    policy: Float[np.ndarray, "S A"],
    value: Float[np.ndarray, " S"],
    layout: Layout | None,
    action_labels: Sequence[str] | None,
    min_probability: float,
) -> Table:
    """Return the table of :meth:`regmdp.Solution.policy_frame`.

    Args:
        policy: (S, A) probabilities, an array or a sparse one.
        value: (S,) values.
        layout: The layout of the model, whose dimensions are columns if it has some.
        action_labels: A names, or None.
        min_probability: Rows of smaller probabilities are left out, and so are those of 0.
    """
    rows = scipy.sparse.coo_array(policy) if scipy.sparse.issparse(policy) else None
    if rows is None:
        state, action = np.nonzero((policy > 0.0) & (policy >= min_probability))
        probability = policy[state, action]
    else:
        kept = (rows.data > 0.0) & (rows.data >= min_probability)
        state, action, probability = rows.row[kept], rows.col[kept], rows.data[kept]
    named = layout if isinstance(layout, DimensionLayout) else None
    columns = {"state": state} if named is None else named.take_states(state)
    acts = {} if named is None else named.take_actions(action)
    if not acts:
        names = action if action_labels is None else np.array(action_labels)[action]
        acts = {"action": names}
    own = {"probability": probability, "value": value[state]}
    for part in (acts, own):  # a state may have a dimension of the same name
        columns |= {name if name not in columns else f"{name}_": part[name] for name in part}
    return Table(columns)
