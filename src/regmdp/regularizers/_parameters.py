"""Checks of the parameters of regularizers: numbers, one number per state, fields over actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import Array, ArrayLike, Bool, freeze, is_traced
from regmdp._internal.checks import check_number, describe_first
from regmdp._internal.errors import RegularizerError
from regmdp._internal.parameters import ArrayOf, Instance, Number

__all__ = [
    "FIELD",
    "PARAMETERS",
    "PER_STATE",
    "TEMPERATURE",
    "TRACED_TEMPERATURE",
    "PerState",
    "check_per_state",
    "check_temperature",
    "require_shape",
]

#: One number 0 or more, or one per state.
TEMPERATURE = Number(minimum=0.0) | ArrayOf("S")
#: The same, or a tracer of JAX.
TRACED_TEMPERATURE = Number(minimum=0.0) | ArrayOf("S", traced=True)
#: A positive number, or one per state.
PER_STATE = Number(above=0.0) | ArrayOf("S")
#: Numbers of shape (A,) or (S, A).
FIELD = ArrayOf()
#: Arrays by name.
PARAMETERS = Instance(Mapping) | None

#: A number, or an array with one number per state, (S,).
PerState: TypeAlias = float | Array


def check_temperature(temperature: ArrayLike) -> PerState:
    """Return τ ≥ 0 as a float or a read-only (S,) array; a tracer of JAX as it is.

    Raises:
        RegularizerError: if a temperature is negative, infinite or not a number.
    """
    if is_traced(temperature):
        return cast("Array", temperature)
    return check_per_state("temperature", temperature, positive=False)


def check_per_state(name: str, given: ArrayLike, *, positive: bool) -> PerState:
    """Return a parameter as a float or a read-only (S,) array.

    Args:
        name: Its name, for messages.
        given: The parameter.
        positive: Whether 0 is refused as well.

    Raises:
        RegularizerError: if a value is negative, infinite or not a number.
    """
    values = np.array(
        check_array(
            name, given, error=RegularizerError, advice=f"{name} is a number or one per state"
        )
    )
    if values.ndim == 0:
        return check_number(
            name,
            given,
            minimum=None if positive else 0.0,
            above=0.0 if positive else None,
            error=RegularizerError,
        )
    if values.ndim > 1:
        raise RegularizerError(f"{name} must be a number or have shape (S,), not {values.shape}")
    bad = ~((values > 0 if positive else values >= 0) & np.isfinite(values))
    if bad.any():
        needed = "positive and finite" if positive else "finite and 0 or more"
        raise RegularizerError(
            describe_first(
                bad,
                lambda state: f"{name} of state {state} must be {needed}, not {values[state]}",
                "states",
            )
        )
    return freeze(values)


def require_shape(name: str, field: np.ndarray, available: Bool[Array, "S A"]) -> None:
    """Check that a field over actions, or states and actions, has the shape of a model.

    Raises:
        RegularizerError: if its shape is neither (S, A) nor (A,).
    """
    if field.shape not in (available.shape, available.shape[1:]):
        raise RegularizerError(
            f"{name} must have the model's shape (S, A) = {available.shape} or (A,), not "
            f"{field.shape}"
        )
