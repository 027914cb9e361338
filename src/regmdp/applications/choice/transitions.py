"""How states follow each other, and how that is estimated from a panel, apart from the choices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import ArrayLike, Bool, Float, Int
from regmdp._internal.errors import SampleError
from regmdp.applications.choice.panel import Panel

__all__ = ["ExogenousTransitions", "Increments", "KnownTransitions", "transition_frequencies"]


class ExogenousTransitions(ABC):
    """Transition probabilities with parameters φ that choices do not tell about, other than through what people expect."""

    #: The names of the parameters φ, of which there may be none.
    names: Sequence[str]

    @abstractmethod
    def rows(self, phi: Float[np.ndarray, " J"]) -> sp.csr_array:
        """(J,) φ -> (S·A, S) probabilities, row ``s * A + a`` for (s, a)."""

    @abstractmethod
    def derivatives(self, phi: Float[np.ndarray, " J"]) -> list[sp.csr_array]:
        """(J,) φ -> the (S·A, S) derivatives of the rows, one for each parameter."""

    @abstractmethod
    def estimate(self, panel: Panel) -> Float[np.ndarray, " J"]:
        """Return the (J,) φ that makes the observed transitions most likely."""

    @abstractmethod
    def log_likelihoods(
        self, panel: Panel, phi: Float[np.ndarray, " J"]
    ) -> Float[np.ndarray, " m"]:
        """Return the (m,) logarithms of the probabilities of the transitions from the rows `Panel.consecutive`."""

    @abstractmethod
    def scores(self, panel: Panel, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, "m J"]:
        """Return the (m, J) derivatives of these."""

    @abstractmethod
    def hessian(self, panel: Panel, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, "J J"]:
        """Return the (J, J) second derivative of their sum."""

    @abstractmethod
    def from_free(
        self, free: Float[np.ndarray, " J"]
    ) -> tuple[Float[np.ndarray, " J"], Float[np.ndarray, "J J"]]:
        """(J,) any numbers -> (J,) φ that is allowed, and the (J, J) derivative of it: what an optimizer moves."""

    @abstractmethod
    def to_free(self, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, " J"]:
        """Return the numbers that :meth:`from_free` makes φ of."""


@dataclass(frozen=True, eq=False)
class KnownTransitions(ExogenousTransitions):
    """Transitions that are known, or were estimated before: see :func:`transition_frequencies`.

    Args:
        probabilities: (S, A, S), or a sparse (S·A, S) whose row ``s * A + a`` belongs to (s, a).

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.choice.KnownTransitions(np.ones((1, 2, 1))).rows(np.zeros(0)).shape
        (2, 1)
    """

    probabilities: Any
    names = ()

    def __post_init__(self) -> None:
        given = self.probabilities
        if not sp.issparse(given):
            given = np.asarray(given, dtype=np.float64)
            if given.ndim != 3 or given.shape[0] != given.shape[2]:
                raise SampleError(
                    "the probabilities must have shape (S, A, S), or be sparse (S·A, S), not "
                    f"{given.shape}"
                )
            given = given.reshape(-1, given.shape[2])
        object.__setattr__(self, "probabilities", sp.csr_array(given))

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
        n_choices = self.probabilities.shape[0] // self.probabilities.shape[1]
        rows = panel.state[before] * n_choices + panel.choice[before]
        found = np.asarray(self.probabilities[rows, panel.state[before + 1]]).ravel()
        if (found <= 0).any():
            first = before[int(np.argmax(found <= 0))]
            raise SampleError(
                f"row {first + 1} is in state {panel.state[first + 1]} after choice "
                f"{panel.choice[first]} in state {panel.state[first]}, which has probability 0; "
                f"{int(np.count_nonzero(found <= 0))} rows are like that"
            )
        return np.log(found)

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


@dataclass(frozen=True, eq=False)
class Increments(ExogenousTransitions):
    r"""States that rise by 0, 1, …, J with probabilities \(\phi_0, \ldots, \phi_J\), from where a choice has set them.

    Beyond the last state they stay there. The last probability is what the others leave.

    Args:
        start: (S, A) the state from which it rises: s itself, or 0 after a replacement.
        n_increments: J + 1.

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

    start: ArrayLike
    n_increments: int

    def __post_init__(self) -> None:
        start = np.array(self.start)
        if (
            start.ndim != 2
            or start.dtype.kind not in "iu"
            or (start < 0).any()
            or (start >= len(start)).any()
        ):
            raise SampleError("start must be (S, A) state numbers")
        if self.n_increments < 2:
            raise SampleError(f"there must be at least 2 increments, not {self.n_increments}")
        object.__setattr__(self, "start", start)

    @property
    def names(self) -> Sequence[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(f"increment {step}" for step in range(self.n_increments - 1))

    def rows(self, phi: Float[np.ndarray, " J"]) -> sp.csr_array:
        return self._mixed(np.append(phi, 1.0 - phi.sum()))

    def derivatives(self, phi: Float[np.ndarray, " J"]) -> list[sp.csr_array]:
        return [self._mixed(np.append(unit, -1.0)) for unit in np.eye(self.n_increments - 1)]

    def _mixed(self, weights: Float[np.ndarray, " I"]) -> sp.csr_array:
        n_states, n_pairs = len(self.start), self.start.size
        reached = np.minimum(
            self.start.ravel()[:, None] + np.arange(self.n_increments), n_states - 1
        )
        row = np.repeat(np.arange(n_pairs), self.n_increments)
        made = sp.coo_array(
            (np.tile(weights, n_pairs), (row, reached.ravel())), shape=(n_pairs, n_states)
        )
        return sp.csr_array(made)

    def estimate(self, panel: Panel) -> Float[np.ndarray, " J"]:
        counts = np.bincount(self._steps(panel), minlength=self.n_increments)
        if (counts == 0).any():
            raise SampleError(
                f"no state has ever risen by {int(np.argmax(counts == 0))}, so its probability "
                f"cannot be told; there are {self.n_increments} increments: take fewer"
            )
        return counts[:-1] / counts.sum()

    def log_likelihoods(
        self, panel: Panel, phi: Float[np.ndarray, " J"]
    ) -> Float[np.ndarray, " m"]:
        with np.errstate(divide="ignore"):
            return np.log(np.append(phi, 1.0 - phi.sum()))[self._steps(panel)]

    def scores(self, panel: Panel, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, "m J"]:
        each = np.vstack((np.diag(1.0 / phi), np.full(phi.size, -1.0 / (1.0 - phi.sum()))))
        return each[self._steps(panel)]

    def hessian(self, panel: Panel, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, "J J"]:
        counts = np.bincount(self._steps(panel), minlength=self.n_increments)
        return -np.diag(counts[:-1] / phi**2) - counts[-1] / (1.0 - phi.sum()) ** 2

    def _steps(self, panel: Panel) -> Int[np.ndarray, " m"]:
        before = panel.consecutive
        if before.size == 0:
            raise SampleError(
                "no row of the panel follows another, so nothing is known of how states follow "
                "each other"
            )
        if panel.increment is not None:
            steps = panel.increment[before + 1]
        else:
            steps = panel.state[before + 1] - self.start[panel.state[before], panel.choice[before]]
        bad = (steps < 0) | (steps >= self.n_increments)
        if bad.any():
            row = int(before[int(np.argmax(bad))]) + 1
            raise SampleError(
                f"in row {row} the state has risen by {steps[int(np.argmax(bad))]} since the row "
                f"before, and it may rise by 0 to {self.n_increments - 1}; "
                f"{int(np.count_nonzero(bad))} rows are like that"
            )
        return steps

    def from_free(
        self, free: Float[np.ndarray, " J"]
    ) -> tuple[Float[np.ndarray, " J"], Float[np.ndarray, "J J"]]:
        weights = np.exp(np.append(free, 0.0) - max(0.0, float(free.max(initial=0.0))))
        phi = (weights / weights.sum())[:-1]
        return phi, np.diag(phi) - np.outer(phi, phi)

    def to_free(self, phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, " J"]:
        return np.log(phi / (1.0 - phi.sum()))


def transition_frequencies(panel: Panel, available: Bool[np.ndarray, "S A"]) -> KnownTransitions:
    """Return the transitions that were observed, as probabilities, for every pair of the (S, A) mask.

    Raises:
        SampleError: naming the first pair after which nothing was observed.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> panel = rm.choice.Panel([0, 0, 0], [0, 1, 2], [0, 1, 0], [0, 0, 0])
        >>> rm.choice.transition_frequencies(
        ...     panel, np.ones((2, 1), dtype=bool)
        ... ).probabilities.toarray()
        array([[0., 1.],
               [1., 0.]])
    """
    panel.require_fit(available)
    n_states, n_choices = available.shape
    before = panel.consecutive
    pair = panel.state[before] * n_choices + panel.choice[before]
    counts = sp.csr_array(
        sp.coo_array(
            (np.ones(before.size), (pair, panel.state[before + 1])),
            shape=(available.size, n_states),
        )
    )
    visits = np.asarray(counts.sum(axis=1)).ravel()
    never = available.ravel() & (visits == 0)
    if never.any():
        state, choice = divmod(int(np.argmax(never)), n_choices)
        raise SampleError(
            f"nothing was observed after choice {choice} in state {state}, so its transitions "
            f"cannot be told from frequencies; {int(np.count_nonzero(never))} pairs are like that; "
            "say them, or how they depend on a few parameters"
        )
    return KnownTransitions(sp.csr_array(sp.diags_array(1.0 / np.maximum(visits, 1.0)) @ counts))
