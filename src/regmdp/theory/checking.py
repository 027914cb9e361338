"""Comparison of a run with all statements about its method."""

from __future__ import annotations

from collections.abc import Iterable

from regmdp._internal.parameters import Instance, check_sequence, checked
from regmdp.theory import (
    greedy,
    homotopic,
    identities,
    inexact,
    linear_rates,
    potential_proof,
    softmax,
    softmax_convergence,
    steps,
    td_pmd,
    unregularized,
)
from regmdp.theory.report import Comparison, NotApplicable, NotApplicableError, Report
from regmdp.theory.runs import Trace
from regmdp.theory.statements import Statement

__all__ = ["STATEMENTS", "check"]

#: All statements, in the order of a report.
STATEMENTS: tuple[Statement, ...] = (
    *identities.STATEMENTS,
    *linear_rates.STATEMENTS,
    *inexact.STATEMENTS,
    *potential_proof.STATEMENTS,
    *steps.STATEMENTS,
    *greedy.STATEMENTS,
    *unregularized.STATEMENTS,
    *homotopic.STATEMENTS,
    *softmax.STATEMENTS,
    *softmax_convergence.STATEMENTS,
    *td_pmd.STATEMENTS,
)


@checked(run=Instance(Trace))
def check(run: Trace, statements: Iterable[Statement] = STATEMENTS) -> Report:
    """Compare a run at every iteration with the theorems and identities about its method.

    Whether a statement applies depends on the method, its parameters and the regularizer. Measured
    values may exceed predicted ones by rounding only. The bound on rounding is computed for the
    run: the certified errors of the optimum and of the values, and the errors of the steps as the
    theorem propagates them.

    Args:
        run: From :func:`trace`, or built from recorded iterates.
        statements: Statements to check; the default is all of them.

    Returns:
        The report. ``str(report)`` shows the measured and the predicted value where they are
        closest, and where a statement is violated.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.garnet(5, 3, 2, discount=0.8)
        >>> run = rm.theory.trace(mdp, rm.Shannon(0.1), rm.algorithms.NPG(0.5), max_iterations=20)
        >>> report = rm.theory.check(run)
        >>> report
        Report(..., 0 violated, ... do not apply)

        Iterates of the method with half the step size violate the statements:

        >>> slower = rm.theory.trace(
        ...     mdp, rm.Shannon(0.1), rm.algorithms.NPG(0.25), max_iterations=20
        ... )
        >>> claimed = rm.theory.Trace(mdp, run.regularizer, run.algorithm, slower.states)
        >>> rm.theory.check(claimed).holds
        False
    """
    comparisons: list[Comparison] = []
    not_applicable: list[NotApplicable] = []
    for statement in check_sequence("statements", statements, Instance(Statement)):
        try:
            comparisons.append(statement.compare(run))
        except NotApplicableError as reason:
            not_applicable.append(NotApplicable(statement.name, str(reason)))
    return Report(repr(run), tuple(comparisons), tuple(not_applicable))
