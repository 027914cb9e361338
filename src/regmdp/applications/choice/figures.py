"""Figures of choice models; they need matplotlib, which the extra ``plots`` installs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from regmdp._internal.arrays import ArrayLike
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import ArrayOf, Instance, Integer, SequenceOf, Text, checked
from regmdp.applications.choice.counterfactuals import Counterfactual
from regmdp.applications.choice.model import ChoiceSolution

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_counterfactual"]


@checked(
    SampleError,
    counterfactual=Instance(Counterfactual),
    choice=Integer(0) | Text(),
    states=ArrayOf("n") | None,
    label=Text(),
    names=SequenceOf(Text(), length=2),
)
def draw_counterfactual(
    counterfactual: Counterfactual,
    choice: int | str,
    *,
    states: ArrayLike | None = None,
    label: str = "state",
    names: Sequence[str] = ("before", "after"),
) -> Figure:
    """Draw the probability of a choice and the long-run shares of the states, before and after.

    Args:
        counterfactual: The two solutions.
        choice: The choice, by number or by name.
        states: (S,) positions of the states on the horizontal axis; their numbers by default.
        label: Label of this axis.
        names: Names of the two solutions in the legend.

    Returns:
        A matplotlib figure with two axes; draw it within ``plots.style()``, and write it with
        ``plots.to_svg``.

    Raises:
        SampleError: if there is no such choice.
        MissingExtraError: if matplotlib is not installed.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> from regmdp import plots
        >>> model = rm.choice.bus_engine_model(n_bins=20, discount=0.9, unit=0.1)
        >>> cheap, dear = (model.solve([cost, 2.0, 0.4, 0.5]) for cost in (3.0, 6.0))
        >>> with plots.style():
        ...     figure = rm.choice.draw_counterfactual(
        ...         rm.choice.Counterfactual(cheap, dear), "replace"
        ...     )
        >>> len(figure.axes)
        2
    """
    from regmdp import plots  # needs matplotlib

    solutions = (counterfactual.before, counterfactual.after)
    number, title = _find_choice(counterfactual.before, choice)
    n_states = counterfactual.before.mdp.n_states
    x = np.arange(n_states) if states is None else np.asarray(states)
    if x.size != n_states:
        raise SampleError(f"states must be {n_states} positions, one for each state, not {x.size}")
    figure, (left, right) = plots.subplots(1, 2)
    for index, (solution, name) in enumerate(zip(solutions, names, strict=True)):
        plots.draw_curve(left, x, solution.probabilities[:, number], index, name)
        plots.draw_curve(right, x, solution.stationary_distribution(), index, name)
    left.set_title(f"probability of “{title}”")
    right.set_title("share of time, in the long run")
    for axes in (left, right):
        axes.set_xlabel(label)
        axes.set_ylim(0, None)
    plots.add_legend(right)
    return figure


def _find_choice(solution: ChoiceSolution, choice: int | str) -> tuple[int, str]:
    """Return the number of a choice and its name."""
    n_choices = solution.mdp.n_actions
    names = list(solution.model.choices or [])
    if isinstance(choice, str) and choice in names:
        return names.index(choice), choice
    if isinstance(choice, int) and choice < n_choices:
        return choice, names[choice] if names else f"choice {choice}"
    raise SampleError(
        f"there is no choice {choice!r}; the choices are "
        f"{', '.join(names) or f'0 to {n_choices - 1}'}"
    )
