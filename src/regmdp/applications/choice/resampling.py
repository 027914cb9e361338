"""Bootstrap: estimates from resampled panels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.checks import show
from regmdp._internal.errors import SampleError, SolverError
from regmdp._internal.parameters import Function, Generator, Instance, Integer, Number, checked
from regmdp._internal.user_code import call_user
from regmdp.applications.choice.estimates import Estimates
from regmdp.applications.choice.panel import Panel

__all__ = ["Bootstrap", "bootstrap"]


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Estimates from panels whose individuals were drawn with replacement.

    Attributes:
        names: The names of the K parameters.
        estimates: (B, K) the estimates of the replications that were finished.
        n_failed: Number of resampled panels that could not be estimated from.
    """

    names: tuple[str, ...]
    estimates: Float[np.ndarray, "B K"]
    n_failed: int

    def standard_errors(self) -> dict[str, float]:
        """Return the standard deviations of the estimates by name."""
        return dict(zip(self.names, np.std(self.estimates, axis=0, ddof=1).tolist(), strict=True))

    @checked(SampleError, confidence=Number(above=0.0, below=1.0))
    def intervals(self, confidence: float = 0.95) -> dict[str, tuple[float, float]]:
        """Return intervals between quantiles of the estimates, by name.

        Args:
            confidence: Share of the estimates between the two, in (0, 1).
        """
        tail = 0.5 * (1.0 - confidence)
        low, high = np.quantile(self.estimates, [tail, 1.0 - tail], axis=0)
        return dict(zip(self.names, zip(low.tolist(), high.tolist(), strict=True), strict=True))


@checked(
    SampleError,
    estimator=Function(),
    panel=Instance(Panel),
    replications=Integer(2),
    rng=Generator(),
)
def bootstrap(
    estimator: Callable[[Panel], Estimates],
    panel: Panel,
    *,
    replications: int,
    rng: np.random.Generator,
) -> Bootstrap:
    """Repeat an estimation on panels of individuals drawn with replacement.

    Ctrl-C ends it with the replications that are finished.

    Args:
        estimator: From a panel to estimates, such as
            ``lambda resampled: nested_fixed_point(model, resampled)``.
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
        ...     lambda resampled: rm.choice.nested_fixed_point(model, resampled),
        ...     panel,
        ...     replications=50,
        ...     rng=np.random.default_rng(1),
        ... )
        >>> 0.08 < again.standard_errors()["liking"] < 0.2
        True
    """
    vectors: list[np.ndarray] = []
    names: tuple[str, ...] = ()
    n_failed = 0
    individuals = panel.individuals
    try:
        for _ in range(replications):
            resampled = panel.subset(rng.choice(individuals, size=individuals.size))
            try:
                estimates = call_user(SolverError, estimator, resampled)
            except SampleError:
                n_failed += 1
                continue
            if not isinstance(estimates, Estimates):
                raise SampleError(f"estimator must return Estimates, not {show(estimates)}")
            names = estimates.model.names
            vectors.append(estimates.vector)
    except KeyboardInterrupt:
        if len(vectors) < 2:
            raise
    if len(vectors) < 2:
        raise SampleError(
            f"{n_failed} of {replications} resampled panels could not be estimated from; the panel "
            "has too few individuals"
        )
    return Bootstrap(names, np.array(vectors), n_failed)
