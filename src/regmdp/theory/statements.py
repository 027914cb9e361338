"""Statements that can be compared with runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from regmdp._internal.parameters import Instance, checked
from regmdp.theory.report import ComparedValues, Comparison
from regmdp.theory.runs import Trace

__all__ = ["Statement"]


@dataclass(frozen=True)
class Statement:
    """A theorem or an identity that can be compared with a run.

    Attributes:
        name: Name of the statement.
        source: Reference.
        kind: :class:`UpperBound` or :class:`Identity`.
        measure: Returns the compared values of a :class:`Trace`; raises
            :class:`NotApplicableError` with the reason if the statement does not apply.
    """

    name: str
    source: str
    kind: type[Comparison]
    measure: Callable[[Trace], ComparedValues]

    @checked(run=Instance(Trace))
    def compare(self, run: Trace) -> Comparison:
        """Compare the statement with a run.

        Raises:
            NotApplicableError: if the statement does not apply to the run.
        """
        return self.kind(self.name, self.source, *self.measure(run))
