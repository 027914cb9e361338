"""Checks of algorithms: convergence, certificates, starts and iterates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Float, freeze
from regmdp._internal.errors import SolverError
from regmdp._internal.events import Event
from regmdp._internal.parameters import Generator, Instance, Number, checked
from regmdp._solve import solve
from regmdp.algorithms import Algorithm, Start, State
from regmdp.certificates import evaluate
from regmdp.mdp import MDP
from regmdp.policies import check_policy, uniform_policy
from regmdp.regularizers import KL, Regularizer, Shannon, SquaredL2, Unregularized
from regmdp.solution import Solution
from regmdp.testing._require import fail_on_warnings, format_array, require

__all__ = ["check_algorithm"]


@checked(algorithm=Instance(Algorithm), tol=Number(0.0), rng=Generator())
def check_algorithm(algorithm: Algorithm, *, tol: float = 1e-6, rng: np.random.Generator) -> None:
    """Check an algorithm on small random models with several regularizers.

    Some models are discounted, some not. Checked are: that it converges to the optimum, and that
    its certificate and the value of its policy are correct; that ``tol=0`` makes exactly the
    requested iterations; that it starts from ``start``; that every iterate has a policy of the
    model; that it does not write into its arguments; and that a second run gives the same numbers.
    Problems that its ``check`` refuses are omitted, but it must not refuse all.

    Args:
        algorithm: The algorithm.
        tol: The certified gap that it has to reach.
        rng: Generator of the models.

    Raises:
        AssertionError: with the violated property, the model and the regularizer.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.testing.check_algorithm(
        ...     rm.algorithms.PolicyIteration(), rng=np.random.default_rng(0)
        ... )
    """
    name = getattr(algorithm, "name", None)
    require(
        isinstance(name, str) and name, f"name is {name!r}; it is the algorithm's name in summaries"
    )
    n_checked = 0
    for mdp in _draw_models(rng):
        for regularizer in _draw_regularizers(mdp, rng):
            try:
                algorithm.check(mdp, regularizer)
            except SolverError:
                continue
            n_checked += 1
            _Case(algorithm, mdp, regularizer, tol, rng).run()
    require(n_checked, f"{name} is not defined for any of the problems used for checks")


# ---- the problems ----


def _draw_models(rng: np.random.Generator) -> Iterator[MDP]:
    yield _draw_model(rng, 5, 3, 0.9)
    yield _draw_model(rng, 4, 2, 0.0)
    yield _draw_model(rng, 6, 3, 0.95, masked=True, sparse=True)
    yield _draw_model(rng, 5, 2, 0.8, masked=True, ends=True)
    yield _draw_model(rng, 5, 3, 1.0, masked=True, ends=True)
    yield _draw_model(rng, 1, 3, 0.5)


def _draw_model(
    rng: np.random.Generator,
    n_states: int,
    n_actions: int,
    discount: float,
    *,
    masked: bool = False,
    ends: bool = False,
    sparse: bool = False,
) -> MDP:
    """Draw a model. If ``ends``, the last state is terminal and every pair may end the episode."""
    shape = (n_states, n_actions)
    rows = rng.dirichlet(np.ones(n_states), size=shape) * (rng.random((*shape, n_states)) < 0.6)
    rows[..., 0] += 0.1
    termination = rng.uniform(0.05, 0.3, size=shape) if ends else np.zeros(shape)
    rows *= ((1.0 - termination) / rows.sum(axis=2))[..., None]
    available = rng.random(shape) < 0.7 if masked else np.ones(shape, dtype=np.bool_)
    available[np.arange(n_states), rng.integers(0, n_actions, size=n_states)] = True
    if ends:
        available[-1] = False
    rewards = rng.normal(size=shape)
    mdp = MDP(rows, rewards, discount, available=available, termination=termination)
    if not sparse:
        return mdp
    return MDP(
        mdp.transitions.to_csr(), rewards, discount, available=available, termination=termination
    )


def _draw_regularizers(mdp: MDP, rng: np.random.Generator) -> Iterator[Regularizer]:
    shape = (mdp.n_states, mdp.n_actions)
    yield Unregularized()
    yield Shannon(temperature=0.1)
    yield SquaredL2(temperature=rng.uniform(0.0, 1.0, size=mdp.n_states))
    # zeros in the reference, but not for the only action of a state
    kept = mdp.available & (rng.random(shape) < 0.7)
    kept = np.where(kept.any(axis=1, keepdims=True), kept, mdp.available)
    weight = rng.exponential(size=shape) * np.where(mdp.terminal[:, None], 1.0, kept)
    yield KL(weight / weight.sum(axis=1, keepdims=True), temperature=0.5)


def _compute_optimal_value(mdp: MDP, regularizer: Regularizer) -> Float[np.ndarray, " S"]:
    """Iterate V ← T V until it does not change: all these models are contractions."""
    value = np.zeros(mdp.n_states)
    for _ in range(5000):
        value, before = bellman.backup(mdp, regularizer, value), value
        if np.max(np.abs(value - before)) <= 1e-14 * max(1.0, float(np.max(np.abs(value)))):
            break
    return value


# ---- the checks of one problem ----


@dataclass(frozen=True, eq=False)
class _Case:
    """An algorithm and a problem on which it is checked."""

    algorithm: Algorithm
    mdp: MDP
    regularizer: Regularizer
    tol: float
    rng: np.random.Generator

    @cached_property
    def where(self) -> str:
        """The algorithm and the problem, for messages."""
        return f"{self.algorithm.name}, on {self.mdp!r} with {self.regularizer!r}"

    def run(self) -> None:
        """Check everything."""
        solution = self._check_convergence()
        self._check_repetition()
        self._check_iteration_counts()
        self._check_starts(solution)
        self._check_start_policies(solution)
        self._check_iterates()

    def _solve(self, **options: Any) -> Solution:
        return solve(self.mdp, self.regularizer, self.algorithm, **options)

    def _random_value(self) -> Float[np.ndarray, " S"]:
        return np.where(self.mdp.terminal, 0.0, self.rng.normal(size=self.mdp.n_states))

    def _check_convergence(self) -> Solution:
        """Solve the problem; check the certificate, the policy and its value."""
        optimum = _compute_optimal_value(self.mdp, self.regularizer)
        solution = self._solve(absolute_tol=self.tol, max_iterations=100_000)
        require(
            solution.status.ok,
            f"{self.where}, does not reach a gap of {self.tol:g}: {solution.status}",
        )
        slack = 1e-10 * (1.0 + float(np.max(np.abs(optimum))))
        certificate = solution.certificate
        require(
            np.all((certificate.lower <= optimum + slack) & (optimum - slack <= certificate.upper)),
            f"{self.where}, has a wrong certificate: the optimum is {format_array(optimum)}, the "
            f"certificate {certificate!r}",
        )
        # evaluated without the algorithm
        value = evaluate(self.mdp, solution.policy, self.regularizer).value
        lost = float(np.max(optimum - value))
        require(
            lost <= self.tol + slack,
            f"{self.where}, returns a policy that is {lost:.3g} from optimal: "
            f"{format_array(solution.policy)}",
        )
        off = float(np.max(np.abs(solution.value - value)))
        require(
            off <= self.tol + slack,
            f"{self.where}, returns a value that is {off:.3g} from that of its policy: "
            f"{format_array(solution.value)}",
        )
        return solution

    def _check_repetition(self) -> None:
        one, again = (self._solve(tol=0, max_iterations=5) for _ in range(2))
        same = np.array_equal(again.policy, one.policy) and np.array_equal(again.value, one.value)
        require(same, f"{self.where}, returns a different result in a second run")

    def _check_iteration_counts(self) -> None:
        for count in (0, 1, 3):
            events: list[Event] = []
            solution = self._solve(tol=0, max_iterations=count, callback=[events.append])
            iterations = [event.iteration for event in events]
            require(
                solution.iterations == count and iterations == list(range(count + 1)),
                f"{self.where}, makes {solution.iterations} iterations where {count} were "
                "requested",
            )

    def _check_starts(self, solution: Solution) -> None:
        """Check starts from a value and from a solution."""
        value = self._random_value()
        first = self._solve(tol=0, max_iterations=0, start=value).value
        require(
            np.array_equal(first, value),
            f"{self.where}, starts from {format_array(first)} where start={format_array(value)}",
        )
        again = self._solve(absolute_tol=2 * self.tol, max_iterations=100_000, start=solution)
        require(
            again.iterations <= max(solution.iterations, 1),
            f"{self.where}, needs {solution.iterations} iterations, but {again.iterations} when it "
            "starts from their result",
        )

    def _check_start_policies(self, solution: Solution) -> None:
        """Check that two interior policies with different expected rewards give two values."""
        mdp, regularizer = self.mdp, self.regularizer
        uniform = uniform_policy(mdp, regularizer)
        between = 0.5 * (uniform + solution.policy)
        if np.allclose(
            bellman.expected_rewards(mdp, regularizer, uniform),
            bellman.expected_rewards(mdp, regularizer, between),
        ):
            return
        one, other = (
            self.algorithm.init(mdp, regularizer, Start(policy=freeze(policy))).value
            for policy in (uniform, between)
        )
        require(
            not np.array_equal(one, other),
            f"{self.where}, starts from the same value for different start policies",
        )

    def _check_iterates(self) -> None:
        """Check the iterates of three steps from each kind of start."""
        mdp, digest = self.mdp, self.mdp.compute_digest()
        policy, value = uniform_policy(mdp, self.regularizer), self._random_value()
        for start in (Start(), Start(policy=freeze(policy)), Start(value=freeze(value))):
            with fail_on_warnings(f"{self.where}, init"):
                state = _freeze_arrays(self.algorithm.init(mdp, self.regularizer, start))
            for _ in range(3):
                state = self._check_step(state)
        require(mdp.compute_digest() == digest, f"{self.where}, writes into the model")

    def _check_step(self, state: State) -> State:
        """Check one iterate, and return the next."""
        mdp, regularizer = self.mdp, self.regularizer
        residual = np.max(np.abs(bellman.backup(mdp, regularizer, state.value) - state.backup))
        scale = 1.0 + float(np.max(np.abs(state.backup)))
        require(
            residual <= 1e-12 * scale,
            f"{self.where}, has an iterate whose backup is {residual:.3g} from T V",
        )
        with fail_on_warnings(f"{self.where}, policy"):
            check_policy(mdp, self.algorithm.policy(mdp, regularizer, state), regularizer)
        before = {name: array.copy() for name, array in _arrays(state).items()}
        with fail_on_warnings(f"{self.where}, step"):
            following = self.algorithm.step(mdp, regularizer, state)
        for name, copy in before.items():
            require(
                np.array_equal(copy, getattr(state, name)),
                f"{self.where}, writes into the {name} of the iterate it starts from",
            )
        return _freeze_arrays(following)


def _arrays(state: State) -> dict[str, np.ndarray]:
    """Return the arrays of an iterate by name."""
    return {
        field.name: getattr(state, field.name)
        for field in fields(state)
        if isinstance(getattr(state, field.name), np.ndarray)
    }


def _freeze_arrays(state: State) -> State:
    """Return the iterate with read-only arrays."""
    return replace(state, **{name: freeze(array) for name, array in _arrays(state).items()})
