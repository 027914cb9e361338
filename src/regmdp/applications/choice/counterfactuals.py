"""Counterfactuals: the model solved at other parameters, and standard errors of its results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float, Shaped
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import Function, Instance, MappingOf, Number, Option, checked
from regmdp._internal.user_code import call_user
from regmdp.applications.choice.covariance import COVARIANCE_KINDS, CovarianceKind
from regmdp.applications.choice.estimates import Estimates
from regmdp.applications.choice.model import ChoiceModel, ChoiceSolution

__all__ = ["Counterfactual", "counterfactual", "delta_method", "long_run_shares"]

#: Step of the differences of the delta method, in standard errors.
DIFFERENCE_STEP = 1e-4


@checked(SampleError, before=Instance(ChoiceSolution), after=Instance(ChoiceSolution))
@dataclass(frozen=True, eq=False)
class Counterfactual:
    """A model at the estimates, and at other parameters, or another model.

    Attributes:
        before: The solution at the estimates.
        after: The solution after the change.
    """

    before: ChoiceSolution
    after: ChoiceSolution

    @property
    def shares(self) -> tuple[Float[np.ndarray, " A"], Float[np.ndarray, " A"]]:
        """(A,) long-run shares of the choices, before and after."""
        return long_run_shares(self.before), long_run_shares(self.after)

    @property
    def gain(self) -> Float[np.ndarray, " S"]:
        """(S,) increase of the inclusive value by the change, in units of utility."""
        return self.after.inclusive_value - self.before.inclusive_value

    def summary(self) -> str:
        """Return a table of the long-run shares of the choices, before and after."""
        before, after = self.shares
        names: Sequence[str] = self.before.model.choices or [
            f"choice {number}" for number in range(before.size)
        ]
        width = max(8, *(len(name) for name in names))
        lines = [
            f"{'in the long run':<{max(width, 15)}} {'before':>10} {'after':>10} {'change':>9}"
        ]
        for name, one, other in zip(names, before, after, strict=True):
            change = f"{other / one - 1.0:>+8.1%}" if one > 0 else "       –"
            lines.append(f"{name:<{max(width, 15)}} {one:>10.5f} {other:>10.5f} {change:>9}")
        return "\n".join(lines)


@checked(
    SampleError,
    estimates=Instance(Estimates),
    change=MappingOf(Number() | Function()) | None,
    model=Instance(ChoiceModel) | None,
)
def counterfactual(
    estimates: Estimates,
    change: Mapping[str, float | Callable[[float], float]] | None = None,
    *,
    model: ChoiceModel | None = None,
) -> Counterfactual:
    """Solve the model after a change that people know of.

    Args:
        estimates: The estimates.
        change: New numbers for some parameters, or functions of their estimates.
        model: Another model with the same parameters: other transitions, choice sets or utilities;
            by default the same.

    Raises:
        SampleError: if there is no such parameter.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> utilities = rm.choice.LinearUtilities(np.array([[[0.0], [1.0]]]), ["liking"])
        >>> model = rm.choice.ChoiceModel(
        ...     utilities, rm.choice.KnownTransitions(np.ones((1, 2, 1))), discount=0.0
        ... )
        >>> panel = rm.choice.simulate(
        ...     model.solve([1.0]), individuals=300, periods=1, rng=np.random.default_rng(0)
        ... )
        >>> fit = rm.choice.nested_fixed_point(model, panel)
        >>> rm.choice.counterfactual(fit, {"liking": 0.0}).shares[1]
        array([0.5, 0.5])
    """
    parameters = dict(estimates.parameters)
    for name, new in (change or {}).items():
        if name not in parameters:
            raise SampleError(
                f"there is no parameter {name!r}; the parameters are {', '.join(parameters)}"
            )
        number = new(parameters[name]) if callable(new) else new
        parameters[name] = Number().check(f"the new {name!r}", number, None, SampleError)
    return Counterfactual(
        estimates.solution,
        (model or estimates.model).solve(parameters, start=estimates.solution.mdp_solution),
    )


@checked(SampleError, solution=Instance(ChoiceSolution))
def long_run_shares(solution: ChoiceSolution) -> Float[np.ndarray, " A"]:
    """Return the (A,) long-run shares of the choices."""
    return solution.stationary_distribution() @ solution.probabilities


@checked(
    SampleError,
    function=Function(),
    estimates=Instance(Estimates),
    kind=Option(*COVARIANCE_KINDS),
)
def delta_method(
    function: Callable[[ChoiceSolution], ArrayLike],
    estimates: Estimates,
    *,
    kind: CovarianceKind = "information",
) -> tuple[Shaped[np.ndarray, "..."], Shaped[np.ndarray, "..."]]:
    """Return a function of the solution at the estimates, and its standard error.

    The standard error is that of the delta method, with derivatives by central differences.

    Args:
        function: From a solution of the model to a number or an array.
        estimates: The estimates.
        kind: As for :meth:`Estimates.covariance`.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> utilities = rm.choice.LinearUtilities(np.array([[[0.0], [1.0]]]), ["liking"])
        >>> model = rm.choice.ChoiceModel(
        ...     utilities, rm.choice.KnownTransitions(np.ones((1, 2, 1))), discount=0.0
        ... )
        >>> panel = rm.choice.simulate(
        ...     model.solve([1.0]), individuals=300, periods=1, rng=np.random.default_rng(0)
        ... )
        >>> share, error = rm.choice.delta_method(
        ...     lambda solution: solution.probabilities[0, 1],
        ...     rm.choice.nested_fixed_point(model, panel),
        ... )
        >>> bool(abs(error - np.sqrt(share * (1 - share) / 300)) < 1e-6)
        True
    """
    vector, covariance = estimates.vector, estimates.covariance(kind)
    model, start = estimates.model, estimates.solution.mdp_solution

    def evaluate(solution: ChoiceSolution) -> Shaped[np.ndarray, "..."]:
        return np.asarray(call_user(SampleError, function, solution))

    slopes = []
    for number in range(vector.size):
        step = np.zeros(vector.size)
        step[number] = DIFFERENCE_STEP * np.sqrt(covariance[number, number])
        after, before = (
            evaluate(model.solve(vector + sign * step, start=start)) for sign in (1.0, -1.0)
        )
        slopes.append((after - before) / (2.0 * step[number]))
    jacobian = np.array(slopes)
    variance = np.einsum("k...,kl,l...->...", jacobian, covariance, jacobian)
    errors = np.asarray(np.sqrt(np.maximum(variance, 0.0)))
    return evaluate(estimates.solution), errors
