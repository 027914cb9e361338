"""Models whose states are found on the way from the first ones, as any hashable objects."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy

from regmdp._internal.checks import check_integer, is_number, show
from regmdp._internal.errors import ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.user_code import call_user
from regmdp.mdp.assembly import Extras, assemble_sparse
from regmdp.mdp.dimension_layout import DimensionLayout
from regmdp.mdp.model_data import ModelData
from regmdp.mdp.objective import GoalOptions
from regmdp.mdp.validation import BYTES_PER_PAIR, as_discount

__all__ = ["ReachableArguments", "build_reachable"]

#: What ``successors`` returns, for messages.
FORM = "(probability, next state, reward), with None as the next state where the episode ends"


@dataclass(frozen=True, eq=False)
class ReachableArguments:
    """The arguments of :meth:`regmdp.MDP.from_reachable`, as the user gave them."""

    initial: Any
    actions: Callable[[Any], Iterable[Hashable]] | Iterable[Hashable]
    successors: Callable[[Any, Any], Iterable[tuple[Any, ...]]]
    discount: float
    state_names: Sequence[str] | None
    labels: Mapping[str, Callable[[Any], bool]] | None
    max_states: int
    goal: GoalOptions


@dataclass(eq=False)
class _Search:
    """What has been found: states and actions with their numbers, and a list of pairs.

    Attributes:
        states: The number of each state, in the order in which they were found.
        actions: The number of each action, likewise.
        pair_state: State of each pair.
        pair_action: Action of each pair.
        rewards: Expected reward of each pair.
        ends: Probability of termination of each pair.
        pointers: Where the successors of each pair begin, and where the last ones end.
        targets: Successors of all pairs.
        chances: Their probabilities.
    """

    max_states: int
    states: dict[Hashable, int] = field(default_factory=dict)
    actions: dict[Hashable, int] = field(default_factory=dict)
    pair_state: array[int] = field(default_factory=lambda: array("q"))
    pair_action: array[int] = field(default_factory=lambda: array("q"))
    rewards: array[float] = field(default_factory=lambda: array("d"))
    ends: array[float] = field(default_factory=lambda: array("d"))
    pointers: array[int] = field(default_factory=lambda: array("q", [0]))
    targets: array[int] = field(default_factory=lambda: array("q"))
    chances: array[float] = field(default_factory=lambda: array("d"))

    def number_of(self, state: Any, where: str) -> int:
        """Return the number of a state, which may be a new one."""
        if not _is_name(state):
            raise ModelError(
                f"{where} is {show(state)}, which is not hashable, or not equal to itself; states "
                "are numbers, texts or tuples"
            )
        number = self.states.setdefault(state, len(self.states))
        if number >= self.max_states:
            raise ModelError(
                f"more than {self.max_states:,} states can be reached; the last one is "
                f"{show(state)}; let states be finite in number, or raise max_states="
            )
        return number

    def add_pair(self, state: Any, action: Any, outcomes: Iterable[Any]) -> None:
        """Add a pair, whose successors the user's function has returned."""
        where = f"successors of state {show(state)}, action {show(action)}"
        if isinstance(outcomes, str | Mapping) or not isinstance(outcomes, Iterable):
            raise ModelError(f"{where} must be a list of {FORM}, not {show(outcomes)}")
        expected = ends = 0.0
        for one in outcomes:
            if not isinstance(one, tuple | list) or len(one) not in (3, 4):
                raise ModelError(f"{where} must be a list of {FORM}, not of {show(one)}")
            chance, target, reward, *last = one
            if not (is_number(chance) and is_number(reward) and 0.0 <= float(chance) <= 1.0 + 1e-9):
                raise ModelError(f"{where}: {show(one)} must be {FORM}")
            if not float(chance):
                continue
            expected += float(chance) * float(reward)
            if target is None or (last and last[0]):
                ends += float(chance)
            else:
                self.targets.append(self.number_of(target, f"a next state in the {where}"))
                self.chances.append(float(chance))
        self.pair_state.append(self.states[state])
        self.pair_action.append(self.actions.setdefault(action, len(self.actions)))
        self.rewards.append(expected)
        self.ends.append(ends)
        self.pointers.append(len(self.targets))


def build_reachable(given: ReachableArguments) -> ModelData:
    """Return the checked data of the model whose states are reached from the first ones."""
    discount = as_discount(given.discount)
    maximum = check_integer("max_states", given.max_states, error=ModelError)
    if not callable(given.successors):
        raise ModelError(f"successors must be a function, not {show(given.successors)}")
    search = _Search(maximum)
    start = _find_start(search, given.initial)
    actions = _check_actions(search, given.actions)
    queue = list(search.states)
    while queue:
        known = len(search.states)
        for state in queue:
            for action in actions(state):
                outcomes = call_user(ModelError, given.successors, state, action)
                search.add_pair(state, action, outcomes)
        # states are numbered in the order in which they are found
        queue = _list_from(search.states, known)
    if not search.pair_state:
        raise ModelError("no action is available in any state that can be reached")
    return _assemble(search, start, given, discount)


def _list_from(states: dict[Hashable, int], known: int) -> list[Hashable]:
    """Return the states behind the first ones, by their numbers."""
    found = []
    for state in reversed(states):
        if len(found) == len(states) - known:
            break
        found.append(state)
    return found[::-1]


