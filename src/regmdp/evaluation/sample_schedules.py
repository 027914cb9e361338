"""Schedules of numbers of samples over the iterations."""

from __future__ import annotations

import math
from dataclasses import dataclass

from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Integer, Number, checked
from regmdp.mdp import DecisionProcess

__all__ = ["SAMPLES", "GeometricSamples", "default_period", "samples_at"]


@checked(initial=Integer(), factor=Number(minimum=1.0), period=Integer() | None)
@dataclass(frozen=True)
class GeometricSamples:
    r"""Samples of a pair in iteration k, \(n_k = \lceil n_0 c^{\lfloor k/l \rfloor} \rceil\).

    Args:
        initial: n_0, the number of samples in the first iteration.
        factor: c ≥ 1.
        period: l, the number of iterations of a period; by default that in which \(\gamma^l\)
            decreases to 1/c, \(l = \lceil \log_\gamma (1/c) \rceil\), so that errors in proportion
            to \(n^{-1/2}\) decrease by \(c^{-1/2}\) while a linearly convergent method gains 1/c.

    Raises:
        SolverError: if an option is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> schedule = rm.evaluation.GeometricSamples(initial=10, period=2)
        >>> [schedule.at(iteration, discount=0.9) for iteration in range(5)]
        [10, 10, 40, 40, 160]
    """

    initial: int
    factor: float = 4.0
    period: int | None = None

    def check(self, process: DecisionProcess) -> None:
        """Check that the periods are defined for this model.

        Raises:
            SolverError: if they are not.
        """
        if self.period is None and not 0.0 < process.discount < 1.0:
            raise SolverError(
                "the default period needs a discount strictly between 0 and 1; for this model give "
                "period="
            )

    def at(self, iteration: int, discount: float) -> int:
        """Return n_k."""
        length = default_period(discount, self.factor) if self.period is None else self.period
        return math.ceil(self.initial * self.factor ** (iteration // length))


#: Numbers of samples: the same in each iteration, or a schedule.
SAMPLES = Integer() | Instance(GeometricSamples)


#: Numbers of samples: the same in each iteration, or a schedule.
SAMPLES = Integer() | Instance(GeometricSamples)


def default_period(discount: float, factor: float) -> int:
    r"""Return \(\lceil \log_\gamma (1/c) \rceil\), at least 1."""
    return max(1, math.ceil(-math.log(factor) / math.log(discount)))


def samples_at(samples: int | GeometricSamples, iteration: int, discount: float) -> int:
    """Return the number of samples of an iteration; a plain number is the same in all."""
    return (
        samples.at(iteration, discount) if isinstance(samples, GeometricSamples) else int(samples)
    )
