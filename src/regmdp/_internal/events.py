"""What a run reports while it goes on, and what is called with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from regmdp._internal.errors import SolverError
from regmdp._internal.kinds import Function, SequenceOf
from regmdp._internal.user_code import call_user

__all__ = ["CALLBACK", "Callback", "CallbackLike", "Event", "as_callback"]


@dataclass(frozen=True, eq=False)
class Event:
    """A report of a run, made after each iteration, and about every half second within a long one.

    Attributes:
        iteration: Number of iterations done; 0 for the start.
        seconds: Time since the start.
        measures: Numbers by name. Exact methods report ``residual`` (largest |T V - V|), ``gap``
            (predicted bound on the distance from the optimum; the certificate has the last word)
            and ``value`` (from the initial distribution); methods that draw samples report
            ``samples``. Other runs say in their documentation what they report.
        state: The iterate itself.
        within: Whether an iteration, or what is left to do after the last one, still goes on.
            Measures and state are then those of the last complete iterate; before the first one
            there is none, residual and gap are infinite, and the value is NaN.

    Examples:
        >>> import regmdp as rm
        >>> def stop_early(event):
        ...     return event.measures["gap"] > 0.1  # False stops the run
        >>> rm.solve(rm.models.chain(5), callback=stop_early).status.word
        'stopped'

        An event is printed as one line, without the iterate:

        >>> rm.Event(3, 0.25, {"residual": 0.125, "gap": 1.25})
        Event(iteration 3, 0.25 s, residual 0.125, gap 1.25)
    """

    iteration: int
    seconds: float
    measures: Mapping[str, float] = field(default_factory=dict)
    state: Any = None
    within: bool = False

    def __repr__(self) -> str:
        measures = "".join(f", {name} {value:.6g}" for name, value in self.measures.items())
        within = ", still running" if self.within else ""
        return f"Event(iteration {self.iteration}, {self.seconds:.3g} s{within}{measures})"


#: A function that is called with an event after each iteration, and within long ones. Returning
#: False stops the run.
Callback: TypeAlias = Callable[[Event], object]

#: A callback, several of them, or none.
CallbackLike: TypeAlias = Callback | Iterable[Callback] | None

#: The declaration of such a parameter.
CALLBACK = Function() | SequenceOf(Function()) | None


def as_callback(callback: CallbackLike) -> Callable[[Event], bool]:
    """Return one function that calls all callbacks, and returns whether the run should go on.

    All of them are called, even if one returns False. Only ``False``, of Python or NumPy, stops a
    run: ``None``, which a function without a return statement returns, does not.

    Raises:
        SolverError: if it is neither a function, nor several, nor None.

    Examples:
        >>> seen = []
        >>> both = as_callback([seen.append, lambda event: event.iteration < 1])
        >>> both(Event(0, 0.0)), both(Event(1, 0.1)), len(seen)
        (True, False, 2)
    """
    if callback is None:
        callbacks: tuple[Callback, ...] = ()
    elif callable(callback):
        callbacks = (callback,)
    else:
        callbacks = tuple(callback) if isinstance(callback, Iterable) else (callback,)
        wrong = [one for one in callbacks if not callable(one)]
        if wrong:
            raise SolverError(
                "callback must be a function that is called with an event, or a list of such "
                f"functions, not {wrong[0]!r}"
            )

    def call(event: Event) -> bool:
        answers = [call_user(SolverError, one, event) for one in callbacks]
        return not any(isinstance(answer, bool | np.bool_) and not answer for answer in answers)

    return call
