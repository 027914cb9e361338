"""What users may pass to the methods of regularizers that take arrays.

Besides what each argument may be: the shapes fit one another and the fields of the regularizer,
probabilities are 0 where no action is available, and scores there do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from regmdp._internal.arrays import array_namespace
from regmdp._internal.checks import LARGE_ROOT, describe_first
from regmdp._internal.errors import RegularizerError
from regmdp._internal.kinds import Kind
from regmdp._internal.parameters import ArrayOf
from regmdp._internal.row_kinds import (
    ActionMasks,
    CallContext,
    DistributionRows,
    Rows,
    StateIndex,
    require_mask_fits,
)
from regmdp.regularizers._parameters import PerState, check_temperature

__all__ = ["METHODS", "call_method"]

SCORES = Rows(infinite=(-np.inf,), ignored=True)
DIRECTIONS = Rows(ignored=True, minimum=-LARGE_ROOT, maximum=LARGE_ROOT)
#: Probabilities one by one, whose sum does not matter, and their logarithms.
ENTRIES = Rows(minimum=0.0, maximum=1.0 + 1e-9)
LOGARITHMS = Rows(infinite=(-np.inf,), maximum=1e-8)
P = DistributionRows()
MASK = ActionMasks() | None
STATES_AND_ACTIONS = ArrayOf("S A", kind="boolean")

#: What the parameters of each method may be.
METHODS: dict[str, dict[str, Kind]] = {
    "value": {"p": P, "available": MASK},
    "cost": {"p": P, "available": MASK},
    "subgradient": {"p": P, "available": MASK},
    "inverse_second_derivative": {"p": P, "available": MASK},
    "second_derivatives": {"p": P},
    "divergence": {"p": P, "q": P, "xi": SCORES | None, "available": MASK},
    "gradient_divergence": {"p": P, "q": P, "available": MASK},
    "terms": {"p": ENTRIES},
    "derivatives": {"p": ENTRIES, "log_p": LOGARITHMS},
    "divergence_terms": {"p": ENTRIES, "q": ENTRIES},
    "greedy": {"y": SCORES, "available": MASK},
    "conjugate": {"y": SCORES, "available": MASK},
    "hessian_vector_product": {"y": SCORES, "direction": DIRECTIONS, "available": MASK},
    "maximum": {"q": SCORES, "available": MASK},
    "maximiser": {"q": SCORES, "available": MASK},
    "maximiser_jvp": {"q": SCORES, "direction": DIRECTIONS, "available": MASK},
    "best": {"q": SCORES, "available": MASK},
    "centre": {"available": ActionMasks()},
    "domain": {"available": MASK},
    "check": {"available": STATES_AND_ACTIONS},
    "require_feasible": {"available": STATES_AND_ACTIONS},
    "at": {"states": StateIndex()},
}

#: Methods that use the temperature.
TEMPERED = {"cost", "maximum", "maximiser", "maximiser_jvp"}
#: Methods of which p must be 0 where no action is available; a divergence is infinite there.
INSIDE = {"value", "cost", "subgradient", "inverse_second_derivative"}
#: Methods whose scores are -inf, and directions 0, where no action is available.
UNMASKED = {"greedy", "conjugate", "hessian_vector_product"}
#: Methods of scores, which need an action with a score, and a distribution in the domain.
SCORED = UNMASKED | {"maximum", "maximiser", "maximiser_jvp", "best"}
#: Methods that check the shapes of the fields themselves, or do not use them.
FIELD_FREE = {"at", "check", "require_feasible"}


@runtime_checkable
class HasFields(Protocol):
    """A regularizer, seen from its checks."""

    temperature: PerState

    @property
    def state_fields(self) -> Mapping[str, int]: ...

    @property
    def n_states(self) -> int | None: ...

    @property
    def user_defined(self) -> bool: ...

    @property
    def probability_bounds(self) -> object | None: ...

    def domain(self, available: Any) -> Any: ...

    def require_feasible(self, available: Any) -> None: ...


def call_method(
    function: Callable[..., Any],
    regularizer: HasFields,
    given: dict[str, Any],
    declarations: Mapping[str, Kind],
) -> Any:
    """Check the arguments of a method that a user calls, and call it.

    Raises:
        RegularizerError: if they are not what the method may take.
    """
    name = function.__name__
    if "available" in given:
        given["available"] = declarations["available"].check(
            "available", given["available"], None, RegularizerError
        )
    mask = given.get("available")
    context = CallContext(np.True_ if mask is None else np.asarray(mask), regularizer.n_states)
    for parameter, kind in declarations.items():
        if parameter in given and parameter != "available":
            given[parameter] = kind.check(parameter, given[parameter], context, RegularizerError)
    arrays = {
        parameter: value
        for parameter, value in given.items()
        if value is not None and parameter not in ("states", "available")
    }
    if name in TEMPERED:
        _require_temperature(regularizer)
    _require_fit(regularizer, name, arrays, mask)
    if name in INSIDE and mask is not None:
        given["p"] = _require_zero_outside(given["p"], np.asarray(mask))
    if name in SCORED:
        first = next(iter(arrays))
        _require_some_score(first, np.asarray(arrays[first]), mask)
        _require_feasible(regularizer, arrays[first].shape, mask)
    if name in UNMASKED and mask is not None:
        return _call_masked(function, regularizer, given)
    return function(regularizer, **given)


def _call_masked(function: Callable[..., Any], regularizer: object, given: dict[str, Any]) -> Any:
    """Call a method that expects scores of -inf where no action is available.

    The answer is 0 in states without actions.
    """
    xp = array_namespace(given["y"])
    mask = xp.broadcast_to(xp.asarray(given["available"]), given["y"].shape)
    some = xp.any(mask, axis=-1, keepdims=True)
    given["y"] = xp.where(mask, given["y"], xp.where(some, -xp.inf, 0.0))
    if "direction" in given:
        given["direction"] = xp.where(mask, given["direction"], 0.0)
    answer = function(regularizer, **given)
    if bool(xp.all(some)):
        return answer
    return xp.where(some[..., 0] if answer.ndim < mask.ndim else some, answer, 0.0)


def _require_temperature(regularizer: HasFields) -> None:
    if getattr(regularizer, "temperature", None) is None:
        raise RegularizerError(
            f"{type(regularizer).__name__} has no temperature; give it one, a number or one per "
            "state"
        )
    if regularizer.user_defined:
        check_temperature(regularizer.temperature)


def _require_fit(
    regularizer: HasFields, method: str, arrays: Mapping[str, Any], mask: object
) -> None:
    """Check that arrays have the same numbers of actions and states, and that the fields fit."""
    if not arrays and mask is not None:
        arrays = {"available": mask}
    if not arrays or method in FIELD_FREE:
        return
    shapes = {parameter: tuple(value.shape) for parameter, value in arrays.items()}
    shape = _broadcast(*shapes.values())
    if shape is None:
        listed = ", ".join(f"{parameter} has {found}" for parameter, found in shapes.items())
        raise RegularizerError(f"{' and '.join(shapes)} must have the same shape, but {listed}")
    if mask is not None:
        require_mask_fits(next(iter(shapes)), shape, np.asarray(mask), RegularizerError)
    for field, (batch, n_actions) in _list_field_shapes(regularizer):
        wide = len(batch) > len(shape) - 1 or any(
            own not in (1, found) for own, found in zip(batch[::-1], shape[-2::-1], strict=False)
        )
        if wide or n_actions not in (None, shape[-1]):
            own = (*batch, *(() if n_actions is None else (n_actions,)))
            raise RegularizerError(
                f"{next(iter(shapes))} has shape {shape}, which does not fit {field} of "
                f"{type(regularizer).__name__}, of shape {own}"
            )


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of (…, A) arrays together; None if there is none, or A differs."""
    if len(set(shapes)) == 1:
        return shapes[0]
    if len({shape[-1] for shape in shapes}) > 1:
        return None
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _list_field_shapes(
    regularizer: Any,
) -> Iterator[tuple[str, tuple[tuple[int, ...], int | None]]]:
    """Return the fields that are arrays, with the shape of their states and number of actions."""
    for name, ndim in regularizer.state_fields.items():
        shape = np.shape(getattr(regularizer, name, 0.0))
        if shape and ndim == 2:
            yield name, (shape[:-1], None if shape[-1] == 1 else shape[-1])
        elif shape:
            yield name, (shape, None)
    for name, array in (getattr(regularizer, "parameters", None) or {}).items():
        yield f"the parameter {name}", ((len(array),), None)
    for part in getattr(regularizer, "parts", ()):
        yield from _list_field_shapes(part)


