"""Standard errors by drawing the individuals of a panel again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError
from regmdp.applications.choice.estimates import Estimates
from regmdp.applications.choice.panel import Panel

__all__ = ["Bootstrap", "bootstrap"]


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Estimates from panels whose individuals were drawn with replacement.

    Attributes:
        names: The names of the K parameters.
        estimates: (B, K) the estimates; as many rows as were finished.
        failed: How many drawn panels did not tell all parameters.
    """

    names: tuple[str, ...]
    estimates: Float[np.ndarray, "B K"]
    failed: int

    def standard_errors(self) -> dict[str, float]:
        """Return the standard deviations of the estimates by name."""
        return dict(zip(self.names, np.std(self.estimates, axis=0, ddof=1).tolist(), strict=True))

    def intervals(self, confidence: float = 0.95) -> dict[str, tuple[float, float]]:
        """Return intervals between quantiles of the estimates, by name."""
        tail = 0.5 * (1.0 - confidence)
        low, high = np.quantile(self.estimates, [tail, 1.0 - tail], axis=0)
        return dict(zip(self.names, zip(low.tolist(), high.tolist(), strict=True), strict=True))


def bootstrap(
    estimator: Callable[[Panel], Estimates],
    panel: Panel,
    *,
    replications: int,
    rng: np.random.Generator,
) -> Bootstrap:
    """Estimate again from panels of individuals drawn with replacement.

    Ctrl-C keeps what is finished.

    Args:
        estimator: From a panel to estimates, such as
            ``lambda panel: nested_fixed_point(model, panel)``.
        panel: The observations.
        replications: B, at least 2.
        rng: The random generator.

    Raises:
        SampleError: if fewer than two replications can be estimated.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> utilities = rm.choice.LinearUtilities(np.array([[[0.0], [1.0]]]), ["liking"])
        >>> model = rm.choice.ChoiceModel(
        ...     utilities, rm.choice.KnownTransitions(np.ones((1, 2, 1))), discount=0.0
        ... )
        >>> panel = rm.choice.simulate(
        ...     model.solve([1.0]), individuals=300, periods=1, rng=np.random.default_rng(0)
        ... )
        >>> again = rm.choice.bootstrap(
        ...     lambda panel: rm.choice.nested_fixed_point(model, panel),
        ...     panel,
        ...     replications=50,
        ...     rng=np.random.default_rng(1),
        ... )
        >>> 0.08 < again.standard_errors()["liking"] < 0.2
        True
    """
    if replications < 2:
        raise SampleError(f"there must be at least 2 replications, not {replications}")
    found: list[np.ndarray] = []
    names: tuple[str, ...] = ()
    failed = 0
    individuals = panel.individuals
    try:
        for _ in range(replications):
            drawn = panel.subset(rng.choice(individuals, size=individuals.size))
            try:
                estimates = estimator(drawn)
            except SampleError:
                failed += 1
                continue
            names = estimates.model.names
            found.append(estimates.vector)
    except KeyboardInterrupt:
        if len(found) < 2:
            raise
    if len(found) < 2:
        raise SampleError(
            f"{failed} of {replications} drawn panels could not be estimated from; the panel has "
            "too few individuals"
        )
    return Bootstrap(names, np.array(found), failed)