def _find_start(search: _Search, initial: Any) -> dict[int, float]:
    """Return the probabilities of the first states by their numbers."""
    if isinstance(initial, Mapping):
        if not initial:
            raise ModelError("initial is empty: give a state, or states and their probabilities")
        wrong = [one for one in initial.values() if not is_number(one)]
        if wrong:
            raise ModelError(f"the probability of a first state is {show(wrong[0])}")
        items = [(state, float(chance)) for state, chance in initial.items()]
        return {search.number_of(state, "a first state"): chance for state, chance in items}
    if initial is None:
        raise ModelError("initial must be a state, or a mapping from states to probabilities")
    return {search.number_of(initial, "initial"): 1.0}


def _check_actions(search: _Search, actions: Any) -> Callable[[Any], list[Hashable]]:
    """Return a function from a state to its actions, checked."""
    if not callable(actions):
        if isinstance(actions, str | Mapping) or not isinstance(actions, Iterable):
            raise ModelError(
                f"actions must be a list, or a function of the state, not {show(actions)}"
            )
        fixed = _check_list(actions, "actions")
        search.actions.update({action: number for number, action in enumerate(fixed)})
        return lambda state: fixed

    def check(state: Any) -> list[Hashable]:
        found = call_user(ModelError, actions, state)
        where = f"the actions of state {show(state)}"
        if isinstance(found, str | Mapping) or not isinstance(found, Iterable):
            raise ModelError(f"{where} must be a list, not {show(found)}")
        return _check_list(found, where)

    return check


def _check_list(actions: Iterable[Any], where: str) -> list[Hashable]:
    """Return a list of different hashable actions."""
    found = list(actions)
    if not all(_is_name(one) for one in found):
        raise ModelError(
            f"{where} must be hashable, such as numbers, texts or tuples, not {show(found)}"
        )
    if len(set(found)) < len(found):
        raise ModelError(f"{where} have one twice: {show(found)}")
    return found


def _assemble(
    search: _Search, start: dict[int, float], given: ReachableArguments, discount: float
) -> ModelData:
    """Return the checked data of the model of what was found."""
    shape = len(search.states), len(search.actions)
    require_memory(
        f"arrays of {shape[0]:,} states and {shape[1]:,} actions",
        BYTES_PER_PAIR * shape[0] * shape[1],
        "give actions the same names in different states",
    )
    state, action = np.array(search.pair_state), np.array(search.pair_action)
    rows = scipy.sparse.csr_array(
        (np.array(search.chances), np.array(search.targets), np.array(search.pointers)),
        shape=(state.size, shape[0]),
    )
    rows.sum_duplicates()
    index = np.full(shape, -1)
    index[state, action] = np.arange(state.size)
    rewards, ends = np.zeros(shape, order="F"), np.zeros(shape, order="F")
    rewards[state, action], ends[state, action] = search.rewards, search.ends
    initial = np.zeros(shape[0])
    initial[list(start)] = list(start.values())
    layout = _find_layout(search, given.state_names)
    extras = Extras(
        discount,
        index >= 0,
        given.goal,
        initial=initial,
        termination=ends,
        state_labels=None if layout is not None else [str(one) for one in search.states],
        action_labels=(
            None if layout is not None and layout.actions else [str(one) for one in search.actions]
        ),
        labels=_find_labels(search, given.labels),
    )
    return assemble_sparse(rows, index, rewards, extras, layout)


def _find_labels(
    search: _Search, labels: Mapping[str, Callable[[Any], bool]] | None
) -> dict[str, np.ndarray] | None:
    """Return the (S,) masks of the states for which functions are true."""
    if labels is None:
        return None
    if not isinstance(labels, Mapping) or not all(callable(one) for one in labels.values()):
        raise ModelError(
            "labels must map names to functions of the state that say whether it belongs to them, "
            f"not {show(labels)}"
        )
    return {
        name: np.array([bool(call_user(ModelError, one, state)) for state in search.states])
        for name, one in labels.items()
    }


def _find_layout(search: _Search, names: Sequence[str] | None) -> DimensionLayout | None:
    """Return the dimensions of states that have names, or None."""
    states = list(search.states)
    if names is None:
        names = getattr(type(states[0]), "_fields", None)
        if names is None or any(type(one) is not type(states[0]) for one in states):
            return None
        strict = False
    else:
        if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
            raise ModelError(f"state_names must be a list of names, not {show(names)}")
        strict = True
    tuples = [one if isinstance(one, tuple) else (one,) for one in states]
    odd = [one for one in tuples if len(one) != len(names)]
    if odd:
        raise ModelError(
            f"state_names has {len(names)} names, but the state {show(odd[0])} has {len(odd[0])} "
            "parts"
        )
    columns = list(zip(*tuples, strict=True))
    plain = all(_is_plain(column) for column in columns)
    if not plain and strict:
        raise ModelError(
            "state_names needs states whose parts are all numbers, or all texts, in each place"
        )
    if not plain:
        return None
    values = [sorted(set(column)) for column in columns]
    places = [{value: place for place, value in enumerate(ordered)} for ordered in values]
    positions = [[place[one] for place, one in zip(places, row, strict=True)] for row in tuples]
    acts: Any = list(search.actions)
    named = {"action": acts} if _is_plain(acts) and "action" not in names else None
    return DimensionLayout(dict(zip(names, values, strict=True)), named, positions)


def _is_name(value: Any) -> bool:
    """Whether a value can be looked up: it is hashable, and equal to itself, unlike NaN."""
    try:
        hash(value)
        return bool(value == value)  # noqa: PLR0124  # NaN is not
    except (TypeError, ValueError):
        return False


def _is_plain(values: Sequence[Any]) -> bool:
    """Whether values are all numbers, or all texts."""
    return all(isinstance(one, str) for one in values) or all(
        is_number(one) and -(2**53) < one < 2**53 for one in values
    )
