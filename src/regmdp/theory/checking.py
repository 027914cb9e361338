"""Holding a run against all that is proved of its method."""

from __future__ import annotations

from collections.abc import Iterable

from regmdp.theory import (
    greedy,
    homotopic,
    identities,
    linear_rates,
    softmax,
    steps,
    unregularized,
)
from regmdp.theory.report import Comparison, NotApplicable, NotApplicableError, Report, Statement
from regmdp.theory.runs import Trace

__all__ = ["STATEMENTS", "check"]

#: All statements, in the order in which a report has them.
STATEMENTS: tuple[Statement, ...] = (
    *identities.STATEMENTS,
    *linear_rates.STATEMENTS,
    *steps.STATEMENTS,
    *greedy.STATEMENTS,
    *unregularized.STATEMENTS,
    *homotopic.STATEMENTS,
    *softmax.STATEMENTS,
)


def check(run: Trace, statements: Iterable[Statement] = STATEMENTS) -> Report:
    """Hold a run against the theorems and identities that apply to its method, at every iteration.

    Each statement is looked up by what the method is, its parameters and the regularizer. What is
    measured may exceed what is predicted by rounding only, whose bound is computed for the run: the
    certified errors of the optimum and of the values, and the errors of the steps as far as the
    theorem carries them on.

    Args:
        run: From :func:`trace`, or made of somebody else's iterates.
        statements: What to hold it against; by default everything there is.

    Returns:
        The report. ``str(report)`` shows measured and predicted where they come closest, and where
        a statement is violated.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.garnet(5, 3, 2, discount=0.8)
        >>> run = rm.theory.trace(mdp, rm.Shannon(0.1), rm.algorithms.NPG(0.5), max_iterations=20)
        >>> report = rm.theory.check(run)
        >>> report
        Report(..., 0 violated, ... do not apply)

        The iterates of a method with half the step size, passed off as those of this one:

        >>> slower = rm.theory.trace(
        ...     mdp, rm.Shannon(0.1), rm.algorithms.NPG(0.25), max_iterations=20
        ... )
        >>> claimed = rm.theory.Trace(mdp, run.regularizer, run.algorithm, slower.states)
        >>> rm.theory.check(claimed).holds
        False
    """
    comparisons: list[Comparison] = []
    not_applicable: list[NotApplicable] = []
    for statement in statements:
        try:
            comparisons.append(statement.compare(run))
        except NotApplicableError as reason:
            not_applicable.append(NotApplicable(statement.name, str(reason)))
    return Report(repr(run), tuple(comparisons), tuple(not_applicable))
