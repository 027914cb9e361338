"""Random outcomes, their probabilities, and functions of named arrays."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Bool, Float, freeze
from regmdp._internal.checks import show
from regmdp._internal.errors import ModelError
from regmdp._internal.user_code import call_user, name_function
from regmdp.mdp.dimensions import Dimension, DimensionValues
from regmdp.mdp.validation import MASS_TOLERANCE

__all__ = ["NamedFunction", "OutcomeLike", "Outcomes", "check_outcomes"]

#: Probabilities by value, or the values and their probabilities: an array, or a function.
OutcomeLike: TypeAlias = (
    "Mapping[Any, float] | tuple[DimensionValues, ArrayLike | Callable[..., ArrayLike]]"
)


class NamedFunction:
    """A user's function, called with those of some named arrays that it has parameters for.

    Args:
        role: What messages call the function before its name.
        function: The function.
        names: The names of all arrays.

    Raises:
        ModelError: if a parameter without a default has another name.
    """

    def __init__(self, role: str, function: Callable[..., Any], names: Sequence[str]) -> None:
        if not callable(function):
            raise ModelError(f"{role} must be a function, not {show(function)}")
        self.function, self.names = function, tuple(names)
        self.title = f"{role} ({name_function(function)})"
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # some functions have no signature
            return
        if any(one.kind is one.VAR_KEYWORD for one in parameters):
            parameters = [one for one in parameters if one.kind is not one.VAR_KEYWORD]
        else:
            taken = {one.name for one in parameters}
            self.names = tuple(name for name in names if name in taken)
        for one in parameters:
            named = one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
            needed = one.default is one.empty and one.kind is not one.VAR_POSITIONAL
            if needed and not (named and one.name in names):
                near = difflib.get_close_matches(one.name, names, n=1)
                raise ModelError(
                    f"{self.title} has the parameter {one.name}, which is none of the names of "
                    f"the states, actions and outcomes: {', '.join(names)}"
                    + (f"; did you mean {near[0]}?" if near else "")
                )

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> Any:
        given = {name: arrays[name] for name in self.names}
        return call_user(ModelError, self.function, **given)


@dataclass(frozen=True, eq=False)
class _Source:
    """One random outcome.

    Attributes:
        values: Its name and its values.
        probabilities: (n,) probabilities, or a function of named arrays.
    """

    values: Dimension
    probabilities: Float[np.ndarray, " n"] | NamedFunction


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Independent random outcomes, each with an axis of its own before actions and states.

    Attributes:
        sources: The outcomes.
    """

    sources: tuple[_Source, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values of each outcome."""
        return tuple(len(one.values) for one in self.sources)

    @property
    def count(self) -> int:
        """The number of combinations of outcomes, K."""
        return math.prod(self.shape)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the values of each outcome along its axis, with two axes of size 1 behind all."""
        return {
            one.values.name: freeze(np.asarray(one.values.values).reshape(self._axis(number)))
            for number, one in enumerate(self.sources)
        }

    def probabilities(
        self,
        arrays: Mapping[str, np.ndarray],
        describe: Callable[[int, int], str],
        available: Bool[np.ndarray, "*K A b"] | None,
    ) -> Float[np.ndarray, "..."]:
        """Return the probabilities of all combinations, with axes of size 1 where they are equal.

        Args:
            arrays: The named arrays of states, actions and outcomes.
            describe: Names the pair at an action and a state, as messages do.
            available: Mask that broadcasts to (…, A, b), or None; other pairs are not checked.
        """
        product = np.ones((1,) * (len(self.sources) + 2))
        for number, one in enumerate(self.sources):
            if isinstance(one.probabilities, NamedFunction):
                found = _evaluate(one.probabilities, arrays, number, one.values)
                if available is not None:
                    found = np.where(available, found, 0.0)
                _check_probabilities(
                    one.probabilities, found, number, one.values, describe, available
                )
                product = product * found
            else:
                product = product * one.probabilities.reshape(self._axis(number))
        return product

    def describe(self, index: Sequence[int]) -> str:
        """Return the values of a combination of outcomes, as messages write them."""
        return ", ".join(one.values.show(at) for one, at in zip(self.sources, index, strict=True))

    def _axis(self, number: int) -> tuple[int, ...]:
        shape = [1] * (len(self.sources) + 2)
        shape[number] = len(self.sources[number].values)
        return tuple(shape)


def check_outcomes(outcomes: object, names: Sequence[str]) -> Outcomes:
    """Return random outcomes that are given as a mapping.

    Args:
        outcomes: For each name its :data:`OutcomeLike`, or None.
        names: The names of the dimensions of states and actions.
    """
    if outcomes is None:
        return Outcomes(())
    if not isinstance(outcomes, Mapping):
        raise ModelError(
            "outcomes must map names to probabilities, such as "
            f'{{"demand": {{0: 0.5, 1: 0.5}}}}, not {show(outcomes)}'
        )
    sources: list[_Source] = []
    for name, given in outcomes.items():
        known = [*names, *(one.values.name for one in sources)]
        if name in known:
            raise ModelError(f"the outcome {name} has the name of a dimension; rename one of them")
        sources.append(_check_source(name, given, known))
    return Outcomes(tuple(sources))


def _check_source(name: str, given: object, known: Sequence[str]) -> _Source:
    """Return one outcome, checked."""
    if isinstance(given, Mapping):
        values = Dimension(name, list(given))
        return _Source(values, _check_fixed(values, list(given.values())))
    if isinstance(given, tuple) and len(given) == 2:
        values = Dimension(name, given[0])
        if callable(given[1]):
            role = f"the probability of {name}"
            return _Source(values, NamedFunction(role, given[1], [*known, name]))
        return _Source(values, _check_fixed(values, given[1]))
    raise ModelError(
        f"the outcome {name} must be a mapping from values to probabilities, or a tuple of the "
        f"values and their probabilities, an array or a function, not {show(given)}"
    )


def _check_fixed(values: Dimension, given: Any) -> Float[np.ndarray, " n"]:
    """Return probabilities that are the same in all states, checked."""
    name = f"the probabilities of {values.name}"
    found = check_array(name, given, ndim=1, finite=True, error=ModelError)
    if found.size != len(values):
        raise ModelError(f"{name} are {found.size}, but it has {len(values)} values")
    if (found < 0).any():
        where = int(np.argmax(found < 0))
        raise ModelError(f"the probability of {values.show(where)} is {found[where]:g}")
    total = math.fsum(found)
    if abs(total - 1.0) > MASS_TOLERANCE:
        raise ModelError(
            f"{name} sum to {total:.12g}, not to 1 within {MASS_TOLERANCE:g}; normalise them, or "
            "add the value that is missing"
        )
    return freeze(np.array(found))


def _evaluate(
    function: NamedFunction,
    arrays: Mapping[str, np.ndarray],
    axis: int,
    values: Dimension,
) -> np.ndarray:
    """Return the probabilities that a user's function says, with all values along their axis."""
    shape = np.broadcast_shapes(*(one.shape for one in arrays.values()))
    found = np.asarray(function(arrays))
    if found.dtype.kind not in "iufb" or found.ndim > len(shape):
        raise ModelError(f"{function.title} must return an array of numbers, not {show(found)}")
    try:
        np.broadcast_to(found, shape)
    except ValueError:
        raise ModelError(
            f"{function.title} returns an array of shape {found.shape}, which does not broadcast "
            f"to that of the outcomes, actions and states, {shape}"
        ) from None
    found = found.astype(np.float64, copy=False).reshape(
        (1,) * (len(shape) - found.ndim) + found.shape
    )
    if found.shape[axis] < len(values):  # the same for all values
        found = np.repeat(found, len(values), axis=axis)
    return found


def _check_probabilities(
    function: NamedFunction,
    found: np.ndarray,
    axis: int,
    values: Dimension,
    describe: Callable[[int, int], str],
    available: np.ndarray | None,
) -> None:
    """Check that probabilities are at least 0 and sum to 1 along an axis.

    Args:
        function: The user's function.
        found: Its result, 0 for pairs that do not exist.
        axis: The axis of the outcome.
        values: The values of the outcome.
        describe: Names the pair at an action and a state.
        available: Mask of the pairs that exist, or None.
    """
    low = ~(found >= 0.0)
    if low.any():
        at = tuple(int(i) for i in np.argwhere(low)[0])
        raise ModelError(
            f"{function.title} is {found[at]:g} in {describe(at[-2], at[-1])}, "
            f"{values.show(at[axis])}; probabilities are 0 or more"
        )
    sums = found.sum(axis=axis, keepdims=True)
    bad = ~(np.abs(sums - 1.0) <= MASS_TOLERANCE) & (True if available is None else available)
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ModelError(
            f"{function.title} sums to {sums[at]:.12g} over the values of {values.name} in "
            f"{describe(at[-2], at[-1])}, not to 1 within {MASS_TOLERANCE:g}"
        )
