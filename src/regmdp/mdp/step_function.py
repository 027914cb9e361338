"""A user's function of states, actions and outcomes, evaluated for many states at once.

The arrays that it gets have one axis for each outcome, then one for actions and one for states,
which is the last, so that loops run over contiguous states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import Bool, Float, Int, freeze
from regmdp._internal.checks import show
from regmdp._internal.errors import ModelError
from regmdp.mdp.dimension_layout import DimensionLayout
from regmdp.mdp.dimensions import Dimension
from regmdp.mdp.outcomes import NamedFunction, Outcomes

__all__ = ["StepFunction", "Steps"]

#: What the function returns, for messages.
FORM = "(next state, reward), or (next state, reward, termination, available)"


@dataclass(frozen=True, eq=False)
class Steps:
    """What happens in b states after A actions, with K combinations of outcomes.

    Attributes:
        successors: (K, A, b) next states; arbitrary where the weight is 0.
        weights: (K, 1, 1) or (K, A, b) probabilities of going there.
        average_rewards: Returns the (A, b) expected rewards, which sweeps do not need.
        available: (A, b) mask, or None if all actions exist.
        termination: (A, b) probabilities, or None if there are none.
    """

    successors: Int[np.ndarray, "K A b"]
    weights: Float[np.ndarray, "K ..."]
    average_rewards: Callable[[], Float[np.ndarray, "A b"]]
    available: Bool[np.ndarray, "A b"] | None
    termination: Float[np.ndarray, "A b"] | None


class StepFunction:
    """The steps of a model, as a function returns them.

    Args:
        function: The user's function.
        layout: Dimensions of states and actions.
        outcomes: Random outcomes.
        clip: Names of dimensions whose successors are moved to the nearest limit.
    """

    def __init__(
        self,
        function: Any,
        layout: DimensionLayout,
        outcomes: Outcomes,
        clip: frozenset[str] = frozenset(),
    ) -> None:
        self.layout, self.outcomes, self._clip = layout, outcomes, clip
        names = [one.name for one in (*layout.states, *layout.actions)]
        names += [one.values.name for one in outcomes.sources]
        self._function = NamedFunction("function", function, names)
        self.title = self._function.title
        self._kind = np.int32 if layout.n_states < 2**31 else np.int64
        shape = layout.shape
        self._strides = [int(np.prod(shape[i + 1 :], dtype=np.int64)) for i in range(len(shape))]

    def evaluate(self, states: Int[np.ndarray, " b"], actions: Int[np.ndarray, "A ..."]) -> Steps:
        """Return the steps from some states.

        Args:
            states: (b,) numbers of states.
            actions: (A, 1) numbers of actions, taken in all these states, or (1, b) one for each.
        """
        batch = _Batch(self, states, actions)
        next_state, reward, *rest = self._split(self._function(batch.arrays))
        termination, available = (*rest, None, None)[:2]
        mask = batch.expand_mask(available)
        weights = self.outcomes.probabilities(batch.arrays, batch.describe, mask)
        ends = batch.expand_termination(termination)
        live = weights if ends is None else weights * (1.0 - ends)
        if mask is not None:
            live = live * mask
        successors = self._find_successors(batch, self._by_name(next_state), live)
        size = self.outcomes.count, *batch.pairs
        return Steps(
            successors.reshape(size),
            live.reshape(-1, 1, 1)
            if live.shape[-2:] == (1, 1)
            else np.broadcast_to(live, batch.shape).reshape(size),
            lambda: batch.average("reward", reward, weights),
            None if mask is None else np.broadcast_to(mask, batch.shape)[batch.first],
            None if ends is None else batch.average("termination", ends, weights),
        )

    def _split(self, result: Any) -> tuple[Any, ...]:
        """Return what the function returned, in two to four parts."""
        if not isinstance(result, tuple) or not 2 <= len(result) <= 4:
            raise ModelError(f"{self.title} must return {FORM}, not {show(result)}")
        return result

    def _by_name(self, next_state: Any) -> list[Any]:
        """Return the coordinates of the next state in the order of the dimensions."""
        names = [one.name for one in self.layout.states]
        listed = ", ".join(names)
        title = self.title
        if isinstance(next_state, Mapping):
            if set(next_state) != set(names):
                missing = [name for name in names if name not in next_state]
                more = [str(name) for name in next_state if name not in names]
                raise ModelError(
                    f"the next state of {title} must have the coordinates {listed}"
                    + (f"; {', '.join(missing)} is missing" if missing else "")
                    + (f"; {', '.join(more)} is none of them" if more else "")
                )
            return [next_state[name] for name in names]
        parts = list(next_state) if isinstance(next_state, tuple | list) else [next_state]
        if len(parts) != len(names):
            raise ModelError(
                f"{title} returns {len(parts)} coordinates of the next state, which has "
                f"{len(names)}: {listed}; return {FORM}, the next state as "
                f"({listed}{',' if len(names) == 1 else ''}) or by name"
            )
        return parts

    def _find_successors(
        self, batch: _Batch, coordinates: Sequence[Any], live: np.ndarray
    ) -> np.ndarray:
        """Return the numbers of the next states, of the full shape."""
        out = np.empty(batch.shape, dtype=self._kind)
        total: Any = self._kind(0)
        for one, given, stride in zip(self.layout.states, coordinates, self._strides, strict=True):
            values = batch.as_array(f"the next {one.name}", given, "iufbU")
            if one.name in self._clip and values.dtype.kind != "U":
                values = np.clip(values, *one.limits)
            found, missing = one.find(values)
            if missing is not None:
                batch.require_inside(one, values, missing & (live > 0.0))
                found = np.where(missing, 0, found)
            # arrays are as small as the coordinates let them be until the last sum
            moved = found.astype(self._kind) * self._kind(stride)
            total = np.add(total, moved, out=out if stride == self._strides[-1] else None)
        return out


class _Batch:
    """Some states and actions: the arrays that users' functions get, and what they return."""

    def __init__(
        self, steps: StepFunction, states: Int[np.ndarray, " b"], actions: np.ndarray
    ) -> None:
        self._steps, self._states, self._actions = steps, states, actions
        axes = (1,) * len(steps.outcomes.sources)
        self.pairs = (actions.shape[0], states.size)
        self.shape = (*steps.outcomes.shape, *self.pairs)
        self.first = (0,) * len(axes)
        layout = steps.layout
        self.arrays = {
            name: freeze(values.reshape(*axes, 1, -1))
            for name, values in layout.take_states(states).items()
        }
        self.arrays |= {
            name: freeze(values.reshape(*axes, *actions.shape))
            for name, values in layout.take_actions(actions.ravel()).items()
        }
        self.arrays |= steps.outcomes.arrays()

    def describe(self, action: int, state: int) -> str:
        """Name a pair of the batch, by its place."""
        layout = self._steps.layout
        number = np.broadcast_to(self._actions, self.pairs)[action, state]
        name = layout.describe_state(int(self._states[state]))
        return f"state ({name}), action ({layout.describe_action(int(number))})"

    def as_array(self, what: str, given: Any, kinds: str) -> np.ndarray:
        """Return what a function returned as an array that fits the shape of the batch."""
        title = self._steps.title
        array = np.asarray(given)
        if array.dtype.kind not in kinds:
            raise ModelError(f"{what} that {title} returns must be an array, not {show(given)}")
        try:
            fits = np.broadcast_shapes(array.shape, self.shape) == self.shape
        except ValueError:
            fits = False
        if not fits:
            raise ModelError(
                f"{what} that {title} returns has shape {array.shape}, which does not broadcast to "
                f"that of its arguments, outcomes first, then actions and states: {self.shape}"
            )
        return array.reshape((1,) * (len(self.shape) - array.ndim) + array.shape)

    def average(self, what: str, given: Any, weights: np.ndarray) -> Float[np.ndarray, "A b"]:
        """Return the (A, b) expectation of a result over the outcomes."""
        values = self.as_array(what, given, "iufb").astype(np.float64, copy=False)
        outcomes = tuple(range(len(self.first)))
        if all(values.shape[axis] == 1 for axis in outcomes):
            return np.array(np.broadcast_to(values[self.first], self.pairs))
        product = weights * values
        if not np.isfinite(product).all():  # what cannot happen does not count
            product = np.where(weights > 0.0, product, 0.0)
        return np.array(np.broadcast_to(product.sum(axis=outcomes), self.pairs))

    def expand_mask(self, available: Any) -> np.ndarray | None:
        """Return the availability, which must not depend on outcomes; None if all actions exist."""
        if available is None:
            return None
        mask = self.as_array("available", available, "b")
        outcomes = tuple(range(len(self.first)))
        if any(mask.shape[axis] > 1 for axis in outcomes):
            least = mask.all(axis=outcomes, keepdims=True)
            differs = mask.any(axis=outcomes, keepdims=True) & ~least
            if differs.any():
                at = np.argwhere(np.broadcast_to(differs, self.shape))[0]
                raise ModelError(
                    f"available depends on the outcome in {self.describe(int(at[-2]), int(at[-1]))}"
                    "; an action exists or not before anything happens"
                )
            mask = np.asarray(least)
        return None if mask.all() else mask

    def expand_termination(self, termination: Any) -> np.ndarray | None:
        """Return the probabilities of termination, checked; None if there are none."""
        if termination is None:
            return None
        ends = self.as_array("termination", termination, "iufb").astype(np.float64)
        bad = ~((ends >= 0.0) & (ends <= 1.0))
        if bad.any():
            at = np.argwhere(np.broadcast_to(bad, self.shape))[0]
            value = np.broadcast_to(ends, self.shape)[tuple(at)]
            raise ModelError(
                f"termination is {value:g} in {self.describe(int(at[-2]), int(at[-1]))}; it is a "
                "probability, or True or False"
            )
        return ends if ends.any() else None

    def require_inside(self, one: Dimension, values: np.ndarray, bad: np.ndarray) -> None:
        """Raise an error if successors that can be reached have no such value of a dimension."""
        if not bad.any():
            return
        bad = np.broadcast_to(bad, self.shape)
        count, total = int(np.count_nonzero(bad)), bad.size
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        value = np.broadcast_to(values, self.shape)[at]
        happens = self._steps.outcomes.describe(at[:-2])
        raise ModelError(
            f"{self._steps.title} leads from {self.describe(at[-2], at[-1])}"
            f"{' with ' if happens else ''}{happens} to {one.name}={one.show_value(value)}, but "
            f"the values of {one.name} are {one.describe_values()}; {count:,} of {total:,} "
            f"transitions from {self.pairs[1]:,} states are wrong; return a value of {one.name}, "
            "or that the action is not available"
            + (f', or pass clip=["{one.name}"] to stay at the limit' if one.numeric else "")
        )
