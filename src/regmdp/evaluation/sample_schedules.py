r"""Numbers of samples that grow with the iterations."""

from __future__ import annotations

import math
from dataclasses import dataclass

from regmdp._internal.errors import SolverError
from regmdp.evaluation.sampled import require_count
from regmdp.mdp import DecisionProcess

__all__ = ["GeometricSamples", "period", "samples_at"]


@dataclass(frozen=True)
class GeometricSamples:
    r"""Numbers of samples of a pair that grow in periods, \(n_k = \lceil n_0 c^{\lfloor k/l \rfloor} \rceil\) in iteration k.

    Args:
        initial: n_0, the number in the first iteration.
        factor: c ≥ 1.
        every: l, the number of iterations of a period; by default that in which \(\gamma^l\) falls
            to 1/c, \(l = \lceil \log_\gamma (1/c) \rceil\), so that errors in proportion to
            \(n^{-1/2}\) fall by \(c^{-1/2}\) while a linearly convergent method gains 1/c.

    Raises:
        SolverError: if an option is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> growing = rm.evaluation.GeometricSamples(initial=10, every=2)
        >>> [growing.at(iteration, discount=0.9) for iteration in range(5)]
        [10, 10, 40, 40, 160]
    """

    initial: int
    factor: float = 4.0
    every: int | None = None

    def __post_init__(self) -> None:
        require_count("the number of samples of a pair", self.initial)
        if not (self.factor >= 1.0 and math.isfinite(self.factor)):
            raise SolverError(
                f"the factor by which samples grow must be at least 1, not {self.factor}"
            )
        if self.every is not None:
            require_count("the number of iterations of a period", self.every)

    def check(self, process: DecisionProcess) -> None:
        """Check that the periods are defined for this model.

        Raises:
            SolverError: if they are not.
        """
        if self.every is None and not 0.0 < process.discount < 1.0:
            raise SolverError(
                "the periods follow from a discount strictly between 0 and 1; for this model give "
                "every="
            )

    def at(self, iteration: int, discount: float) -> int:
        """Return n_k."""
        length = period(discount, self.factor) if self.every is None else self.every
        return math.ceil(self.initial * self.factor ** (iteration // length))


def period(discount: float, factor: float) -> int:
    r"""Return \(\lceil \log_\gamma (1/c) \rceil\), at least 1."""
    return max(1, math.ceil(-math.log(factor) / math.log(discount)))


def samples_at(samples: int | GeometricSamples, iteration: int, discount: float) -> int:
    """Return a number of samples in some iteration; a plain number is the same in all."""
    return (
        samples.at(iteration, discount) if isinstance(samples, GeometricSamples) else int(samples)
    )
