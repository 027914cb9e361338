"""Transition probabilities with their own parameters, estimated from observed transitions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import ArrayLike, Bool, Float, Int, freeze
from regmdp._internal.checks import LARGE_ROOT, describe_first, show
from regmdp._internal.errors import SampleError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import ArrayOf, Instance, Integer, checked, checked_methods
from regmdp._internal.sparse import as_csr
from regmdp._internal.user_code import user_methods
from regmdp.applications.choice.panel import Panel

__all__ = ["ExogenousTransitions", "Increments", "KnownTransitions", "transition_frequencies"]


#: Bytes of an entry of a sparse matrix while it is made: value, row, column, and their sorted
#: copies.
BYTES_PER_ENTRY = 48


#: What the parameters of the methods of transitions may be.
PHI, PANEL = ArrayOf("J", empty=True), Instance(Panel)


@checked_methods(
    SampleError,
    rows={"phi": PHI},
    derivatives={"phi": PHI},
    estimate={"panel": PANEL},
    log_likelihoods={"panel": PANEL, "phi": PHI},
    scores={"panel": PANEL, "phi": PHI},
    hessian={"panel": PANEL, "phi": PHI},
    from_free={"free": PHI},
    to_free={"phi": PHI},
)
@user_methods(SampleError)
class ExogenousTransitions(ReadOnlyCopies, ABC):
    """Transition probabilities with parameters φ that no utility depends on.

    Choices depend on φ only through expectations.
    """

    #: The names of the J parameters φ; J may be 0.
    names: Sequence[str]

    @property
    def dimensions(self) -> dict[str, int]:
        """The number of parameters, J."""
        return {"J": len(self.names)}

    @abstractmethod
    def rows(self, phi: Float[np.ndarray, " J"]) -> sp.csr_array:
        """(J,) φ -> (S·A, S) probabilities, row ``s * A + a`` for (s, a)."""

    @abstractmethod
    def derivatives(self, phi: Float[np.ndarray, " J"]) -> list[sp.csr_array]:
        """(J,) φ -> the (S·A, S) derivatives of the rows, one for each parameter."""

    @abstractmethod
    def estimate(self, panel: Panel) -> Float[np.ndarray, " J"]:
        """Return the (J,) φ that maximises the likelihood of the observed transitions."""

    @abstractmethod
    def log_likelihoods(
        self, panel: Panel, phi: Float[np.ndarray, " J"]
    ) -> Float[np.ndarray, " m"]:
        """Return the (m,) log probabilities of the transitions from rows `Panel.consecutive`."""

    @abstractmethod
    def scores(self, panel: Panel, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, "m J"]:
        """Return the (m, J) derivatives of :meth:`log_likelihoods`."""

    @abstractmethod
    def hessian(self, panel: Panel, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, "J J"]:
        """Return the (J, J) second derivative of the sum of :meth:`log_likelihoods`."""

    @abstractmethod
    def from_free(
        self, free: Float[np.ndarray, " J"]
    ) -> tuple[Float[np.ndarray, " J"], Float[np.ndarray, "J J"]]:
        """(J,) unconstrained parameters, for a search -> (J,) φ, and its (J, J) derivative."""

    @abstractmethod
    def to_free(self, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, " J"]:
        """(J,) φ -> (J,) unconstrained parameters: the inverse of :meth:`from_free`."""


class KnownTransitions(ExogenousTransitions):
    """Transitions that are known, or were estimated before: see :func:`transition_frequencies`.

    Args:
        probabilities: (S, A, S), or a sparse (S·A, S) whose row ``s * A + a`` belongs to (s, a).

    Attributes:
        probabilities: The sparse (S·A, S).

    Raises:
        SampleError: if the shape is another.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.choice.KnownTransitions(np.ones((1, 2, 1))).rows(np.zeros(0)).shape
        (2, 1)
    """

    names = ()

    def __init__(self, probabilities: ArrayLike | sp.sparray | sp.spmatrix) -> None:
        self.probabilities: Final[sp.csr_array] = _as_rows(probabilities)

    def rows(self, phi: Float[np.ndarray, " J"]) -> sp.csr_array:
        return self.probabilities

    def derivatives(self, phi: Float[np.ndarray, " J"]) -> list[sp.csr_array]:
        return []

    def estimate(self, panel: Panel) -> Float[np.ndarray, " J"]:
        return np.zeros(0)

    def log_likelihoods(
        self, panel: Panel, phi: Float[np.ndarray, " J"]
    ) -> Float[np.ndarray, " m"]:
        before = panel.consecutive
        n_pairs, n_states = self.probabilities.shape
        rows = panel.state[before] * (n_pairs // n_states) + panel.choice[before]
        p = np.asarray(self.probabilities[rows, panel.state[before + 1]]).ravel()
        if (p <= 0).any():
            raise SampleError(
                describe_first(
                    p <= 0,
                    lambda place: (
                        f"row {before[place] + 1} is in state {panel.state[before[place] + 1]} "
                        f"after choice {panel.choice[before[place]]} in state "
                        f"{panel.state[before[place]]}, which has probability 0"
                    ),
                    "transitions",
                )
            )
        return np.log(p)

    def scores(self, panel: Panel, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, "m J"]:
        return np.zeros((panel.consecutive.size, 0))

    def hessian(self, panel: Panel, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, "J J"]:
        return np.zeros((0, 0))

    def from_free(
        self, free: Float[np.ndarray, " J"]
    ) -> tuple[Float[np.ndarray, " J"], Float[np.ndarray, "J J"]]:
        return np.zeros(0), np.zeros((0, 0))

    def to_free(self, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, " J"]:
        return np.zeros(0)


class Increments(ExogenousTransitions):
    r"""States that rise by 0, 1, …, J with probabilities \(\phi_0, \ldots, \phi_J\).

    They rise from a state that the choice sets, and stay in the last state. The last probability is
    1 minus the others.

    Args:
        start: (S, A) the state from which it rises: s itself, or 0 after a replacement.
        n_increments: J + 1, at least 2.

    Attributes:
        start: (S, A) as given.
        n_increments: As given.

    Raises:
        SampleError: if the start holds anything but state numbers.

    Examples:
        Three states; choice 1 goes back to the first.

        >>> import numpy as np, regmdp as rm
        >>> wear = rm.choice.Increments(np.array([[0, 0], [1, 0], [2, 0]]), 2)
        >>> wear.rows(np.array([0.25])).toarray()[::2]
        array([[0.25, 0.75, 0.  ],
               [0.  , 0.25, 0.75],
               [0.  , 0.  , 1.  ]])

    Reference:
        Rust 1987, Econometrica 55(5), equation 4.5.
    """

    @checked(SampleError, start=ArrayOf("S A", "integer", minimum=0), n_increments=Integer(2))
    def __init__(self, start: ArrayLike, n_increments: int) -> None:
        states = np.array(start)
        if (states >= len(states)).any():
            raise SampleError(
                f"start must hold state numbers from 0 to {len(states) - 1}, one less than the "
                f"number of its rows, not {states.max()}"
            )
        self.start: Final[Int[np.ndarray, "S A"]] = freeze(states)
        self.n_increments: Final = n_increments
        require_memory(
            f"transitions from {states.size:,} pairs by {self.n_increments:,} increments",
            BYTES_PER_ENTRY * states.size * self.n_increments,
            "take fewer increments",
        )
        self.names = tuple(f"increment {step}" for step in range(self.n_increments - 1))

    def rows(self, phi: Float[np.ndarray, " J"]) -> sp.csr_array:
        return self._mix(np.append(phi, 1.0 - phi.sum()))

    def derivatives(self, phi: Float[np.ndarray, " J"]) -> list[sp.csr_array]:
        return [self._mix(np.append(unit, -1.0)) for unit in np.eye(self.n_increments - 1)]

    def _mix(self, weights: Float[np.ndarray, " I"]) -> sp.csr_array:
        """Return the (S·A, S) matrix with these weights at the increments."""
        n_states, n_pairs = len(self.start), self.start.size
        reached = np.minimum(
            self.start.ravel()[:, None] + np.arange(self.n_increments), n_states - 1
        )
        row = np.repeat(np.arange(n_pairs), self.n_increments)
        matrix = sp.coo_array(
            (np.tile(weights, n_pairs), (row, reached.ravel())), shape=(n_pairs, n_states)
        )
        return sp.csr_array(matrix)

    def estimate(self, panel: Panel) -> Float[np.ndarray, " J"]:
        counts = np.bincount(self._observed_increments(panel), minlength=self.n_increments)
        if (counts == 0).any():
            raise SampleError(
                f"no state has risen by {int(np.argmax(counts == 0))}, so the probability of that "
                f"cannot be estimated; there are {self.n_increments} increments: take fewer"
            )
        return counts[:-1] / counts.sum()

    def log_likelihoods(
        self, panel: Panel, phi: Float[np.ndarray, " J"]
    ) -> Float[np.ndarray, " m"]:
        with np.errstate(divide="ignore"):
            return np.log(_all_probabilities(phi))[self._observed_increments(panel)]

    def scores(self, panel: Panel, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, "m J"]:
        inverse = 1.0 / _positive_probabilities(phi)
        each = np.vstack((np.diag(inverse[:-1]), np.full(phi.size, -inverse[-1])))
        return each[self._observed_increments(panel)]

    def hessian(self, panel: Panel, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, "J J"]:
        counts = np.bincount(self._observed_increments(panel), minlength=self.n_increments)
        curvature = counts / _positive_probabilities(phi) ** 2
        return -np.diag(curvature[:-1]) - curvature[-1]

    def _observed_increments(self, panel: Panel) -> Int[np.ndarray, " m"]:
        """Return by how much the state rises after each of the rows `Panel.consecutive`."""
        before = panel.consecutive
        if before.size == 0:
            raise SampleError(
                "no row of the panel follows another of the same individual, so it shows no "
                "transitions"
            )
        if panel.increment is not None:
            steps = panel.increment[before + 1]
        else:
            steps = panel.state[before + 1] - self.start[panel.state[before], panel.choice[before]]
        bad = (steps < 0) | (steps >= self.n_increments)
        if bad.any():
            raise SampleError(
                describe_first(
                    bad,
                    lambda place: (
                        f"in row {before[place] + 1} the state has risen by {steps[place]} since "
                        f"the row before, and it may rise by 0 to {self.n_increments - 1}"
                    ),
                    "transitions",
                )
            )
        return steps

    def from_free(
        self, free: Float[np.ndarray, " J"]
    ) -> tuple[Float[np.ndarray, " J"], Float[np.ndarray, "J J"]]:
        weights = np.exp(np.append(free, 0.0) - max(0.0, float(free.max(initial=0.0))))
        phi = (weights / weights.sum())[:-1]
        return phi, np.diag(phi) - np.outer(phi, phi)

    def to_free(self, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, " J"]:
        p = _positive_probabilities(phi)
        return np.log(p[:-1] / p[-1])


@checked(SampleError, panel=PANEL, available=ArrayOf("S A", "boolean"))
def transition_frequencies(panel: Panel, available: Bool[np.ndarray, "S A"]) -> KnownTransitions:
    """Return the observed frequencies of the transitions, for every pair of the (S, A) mask.

    Raises:
        SampleError: naming the first pair after which nothing was observed.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> panel = rm.choice.Panel([0, 0, 0], [0, 1, 2], [0, 1, 0], [0, 0, 0])
        >>> known = rm.choice.transition_frequencies(panel, np.ones((2, 1), dtype=bool))
        >>> known.probabilities.toarray()
        array([[0., 1.],
               [1., 0.]])
    """
    panel.require_fit(available)
    n_states, n_choices = available.shape
    before = panel.consecutive
    pair = panel.state[before] * n_choices + panel.choice[before]
    entries = (np.ones(before.size), (pair, panel.state[before + 1]))
    counts = sp.csr_array(sp.coo_array(entries, shape=(available.size, n_states)))
    visits = np.asarray(counts.sum(axis=1)).ravel()
    never = available & (visits.reshape(available.shape) == 0)
    if never.any():
        raise SampleError(
            describe_first(
                never,
                lambda state, choice: (
                    f"nothing was observed after choice {choice} in state {state}"
                ),
                "pairs",
                "give their transitions, or a model of them with a few parameters",
            )
        )
    return KnownTransitions(sp.csr_array(sp.diags_array(1.0 / np.maximum(visits, 1.0)) @ counts))


def _all_probabilities(phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, " I"]:
    """(J,) probabilities of all increments but the last -> (J + 1,) those of all."""
    if (phi < 0.0).any() or (phi > 1.0).any() or phi.sum() > 1.0:
        raise SampleError(
            f"phi must be probabilities whose sum is at most 1, not {show(phi)}: that of the last "
            "increment is the rest"
        )
    return np.append(phi, 1.0 - phi.sum())


def _positive_probabilities(phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, " I"]:
    """Return the same if all are large enough to divide by their squares."""
    p = _all_probabilities(phi)
    if (p < 1.0 / LARGE_ROOT).any():
        raise SampleError(
            f"phi gives increment {int(np.argmin(p))} the probability {p.min():g}; at 0 the "
            "likelihood has no derivative: take fewer increments"
        )
    return p


def _as_rows(probabilities: ArrayLike | sp.sparray | sp.spmatrix) -> sp.csr_array:
    """(S, A, S), or sparse (S·A, S) -> sparse (S·A, S)."""
    if sp.issparse(probabilities):
        rows = as_csr("the probabilities", probabilities, error=SampleError)
        if rows.shape[1] == 0 or rows.shape[0] % rows.shape[1]:
            raise SampleError(
                f"sparse probabilities must have shape (S·A, S), not {tuple(rows.shape)}"
            )
        return rows
    given = ArrayOf(minimum=0.0, maximum=1.0 + 1e-9).check(
        "the probabilities", probabilities, None, SampleError
    )
    if given.ndim != 3 or given.shape[0] != given.shape[2]:
        raise SampleError(
            f"the probabilities must have shape (S, A, S), or be sparse (S·A, S), not {given.shape}"
        )
    return sp.csr_array(given.reshape(-1, given.shape[2]))