def _require_zero_outside(p: Any, mask: np.ndarray) -> Any:
    """Check that no action that is not available has a positive probability.

    Returns:
        The (…, A) probabilities, 0 in states without actions, where they do not count.
    """
    xp = array_namespace(p)
    some = np.broadcast_to(np.any(mask, axis=-1, keepdims=True), p.shape)
    outside = (np.asarray(p) > 0) & ~mask & some
    if outside.any():
        raise RegularizerError(
            describe_first(
                outside,
                lambda *index: (
                    f"p[{', '.join(map(str, index))}] is {float(p[index]):.4g}, but this action "
                    "is not available"
                ),
                "entries",
            )
        )
    return p if some.all() else xp.where(xp.asarray(some), p, 0.0)


def _require_feasible(regularizer: HasFields, shape: tuple[int, ...], mask: Any) -> None:
    """Check that the regularizer is finite somewhere in each state that has actions."""
    if regularizer.probability_bounds is None and regularizer.domain(None) is None:
        return
    mask = np.broadcast_to(np.True_ if mask is None else np.asarray(mask), shape)
    for index in np.ndindex(mask.shape[:-2]):
        regularizer.require_feasible(np.atleast_2d(mask[index]))


def _require_some_score(name: str, scores: np.ndarray, mask: Any) -> None:
    """Check that some available action has a score above -inf in each state that has actions."""
    if np.min(scores) > -np.inf:
        return
    mask = np.broadcast_to(np.True_ if mask is None else np.asarray(mask), scores.shape)
    lowest = np.isneginf(scores)
    lost = mask.any(axis=-1) & ~(mask & ~lowest).any(axis=-1)
    if lost.any():
        raise RegularizerError(
            describe_first(
                lost,
                lambda *index: (
                    f"{name}[{', '.join((*map(str, index), ':'))}] is -inf at every available "
                    "action"
                ),
                "states",
                "mark actions that do not exist in available=",
            )
        )
