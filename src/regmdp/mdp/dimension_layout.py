"""States and actions with coordinates, which errors, tables and plots speak of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Int, freeze
from regmdp._internal.checks import check_option, show
from regmdp._internal.errors import ModelError
from regmdp._internal.parameters import ArrayOf, Integer, checked
from regmdp.mdp.dimensions import Dimension, DimensionValues, check_dimensions, read_dimension
from regmdp.mdp.layouts import Layout

__all__ = ["DimensionLayout", "read_dimensions"]

#: Numbers of states or actions.
NUMBERS = ArrayOf("k", kind="integer", minimum=0, empty=True)


class DimensionLayout(Layout):
    """States that are the points of a grid with named dimensions, and actions likewise.

    States are numbered row by row: the last dimension runs first. Models from
    :meth:`regmdp.MDP.from_function` and :meth:`regmdp.MDP.from_reachable` have one.

    Args:
        states: Values of each dimension of the states, by name: ranges, lists or arrays.
        actions: The same of the actions; by default actions have no dimensions.
        positions: (S, D) position of each state in each dimension, if not all points of the grid
            are states, or in another order.

    Attributes:
        states: The D dimensions of the states.
        actions: The dimensions of the actions.
        positions: (S, D) positions, or None.

    Raises:
        ModelError: if names or values are repeated, or positions are outside the grid.

    Examples:
        >>> import regmdp as rm
        >>> layout = rm.DimensionLayout({"stock": range(3), "backlog": range(4)})
        >>> layout.describe_state(7)
        'stock=1, backlog=3'
        >>> layout.find_state(stock=1, backlog=3)
        7
        >>> layout.state_coordinates()["stock"]
        array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    """

    states: tuple[Dimension, ...]
    actions: tuple[Dimension, ...]
    positions: Int[np.ndarray, "S D"] | None

    def __init__(
        self,
        states: Mapping[str, DimensionValues],
        actions: Mapping[str, DimensionValues] | None = None,
        positions: ArrayLike | None = None,
    ) -> None:
        self.states = check_dimensions("states", states)
        self.actions = check_dimensions("actions", {} if actions is None else actions, empty=True)
        self.positions = None if positions is None else self._check_positions(positions)

    def _check_positions(self, positions: object) -> Int[np.ndarray, "S D"]:
        """Return positions, checked against the sizes of the dimensions."""
        given = check_array("positions", positions, "integer", ndim=2, error=ModelError)
        if given.shape[1] != len(self.states):
            raise ModelError(
                f"positions must have shape (S, {len(self.states)}), one column a dimension, not "
                f"{given.shape}"
            )
        outside = (given < 0) | (given >= self.shape)
        if outside.any():
            state, number = (int(i) for i in np.argwhere(outside)[0])
            raise ModelError(
                f"positions: state {state} has {given[state, number]} in {self.states[number].name}"
                f", which has {len(self.states[number])} values, counted from 0"
            )
        order = np.lexsort(given.T)
        repeated = (np.diff(given[order], axis=0) == 0).all(axis=1)
        if repeated.any():
            one, other = sorted(order[int(np.argmax(repeated)) :][:2])
            raise ModelError(
                f"positions: states {one} and {other} have the same; {int(repeated.sum())} states "
                "repeat another one"
            )
        return freeze(np.array(given, dtype=np.int32, order="F"))

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values of each dimension of the states."""
        return tuple(len(one) for one in self.states)

    @property
    def n_states(self) -> int:
        """The number of states."""
        return math.prod(self.shape) if self.positions is None else len(self.positions)

    @property
    def n_actions(self) -> int:
        """The number of actions; 1 if they have no dimensions."""
        return math.prod(len(one) for one in self.actions)

    def __repr__(self) -> str:
        parts = [one.name + ": " + one.describe_values() for one in self.states]
        acts = [one.name + ": " + one.describe_values() for one in self.actions]
        return f"DimensionLayout({'; '.join(parts)}{' | ' if acts else ''}{'; '.join(acts)})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DimensionLayout)
            and (self.states, self.actions) == (other.states, other.actions)
            and np.array_equal(_numbers(self.positions), _numbers(other.positions))
        )

    def __hash__(self) -> int:
        return hash((self.states, self.actions))

    def _positions_of(self, states: Int[np.ndarray, " k"]) -> tuple[Int[np.ndarray, " k"], ...]:
        """(k,) states -> their positions in each dimension."""
        if self.positions is None:
            return tuple(np.unravel_index(states, self.shape))
        return tuple(self.positions[states].T)

    @checked(ModelError, states=NUMBERS | None)
    def state_coordinates(self, states: ArrayLike | None = None) -> dict[str, np.ndarray]:
        """Return the (k,) values of each dimension for (k,) states, by default for all."""
        return self.take_states(_check_numbers("state", states, self.n_states))

    @checked(ModelError, actions=NUMBERS | None)
    def action_coordinates(self, actions: ArrayLike | None = None) -> dict[str, np.ndarray]:
        """Return the (k,) values of each dimension for (k,) actions, by default for all."""
        return self.take_actions(_check_numbers("action", actions, self.n_actions))

    def take_states(self, states: Int[np.ndarray, " k"]) -> dict[str, np.ndarray]:
        """Return the (k,) values of each dimension for states that exist."""
        positions = self._positions_of(states)
        return {one.name: one.take(at) for one, at in zip(self.states, positions, strict=True)}

    def take_actions(self, actions: Int[np.ndarray, " k"]) -> dict[str, np.ndarray]:
        """Return the (k,) values of each dimension for actions that exist."""
        if not self.actions:
            return {}
        positions = np.unravel_index(actions, tuple(len(one) for one in self.actions))
        return {one.name: one.take(at) for one, at in zip(self.actions, positions, strict=True)}

    def find_state(self, **coordinates: object) -> int:
        """Return the number of the state with these coordinates, one for each dimension.

        Raises:
            ModelError: if a dimension is missing or unknown, or no state has the coordinates.
        """
        names = [one.name for one in self.states]
        for name in coordinates:
            check_option("the dimension", name, names, error=ModelError)
        missing = [name for name in names if name not in coordinates]
        if missing:
            raise ModelError(f"find_state needs a value of {' and '.join(missing)}, too")
        at = []
        for one in self.states:
            found = one.find(np.asarray(coordinates[one.name]))
            if found.at.ndim or found.missing is not None:
                raise ModelError(
                    f"{one.name}={show(coordinates[one.name])} is not a value of {one.name}, which "
                    f"is {one.describe_values()}"
                )
            at.append(int(found.at))
        if self.positions is None:
            return int(np.ravel_multi_index(at, self.shape))
        states = np.flatnonzero((self.positions == np.array(at)).all(axis=1))
        if not states.size:
            found = ", ".join(one.show(i) for one, i in zip(self.states, at, strict=True))
            raise ModelError(f"there is no state with {found}")
        return int(states[0])

    @checked(ModelError, state=Integer(0))
    def describe_state(self, state: int) -> str:
        """Return the coordinates of a state, as messages write them."""
        _check_numbers("state", np.array([state]), self.n_states)
        positions = self._positions_of(np.array([state]))
        return ", ".join(
            one.show(int(at[0])) for one, at in zip(self.states, positions, strict=True)
        )

    @checked(ModelError, action=Integer(0))
    def describe_action(self, action: int) -> str | None:
        """Return the coordinates of an action, as messages write them; None without dimensions."""
        if not self.actions:
            return None
        _check_numbers("action", np.array([action]), self.n_actions)
        positions = np.unravel_index(action, tuple(len(one) for one in self.actions))
        return ", ".join(one.show(int(at)) for one, at in zip(self.actions, positions, strict=True))

    def require_fit(self, n_states: int, n_actions: int) -> None:
        if self.n_states != n_states:
            raise ModelError(
                f"the dimensions have {self.n_states:,} states, but the model has {n_states:,}"
            )
        if self.actions and self.n_actions != n_actions:
            raise ModelError(
                f"the dimensions have {self.n_actions} actions, but the model has {n_actions}"
            )

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "dimensions",
            "states": [one.to_dict() for one in self.states],
            "actions": [one.to_dict() for one in self.actions],
            "positions": None if self.positions is None else self.positions.tolist(),
        }


def read_dimensions(data: Mapping[str, Any]) -> DimensionLayout:
    """Return the layout that :meth:`DimensionLayout.to_dict` took apart."""
    states, actions = (
        {one.name: one.values for one in map(read_dimension, data[name])}
        for name in ("states", "actions")
    )
    return DimensionLayout(states, actions, data["positions"])


def _check_numbers(kind: str, numbers: ArrayLike | None, count: int) -> Int[np.ndarray, " k"]:
    """Return numbers of states or actions, by default all, after checking that they exist."""
    if numbers is None:
        return np.arange(count)
    found = np.asarray(numbers)
    if (found >= count).any():
        raise ModelError(f"there is no {kind} {int(found.max())}; there are {count}, from 0 on")
    return found


def _numbers(positions: np.ndarray | None) -> np.ndarray:
    return np.empty(0) if positions is None else positions
