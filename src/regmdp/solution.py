"""The result of a solve: data and their provenance. It never solves again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import scipy

from regmdp._internal.array_files import read_result, take_array, take_field, write_arrays
from regmdp._internal.arrays import Float
from regmdp._internal.errors import FormatError, ModelError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.html import html_rows
from regmdp._internal.parameters import FileName, Number, checked
from regmdp._internal.policy_arrays import pack_policy, take_policy
from regmdp._internal.status import Status
from regmdp._internal.tables import Table
from regmdp.algorithms import History
from regmdp.certificates import BOUNDS, Bounds, Certificate
from regmdp.mdp import MDP, Layout, expectation
from regmdp.mdp.layout_reader import read_layout
from regmdp.mdp.objective import Objective, describe_value, read_objective
from regmdp.mdp.policy_table import tabulate_policy
from regmdp.mdp.validation import MASS_TOLERANCE, as_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Provenance", "Solution", "pack_solution", "unpack_solution"]

KIND = "solution"
#: Entries of a provenance that are mappings; the others are texts.
MAPPINGS = ("options", "versions")


@dataclass(frozen=True)
class Provenance:
    """Origin of a solution.

    Attributes:
        problem: The model in a line.
        regularizer: The regularizer in a line.
        algorithm: The method.
        reason: Why that method was chosen, if it was chosen automatically.
        options: The other arguments of ``solve``.
        model_digest: SHA-256 of the model's data.
        worst_state: The name of the state where the certified gap is largest.
        versions: Versions of regmdp, NumPy, SciPy and Python.
    """

    problem: str
    regularizer: str
    algorithm: str
    reason: str = ""
    options: dict[str, object] = field(default_factory=dict)
    model_digest: str = ""
    worst_state: str = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Solution(ReadOnlyCopies):
    """A policy, its certificate, and how it was found.

    Attributes:
        policy: (S, A) probabilities; rows of terminal states are 0. Of a ragged model it is a
            SciPy CSR array.
        value: (S,) value of the policy, within its certified bounds, in the unit of the rewards;
            with ``tol=0`` the last iterate, unchanged.
        certificate: Bounds on the optimal value and on the gap of the policy.
        status: Why the run ended.
        history: Residual, predicted gap, value from ρ and time, per iteration.
        initial: (S,) the initial distribution ρ.
        provenance: Model, regularizer, method, options and versions.
        action_labels: A names of the actions, or None.
        layout: Where the states lie in a figure, or None.
        objective: What the rewards until a goal stand for, or None without a goal.
    """

    policy: Float[np.ndarray, "S A"]
    value: Float[np.ndarray, " S"]
    certificate: Certificate
    status: Status
    history: History
    initial: Float[np.ndarray, " S"]
    provenance: Provenance
    action_labels: tuple[str, ...] | None = None
    layout: Layout | None = None
    objective: Objective | None = None

    @property
    def iterations(self) -> int:
        """Number of iterations."""
        return int(self.history.iteration[-1]) if len(self.history) else 0

    @property
    def seconds(self) -> float:
        """Wall-clock time of the iterations."""
        return float(self.history.seconds[-1]) if len(self.history) else 0.0

    @property
    def initial_value(self) -> float:
        """Value from the initial distribution ρ."""
        return expectation(self.initial, self.value)

    @property
    def objective_value(self) -> Float[np.ndarray, " S"]:
        """(S,) what was asked for: the value, or its negative if a model with a goal minimises.

        A minimum cost is ∞ in states from which no policy reaches the goal with probability 1.
        """
        if self.objective is None or not self.objective.minimize:
            return self.value
        return 0.0 - self.value

    def summary(self) -> str:
        """Return the result in a few lines of text.

        Examples:
            >>> import regmdp as rm
            >>> print(rm.solve(rm.models.bandit()).summary())  # doctest: +ELLIPSIS
            problem      MDP(1 state, 3 actions, 3 transitions (dense), discount 0)
            regularizer  none
            method       policy iteration, 1 iteration in ... s
                         small model, discount 0: policy iteration is Newton's method ...
            value        1 from the initial distribution
            optimum      between 0.9999999999999 and 1.000000000001
            gap          at most ... in state 0 (bandit), the worst, and ...
            status       converged: the tolerance was met
        """
        return "\n".join(f"{name:<12} {text}" for name, text in self.lines())

    def lines(self) -> list[tuple[str, str]]:
        """Return the summary as (name, text) pairs."""
        provenance = self.provenance
        count = f"{self.iterations:,} iteration" + ("" if self.iterations == 1 else "s")
        rows = [
            ("problem", provenance.problem),
            ("regularizer", provenance.regularizer),
            ("method", f"{provenance.algorithm}, {count} in {self.seconds:.3g} s"),
        ]
        if provenance.reason:
            rows.append(("", provenance.reason))
        return [
            *rows,
            (
                "value",
                describe_value(
                    self.initial_value, self.objective, provenance.regularizer != "none"
                ),
            ),
            *self.certificate.lines(
                provenance.worst_state,
                negated=self.objective is not None and self.objective.minimize,
            ),
            ("status", str(self.status)),
        ]

    @checked(ModelError, min_probability=Number(0.0, 1.0))
    def policy_frame(self, min_probability: float = 0.0) -> Table:
        """Return a table of what the policy does, a row for each action that a state may take.

        Its columns are the dimensions of the state and of the action if the model has names for
        them, or else ``state`` and ``action``; then ``probability``, the probability of the action
        in this state, and ``value``, the value of the state. Terminal states have no row.

        Args:
            min_probability: Rows of smaller probabilities are left out, and so are those of 0.

        Examples:
            >>> import regmdp as rm
            >>> mdp = rm.MDP.from_function(
            ...     lambda stock, order: ((stock + order) // 2, stock - 0.4 * order),
            ...     {"stock": range(4)},
            ...     {"order": range(3)},
            ...     discount=0.9,
            ... )
            >>> rm.solve(mdp).policy_frame()
            stock  order  probability  value
                0      2            1    4.6
                1      1            1      6
                2      2            1     12
                3      1            1   13.4
        """
        return tabulate_policy(
            self.policy, self.value, self.layout, self.action_labels, min_probability
        )

    @checked(FormatError, path=FileName())
    def save(self, path: str | PathLike[str]) -> None:
        """Write the solution to a ``.npz`` file, whole or not at all.

        It is written under a temporary name first: a crash leaves an old file as it was.

        Args:
            path: Where to write.
        """
        write_arrays(path, KIND, *pack_solution(self))

    @classmethod
    @checked(FormatError, path=FileName())
    def load(cls, path: str | PathLike[str]) -> Solution:
        """Read a solution that :meth:`save` wrote.

        Args:
            path: Where it is.

        Raises:
            FormatError: if the file is damaged or something else.
        """
        return read_result(path, KIND, unpack_solution)

    def plot(self, layout: Layout | MDP | None = None) -> Figure:
        """Draw the value and the policy, in the layout of the model if it has one.

        See :func:`regmdp.plots.plot_solution`. It needs matplotlib, from the extra ``plots``.

        Args:
            layout: A layout, or a model that has one; by default the layout of the solved model.

        Returns:
            A matplotlib figure, which notebooks show, and ``figure.savefig(path)`` writes.

        Raises:
            MissingExtraError: if matplotlib is not installed.
            ModelError: if the layout has another number of states or actions.

        Examples:
            >>> import regmdp as rm
            >>> figure = rm.solve(rm.models.queue(), rm.Shannon(temperature=0.1)).plot()
        """
        from regmdp.plots import plot_solution

        return plot_solution(self, layout)

    def __repr__(self) -> str:
        return (
            f"Solution({self.status.word}, value {self.initial_value:.10g}, gap ≤ "
            f"{self.certificate.gap:.3g})"
        )

    def _repr_html_(self) -> str:
        return html_rows("Solution", self.lines())


def pack_solution(solution: Solution) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a solution by name, and the rest of it as what JSON can hold."""
    certificate = solution.certificate
    arrays = pack_policy("policy", solution.policy)
    arrays |= {name: getattr(solution, name) for name in ("value", "initial")}
    arrays |= {f"certificate_{name}": getattr(certificate, name) for name in BOUNDS}
    arrays |= {
        f"history_{column.name}": getattr(solution.history, column.name)
        for column in fields(History)
    }
    return arrays, {
        "status": solution.status.name,
        "limit": None if certificate.limit is None else certificate.limit.name,
        "provenance": asdict(solution.provenance),
        "action_labels": solution.action_labels,
        "layout": None if solution.layout is None else solution.layout.to_dict(),
        "objective": None if solution.objective is None else asdict(solution.objective),
    }


def unpack_solution(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Solution:
    """Return the solution that :func:`pack_solution` took apart.

    Raises:
        KeyError: if something is missing.
        ModelError: if the labels or the layout are not those of this many states and actions.
        TypeError: if something has another type.
        ValueError: if numbers have another shape, are not what they should be, or contradict each
            other.
    """
    policy = cast("np.ndarray", take_policy(arrays, "policy"))
    n_states, n_actions = policy.shape
    value, initial = (take_array(arrays, name, (n_states,)) for name in ("value", "initial"))
    _require_distributions("policy", policy, may_be_empty=True)
    _require_distributions("initial", initial[None])
    if np.isnan(value).any():
        raise ValueError(f"value is NaN in {int(np.isnan(value).sum())} states")
    limit, labels = meta["limit"], meta.get("action_labels")
    layout = read_layout(meta.get("layout"))
    if layout is not None:
        layout.require_fit(n_states, n_actions)
    bounds = _unpack_bounds(arrays, n_states, None if limit is None else Status[limit])
    return Solution(
        policy=policy,
        value=value,
        certificate=Certificate.from_bounds(initial, bounds),
        status=Status[meta["status"]],
        history=_unpack_history(arrays),
        initial=initial,
        provenance=_unpack_provenance(take_field(meta, "provenance", dict)),
        action_labels=as_labels("action_labels", labels, n_actions),
        layout=layout,
        objective=read_objective(meta.get("objective")),
    )


def _unpack_bounds(arrays: Mapping[str, np.ndarray], n_states: int, limit: Status | None) -> Bounds:
    """Return the bounds of a certificate, after checking that they do not contradict each other."""
    bounds = {name: take_array(arrays, f"certificate_{name}", (n_states,)) for name in BOUNDS}
    for low, high in (("lower", "upper"), ("policy_lower", "policy_upper")):
        crossed = ~(bounds[low] <= bounds[high])
        if crossed.any():
            state = int(np.argmax(crossed))
            raise ValueError(
                f"the certificate says {low} = {bounds[low][state]!r} and {high} = "
                f"{bounds[high][state]!r} in state {state}; {int(crossed.sum())} of {n_states} "
                "states have bounds that contradict each other"
            )
    return Bounds(**bounds, limit=limit)


def _unpack_history(arrays: Mapping[str, np.ndarray]) -> History:
    """Return the history of a run, after checking that its columns have equal lengths."""
    iteration = take_array(arrays, "history_iteration", (None,), "iu")
    if iteration.size and (iteration[0] < 0 or (np.diff(iteration.astype(np.int64)) < 0).any()):
        raise ValueError("the numbers of iterations in the history do not ascend")
    names = [f"history_{column.name}" for column in fields(History)[1:]]
    return History(iteration, *(take_array(arrays, name, iteration.shape) for name in names))


def _unpack_provenance(entries: Mapping[str, Any]) -> Provenance:
    """Return the origin of a solution, after checking the types of its entries."""
    provenance = Provenance(**entries)
    for column in fields(Provenance):
        value = getattr(provenance, column.name)
        kind = dict if column.name in MAPPINGS else str
        if not isinstance(value, kind):
            raise TypeError(f"{column.name} must be {kind.__name__}, not {value!r}")
    return provenance


def _require_distributions(
    name: str, rows: Float[np.ndarray, "n A"], *, may_be_empty: bool = False
) -> None:
    """Check that rows are distributions; those of terminal states may be 0."""
    sums = np.asarray(rows.sum(axis=1))
    allowed = np.abs(sums - 1.0) <= MASS_TOLERANCE
    lowest = rows.min(axis=1)
    if scipy.sparse.issparse(rows):
        lowest = lowest.toarray()
    if may_be_empty:
        allowed |= (sums == 0.0) & (lowest >= 0.0)
    bad = ~allowed | ~(lowest >= 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{name} is not a distribution: row {row} is {rows[row]}; {int(bad.sum())} of "
            f"{rows.shape[0]} are wrong"
        )
