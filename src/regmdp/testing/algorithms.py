"""Does an algorithm do what the loop takes it for?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Float, freeze
from regmdp._internal.errors import SolverError
from regmdp._internal.events import Event
from regmdp._solve import solve
from regmdp.algorithms import Algorithm, Start, State
from regmdp.certificates import evaluate
from regmdp.mdp import MDP
from regmdp.policies import check_policy, uniform_policy
from regmdp.regularizers import KL, Regularizer, Shannon, SquaredL2, Unregularized
from regmdp.solution import Solution
from regmdp.testing._require import fail_on_warnings, format_array, require

__all__ = ["check_algorithm"]


def check_algorithm(algorithm: Algorithm, *, tol: float = 1e-6, rng: np.random.Generator) -> None:
    """Check an algorithm on small random models, discounted and not, with every kind of regularizer.

    Checked are: that it converges to the optimum, and that its certificate and its policy's value
    are true; that ``tol=0`` makes exactly the iterations asked for; that it starts where it is told
    to; that every iterate stands for a policy of the model; that it writes into nothing it is
    given; and that a second run gives the same numbers. Problems that its ``check`` refuses are
    left out, but it may not refuse all.

    Args:
        algorithm: The algorithm.
        tol: The certified gap that it has to reach.
        rng: Where the models come from.

    Raises:
        AssertionError: saying what is violated, on which model and with which regularizer.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.testing.check_algorithm(
        ...     rm.algorithms.PolicyIteration(), rng=np.random.default_rng(0)
        ... )
    """
    require(
        isinstance(algorithm, Algorithm),
        f"an algorithm is a regmdp.algorithms.Algorithm, not a {type(algorithm).__name__}",
    )
    name = getattr(algorithm, "name", None)
    require(
        isinstance(name, str) and name, f"name is {name!r}; it is the algorithm's name in summaries"
    )
    taken = 0
    for mdp in _models(rng):
        for regularizer in _regularizers(mdp, rng):
            try:
                algorithm.check(mdp, regularizer)
            except SolverError:
                continue
            taken += 1
            where = f"{name}, on {mdp!r} with {regularizer!r}"
            optimum = _optimal_value(mdp, regularizer)
            solution = _converges(algorithm, mdp, regularizer, tol, optimum, where)
            _counts(algorithm, mdp, regularizer, where)
            _starts(algorithm, mdp, regularizer, tol, solution, where, rng)
            _iterates(algorithm, mdp, regularizer, where, rng)
    require(taken, f"{name} is not defined for any of the problems that it could be checked on")


# ---- what to check it on ----


def _models(rng: np.random.Generator) -> Iterator[MDP]:
    yield _model(rng, 5, 3, 0.9)
    yield _model(rng, 4, 2, 0.0)
    yield _model(rng, 6, 3, 0.95, masked=True, sparse=True)
    yield _model(rng, 5, 2, 0.8, masked=True, ends=True)
    yield _model(rng, 5, 3, 1.0, masked=True, ends=True)
    yield _model(rng, 1, 3, 0.5)


def _model(
    rng: np.random.Generator,
    n_states: int,
    n_actions: int,
    discount: float,
    *,
    masked: bool = False,
    ends: bool = False,
    sparse: bool = False,
) -> MDP:
    """Draw a model; if its episodes end, the last state is terminal, and every pair ends now and then."""
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


def _regularizers(mdp: MDP, rng: np.random.Generator) -> Iterator[Regularizer]:
    shape = (mdp.n_states, mdp.n_actions)
    yield Unregularized()
    yield Shannon(temperature=0.1)
    yield SquaredL2(temperature=rng.uniform(0.0, 1.0, size=mdp.n_states))
    # zeros in the reference, but not where the only action is
    kept = mdp.available & (rng.random(shape) < 0.7)
    kept = np.where(kept.any(axis=1, keepdims=True), kept, mdp.available)
    weight = rng.exponential(size=shape) * np.where(mdp.terminal[:, None], 1.0, kept)
    yield KL(weight / weight.sum(axis=1, keepdims=True), temperature=0.5)


def _optimal_value(mdp: MDP, regularizer: Regularizer) -> Float[np.ndarray, " S"]:
    """Iterate V ← T V until it no longer moves: all these models are contractions."""
    value = np.zeros(mdp.n_states)
    for _ in range(5000):
        value, before = bellman.backup(mdp, regularizer, value), value
        if np.max(np.abs(value - before)) <= 1e-14 * max(1.0, float(np.max(np.abs(value)))):
            break
    return value


# ---- what to check ----


def _converges(
    algorithm: Algorithm,
    mdp: MDP,
    regularizer: Regularizer,
    tol: float,
    optimum: Float[np.ndarray, " S"],
    where: str,
) -> Solution:
    solution = solve(mdp, regularizer, algorithm, tol=tol, max_iterations=100_000)
    require(solution.status.ok, f"{where}, does not reach a gap of {tol:g}: {solution.status}")
    slack = 1e-10 * (1.0 + float(np.max(np.abs(optimum))))
    certificate = solution.certificate
    inside = np.all((certificate.lower <= optimum + slack) & (optimum - slack <= certificate.upper))
    require(
        inside,
        f"{where}, has a certificate that is false: the optimum is {format_array(optimum)}, the "
        f"certificate {certificate!r}",
    )
    # the policy, judged without the algorithm
    worth = evaluate(mdp, solution.policy, regularizer).value
    lost = float(np.max(optimum - worth))
    require(
        lost <= tol + slack,
        f"{where}, returns a policy that is {lost:.3g} from optimal: {format_array(solution.policy)}",
    )
    off = float(np.max(np.abs(solution.value - worth)))
    require(
        off <= tol + slack,
        f"{where}, returns a value that is {off:.3g} from that of its policy: "
        f"{format_array(solution.value)}",
    )
    one, again = (solve(mdp, regularizer, algorithm, tol=0, max_iterations=5) for _ in range(2))
    same = np.array_equal(again.policy, one.policy) and np.array_equal(again.value, one.value)
    require(same, f"{where}, returns something else when it is run again")
    return solution


def _counts(algorithm: Algorithm, mdp: MDP, regularizer: Regularizer, where: str) -> None:
    for count in (0, 1, 3):
        heard: list[Event] = []
        solution = solve(
            mdp, regularizer, algorithm, tol=0, max_iterations=count, callback=[heard.append]
        )
        iterations = [event.iteration for event in heard]
        require(
            solution.iterations == count and iterations == list(range(count + 1)),
            f"{where}, makes {solution.iterations} iterations where {count} were asked for",
        )


def _starts(
    algorithm: Algorithm,
    mdp: MDP,
    regularizer: Regularizer,
    tol: float,
    solution: Solution,
    where: str,
    rng: np.random.Generator,
) -> None:
    value = np.where(mdp.terminal, 0.0, rng.normal(size=mdp.n_states))
    first = solve(mdp, regularizer, algorithm, tol=0, max_iterations=0, start=value).value
    require(
        np.array_equal(first, value),
        f"{where}, told to start from the value {format_array(value)}, starts from {format_array(first)}",
    )
    again = solve(mdp, regularizer, algorithm, tol=2 * tol, max_iterations=100_000, start=solution)
    require(
        again.iterations <= max(solution.iterations, 1),
        f"{where}, needs {solution.iterations} iterations, but {again.iterations} when it starts "
        "from their result",
    )
    # two policies in the interior that differ in what one step of them pays
    uniform = uniform_policy(mdp, regularizer)
    between = 0.5 * (uniform + solution.policy)
    if np.allclose(
        bellman.expected_rewards(mdp, regularizer, uniform),
        bellman.expected_rewards(mdp, regularizer, between),
    ):
        return
    one, other = (
        algorithm.init(mdp, regularizer, Start(policy=freeze(policy))).value
        for policy in (uniform, between)
    )
    require(
        not np.array_equal(one, other),
        f"{where}, starts from the same value whatever policy it is told to start from",
    )


def _iterates(
    algorithm: Algorithm, mdp: MDP, regularizer: Regularizer, where: str, rng: np.random.Generator
) -> None:
    digest = mdp.compute_digest()
    policy, value = (
        uniform_policy(mdp, regularizer),
        np.where(mdp.terminal, 0.0, rng.normal(size=mdp.n_states)),
    )
    for start in (Start(), Start(policy=freeze(policy)), Start(value=freeze(value))):
        with fail_on_warnings(f"{where}, init"):
            state = _sealed(algorithm.init(mdp, regularizer, start))
        for _ in range(3):
            residual = np.max(np.abs(bellman.backup(mdp, regularizer, state.value) - state.backup))
            scale = 1.0 + float(np.max(np.abs(state.backup)))
            require(
                residual <= 1e-12 * scale,
                f"{where}, has an iterate whose backup is {residual:.3g} from T V",
            )
            with fail_on_warnings(f"{where}, policy"):
                check_policy(mdp, algorithm.policy(mdp, regularizer, state), regularizer)
            kept = _copies(state)
            with fail_on_warnings(f"{where}, step"):
                following = algorithm.step(mdp, regularizer, state)
            for name, copy in kept.items():
                require(
                    np.array_equal(copy, getattr(state, name)),
                    f"{where}, writes into the {name} of the iterate it starts from",
                )
            state = _sealed(following)
    after = mdp.compute_digest()
    require(after == digest, f"{where}, writes into the model")


def _arrays(state: State) -> dict[str, Any]:
    return {
        field.name: getattr(state, field.name)
        for field in fields(state)
        if isinstance(getattr(state, field.name), np.ndarray)
    }


def _sealed(state: State) -> State:
    """Return the iterate with arrays that cannot be written to."""
    return replace(state, **{name: freeze(array) for name, array in _arrays(state).items()})


def _copies(state: State) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in _arrays(state).items()}
