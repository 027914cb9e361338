"""Pictures of choice models; they need matplotlib, which the extra ``plots`` brings."""

from __future__ import annotations

from typing import Any

import numpy as np

from regmdp import plots
from regmdp._internal.errors import SampleError
from regmdp.applications.choice.counterfactuals import Counterfactual

__all__ = ["draw_counterfactual"]


def draw_counterfactual(
    counterfactual: Counterfactual,
    choice: int | str,
    *,
    states: Any = None,
    label: str = "state",
    names: Any = ("before", "after"),
) -> Any:
    """Draw how often a choice is made, and where people are in the long run, before a change and after it.

    Args:
        counterfactual: The two solutions.
        choice: The choice, by number or by name.
        states: (S,) where the states stand on the horizontal axis; their numbers by default.
        label: What that is.
        names: What to call before and after.

    Returns:
        A matplotlib figure with two axes; draw it within ``plots.style()``, and write it with
        ``plots.to_svg``.

    Raises:
        SampleError: if there is no such choice.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> from regmdp import plots
        >>> from regmdp.applications.choice.figures import draw_counterfactual
        >>> model = rm.choice.bus_engine_model(n_bins=20, discount=0.9, unit=0.1)
        >>> cheap, dear = (model.solve([cost, 2.0, 0.4, 0.5]) for cost in (3.0, 6.0))
        >>> with plots.style():
        ...     figure = draw_counterfactual(rm.choice.Counterfactual(cheap, dear), "replace")
        >>> len(figure.axes)
        2
    """
    model = counterfactual.before.model
    known = list(model.choices or [])
    number = known.index(choice) if choice in known else choice
    n_states, n_choices = counterfactual.before.mdp.rewards.shape
    if not isinstance(number, int | np.integer) or not 0 <= number < n_choices:
        raise SampleError(
            f"there is no choice {choice!r}; the choices are "
            f"{', '.join(known) or f'0 to {n_choices - 1}'}"
        )
    where = np.arange(n_states) if states is None else np.asarray(states, dtype=np.float64)
    figure, axes = plots.subplots(1, 2)
    for index, (solution, name) in enumerate(
        zip((counterfactual.before, counterfactual.after), names, strict=True)
    ):
        plots.draw_curve(axes[0], where, solution.probabilities[:, number], index, name)
        plots.draw_curve(axes[1], where, solution.stationary_distribution(), index, name)
    called = known[number] if known else f"choice {number}"
    for one, title in zip(
        axes, (f"probability of “{called}”", "share of time, in the long run"), strict=True
    ):
        one.set_title(title)
        one.set_xlabel(label)
        one.set_ylim(0, None)
    plots.add_legend(axes[1])
    return figure
