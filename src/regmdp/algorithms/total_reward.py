"""Runs of undiscounted models, which are made on what is left of the model."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from regmdp._internal.arrays import Array, Float, freeze
from regmdp._internal.events import Callback, CallbackLike, Event, as_callback
from regmdp.algorithms.loop import Run, Start, State, check_and_certify
from regmdp.certificates import Certificate
from regmdp.mdp import initial_value
from regmdp.regularizers import Regularizer
from regmdp.undiscounted import Reduction

__all__ = ["expand_events", "expand_run", "reduce_start"]


def reduce_start(reduction: Reduction, start: Start) -> Start:
    """Return the start of a run on the reduced model: the value, and the policy if it fits."""
    value = None if start.value is None else reduction.reduce_value(start.value)
    policy = None if start.policy is None else reduction.reduce_policy(start.policy)
    return Start(value, policy)


def expand_events(
    reduction: Reduction, regularizer: Regularizer, callback: CallbackLike
) -> Callback | None:
    """Return a callback of a run on the reduced model that calls others with the original states.

    The residual and the predicted gap stay those of the reduced model, of which a run is.
    """
    if callback is None:
        return None
    call = as_callback(callback)

    def report(event: Event) -> bool:
        if event.state is None:
            return call(event)
        state = _expand_state(reduction, regularizer, event.state)
        value = initial_value(reduction.mdp, state.value)
        return call(replace(event, measures={**event.measures, "value": value}, state=state))

    return report


def _expand_state(reduction: Reduction, regularizer: Regularizer, state: State) -> State:
    """Return an iterate of the reduced model as one of the original model."""

    def expand(policy: Float[Array, "R B"] | None) -> Float[Array, "S A"] | None:
        # it has the part of NumPy's interface that users of a policy need
        if policy is None:
            return None
        return cast("Array", _Expanded(reduction, regularizer, policy, state.value))

    return replace(
        state,
        value=reduction.expand_value(state.value),
        backup=reduction.expand_value(state.backup),
        evaluated=expand(state.evaluated),
        improved=expand(state.improved),
        # a set of states that is one state of the reduced model has no dual variable of its own
        dual=state.dual if reduction.exits is None else None,
    )


class _Expanded:
    """A policy of the reduced model, which NumPy reads as the (S, A) one of the original model.

    The way back takes a search of the graph, longer than an iteration, and most callbacks look at
    numbers only. So it is made when it is asked for.
    """

    ndim = 2
    dtype = np.dtype(np.float64)

    def __init__(
        self,
        reduction: Reduction,
        regularizer: Regularizer,
        policy: Float[Array, "R B"],
        value: Float[Array, " R"],
    ) -> None:
        self._reduction, self._regularizer = reduction, regularizer
        self._policy, self._value = policy, value
        self.shape = reduction.mdp.rewards.shape

    @cached_property
    def _probabilities(self) -> Float[np.ndarray, "S A"]:
        settled = self._reduction.settle(self._policy, self._value)
        return freeze(self._reduction.expand_policy(self._regularizer, settled))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._probabilities, dtype=dtype, copy=copy)

    def __getitem__(self, key: Any) -> Any:
        return self._probabilities[key]


def expand_run(reduction: Reduction, regularizer: Regularizer, run: Run) -> Run:
    """Return a run on the reduced model as one on the original model."""
    policy, certificate, value = run.policy, run.certificate, run.value
    settled = reduction.settle(policy, run.value)
    if not np.array_equal(settled, policy):
        policy, certificate = check_and_certify(
            reduction.reduced, reduction.regularizer, settled, run.value
        )
        value = np.clip(value, certificate.policy_lower, certificate.policy_upper)
    history = run.history
    if (reduction.losing & (reduction.mdp.initial > 0)).any():
        history = replace(history, value=freeze(np.full(len(history), -np.inf)))
    return replace(
        run,
        policy=freeze(reduction.expand_policy(regularizer, policy)),
        value=freeze(reduction.expand_value(value)),
        certificate=Certificate.from_bounds(
            reduction.mdp.initial, certificate.bounds.map(reduction.expand_value)
        ),
        history=history,
    )
