"""What a parameter may be: arrays whose last axis is actions, with any axes before it.

Arrays of doubles are accepted after two reductions, and are not copied. Arrays of other libraries
with a namespace of their own, such as JAX's, are checked and stay what they are; JAX's tracers,
which have no values, pass unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from regmdp._internal.array_checks import check_array, place
from regmdp._internal.array_kinds import ArrayOf
from regmdp._internal.arrays import is_traced
from regmdp._internal.checks import check_integer, describe_first, is_number, show
from regmdp._internal.errors import RegmdpError
from regmdp._internal.kinds import Kind

__all__ = ["ActionMasks", "CallContext", "DistributionRows", "Rows", "StateIndex"]

#: Largest difference from 1 of the sum of a distribution. Functions of distributions have values
#: close to the simplex, too, which numerical derivatives need.
SUM_TOLERANCE = 1e-3


class CallContext(NamedTuple):
    """What a check knows of the call, where other checks have the model.

    Attributes:
        available: (…, A) mask of the available actions.
        n_states: Number of states of the object whose method is called, if it has any.
    """

    available: Any = np.True_
    n_states: int | None = None


@dataclass(frozen=True)
class Rows(ArrayOf):
    """Numbers, (…, A); with ``ignored``, any where the action is not available."""

    def describe(self) -> str:
        return "an array of shape (…, A)"

    def matches(self, value: object) -> bool:
        return is_traced(value) or super().matches(value)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if is_traced(value) or self._is_plainly_good(value):
            return value
        array = super().check(name, value, model, error)
        if array.ndim == 0:
            raise error(f"{name} must be {self.describe()}, not a number")
        return value if is_foreign(value) else array

    def _check_entries(
        self, name: str, array: np.ndarray, exempt: np.ndarray | np.bool_, error: type[RegmdpError]
    ) -> np.ndarray:
        require_mask_fits(name, array.shape, exempt, error)
        return super()._check_entries(name, array, exempt, error)

    def _is_plainly_good(self, value: Any) -> bool:
        """Whether a value is an array of doubles within the limits."""
        if type(value) is not np.ndarray or value.dtype != np.float64 or not value.size:
            return False
        least, most = value.min(), value.max()  # NaN if one entry is
        low = -np.inf if self.minimum is None else self.minimum
        high = np.inf if self.maximum is None else self.maximum
        return bool(
            value.ndim
            and low <= least
            and most <= high
            and most < np.inf
            and (least > -np.inf or -np.inf in self.infinite)
        )


@dataclass(frozen=True)
class DistributionRows(Rows):
    """Distributions over actions, (…, A); rows of states without actions have any sum."""

    minimum: float | None = 0.0
    maximum: float | None = 1.0 + SUM_TOLERANCE

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        checked = super().check(name, value, model, error)
        if is_traced(checked):
            return checked
        array = np.asarray(checked)
        available = model.available if isinstance(model, CallContext) else np.True_
        require_mask_fits(name, array.shape, available, error)
        sums = array.sum(axis=-1)
        some = np.True_
        if available is not np.True_:
            some = np.any(np.broadcast_to(available, array.shape), axis=-1)
        bad = some & (np.abs(sums - 1.0) > SUM_TOLERANCE)
        if np.any(bad):
            raise error(
                describe_first(
                    bad,
                    lambda *index: f"{place(name, index)} sums to {sums[index]:.12g}, not to 1",
                    "rows",
                    "normalise them; available= says which states have no actions",
                )
            )
        return checked


@dataclass(frozen=True)
class ActionMasks(Kind):
    """Masks of the available actions, (…, A)."""

    def describe(self) -> str:
        return "a mask of shape (…, A)"

    def matches(self, value: object) -> bool:
        return is_traced(value) or (
            value is not None
            and (hasattr(value, "__array__") or isinstance(value, list | tuple | bool))
        )

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if is_traced(value):
            return value
        array = check_array(name, value, "boolean", error=error)
        if array.ndim == 0 or array.size == 0:
            raise error(f"{name} must be {self.describe()}, not of shape {array.shape}")
        return value if is_foreign(value) else array


@dataclass(frozen=True)
class StateIndex(Kind):
    """A state, a slice of states, or an array of states or a mask of them."""

    def describe(self) -> str:
        return "a state, a slice of states, or an array of states"

    def matches(self, value: object) -> bool:
        return isinstance(value, slice) or is_number(value) or ArrayOf().matches(value)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        size = model.n_states if isinstance(model, CallContext) else None
        if isinstance(value, slice):
            return _check_slice(name, value, error)
        if is_number(value):
            low, high = (None, None) if size is None else (-size, size - 1)
            return check_integer(name, value, low, high, error=error)
        if not self.matches(value):
            raise error(f"{name} must be {self.describe()}, not {show(value)}")
        masks = np.asarray(value).dtype.kind == "b" if hasattr(value, "dtype") else False
        array = check_array(name, value, "boolean" if masks else "integer", error=error)
        if array.ndim != 1:
            raise error(f"{name} must be {self.describe()}, not of shape {array.shape}")
        if size is not None and masks and array.size != size:
            raise error(f"{name} is a mask of {array.size} states, here are {size}")
        if size is not None and not masks:
            outside = (array < -size) | (array >= size)
            if outside.any():
                raise error(
                    describe_first(
                        outside,
                        lambda i: f"{name}[{i}] is {array[i]}, but there are {size} states",
                        "entries",
                    )
                )
        return array


def _check_slice(name: str, value: slice, error: type[RegmdpError]) -> slice:
    ends = {"start": value.start, "stop": value.stop, "step": value.step}
    for end, given in ends.items():
        if given is not None:
            check_integer(f"the {end} of {name}", given, None, error=error)
    if value.step == 0:
        raise error(f"the step of {name} must not be 0")
    return value


def is_foreign(value: object) -> bool:
    """Whether a value is an array of another library with a namespace of its own."""
    return not isinstance(value, np.ndarray | np.generic) and hasattr(value, "__array_namespace__")


def require_mask_fits(
    name: str, shape: tuple[int, ...], mask: np.ndarray | np.bool_, error: type[RegmdpError]
) -> None:
    """Check that a mask of the available actions has the shape of an array, or broadcasts to it.

    Raises:
        RegmdpError: of the class ``error``, if it does not.
    """
    found = np.shape(mask)
    fits = len(found) <= len(shape) and all(
        own in (1, of_array) for own, of_array in zip(found[::-1], shape[::-1], strict=False)
    )
    if not fits or (found and found[-1] != shape[-1]):
        raise error(f"available must have the shape of {name}, {shape}, or (A,), not {found}")
