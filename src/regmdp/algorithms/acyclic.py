"""Runs of undiscounted models of which only the part with cycles is solved by iterations."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from regmdp._internal.arrays import freeze
from regmdp._internal.events import CallbackLike, Event, as_callback
from regmdp._internal.status import Status
from regmdp.algorithms.loop import History, Run, State
from regmdp.certificates import Certificate
from regmdp.certificates.acyclic import expand_bounds
from regmdp.mdp import initial_value
from regmdp.undiscounted.acyclic import AcyclicParts

__all__ = ["CoreReport", "expand_core_run", "run_without_core"]


class CoreReport:
    """A callback of a run on the core, which calls others with the states of the model.

    Attributes:
        values: The values from the initial distribution of the model, one for each iteration.
    """

    def __init__(self, parts: AcyclicParts, callback: CallbackLike) -> None:
        self._parts, self._watched = parts, callback is not None
        self._call = as_callback(callback)
        self.values: list[float] = []

    def __call__(self, event: Event) -> bool:
        parts, state = self._parts, event.state
        if state is None:
            return self._call(event)
        value = parts.expand_value(state.value)
        if not event.within:
            self.values.append(initial_value(parts.mdp, value))
        if not self._watched:
            return True
        backup = np.array(value)
        backup[parts.inside] = state.backup[: parts.inside.size]
        shown = State(
            value,
            backup,
            _expand(parts, state, state.evaluated),
            _expand(parts, state, state.improved),
            iteration=state.iteration,
            step=state.step,
        )
        measures = {**event.measures, "value": self.values[-1]}
        return self._call(replace(event, measures=measures, state=shown))


def _expand(parts: AcyclicParts, state: State, policy: object) -> np.ndarray | None:
    return None if policy is None else parts.expand_policy(state.value, np.asarray(policy))


def expand_core_run(parts: AcyclicParts, run: Run, values: list[float]) -> Run:
    """Return a run on the core as one on the model.

    Args:
        parts: The model.
        run: The run.
        values: The value from the initial distribution in each iteration.
    """
    bounds = expand_bounds(parts, run.value, run.certificate.bounds)
    return replace(
        run,
        policy=freeze(parts.expand_policy(run.value, run.policy)),
        value=freeze(parts.expand_value(run.value)),
        certificate=Certificate.from_bounds(parts.mdp.initial, bounds),
        history=replace(run.history, value=freeze(np.array(values))),
    )


def run_without_core(parts: AcyclicParts, callback: CallbackLike) -> Run:
    """Return the run on a model without cycles, whose first iterate is its solution."""
    begin = time.perf_counter()
    value = parts.expand_value(np.zeros(0))
    policy = parts.expand_policy(np.zeros(0), None)
    bounds = expand_bounds(parts, np.zeros(0), None)
    certificate = Certificate.from_bounds(parts.mdp.initial, bounds)
    seconds, start = time.perf_counter() - begin, initial_value(parts.mdp, value)
    measures = {"residual": 0.0, "gap": certificate.gap, "value": start}
    event = Event(0, seconds, measures, State(value, value, policy, policy))
    status = Status.CONVERGED if as_callback(callback)(event) else Status.STOPPED
    history = History.from_records([(0, 0.0, certificate.gap, start, seconds)])
    return Run(freeze(policy), freeze(value), certificate, status, history)
