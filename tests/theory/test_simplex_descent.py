"""Mirror descent on the simplex: the proximal problem, known steps, the projection, the regret."""

import numpy as np
import pytest
from contract.lists import REGULARIZERS, SOME_REGULARIZERS
from tiers import tiered

import regmdp as rm
from regmdp.theory import (
    mirror_descent_on_simplex,
    mirror_descent_regret,
    mirror_descent_regret_bound,
)

N_ACTIONS = 4
each_regularizer = pytest.mark.parametrize("name", tiered(REGULARIZERS, SOME_REGULARIZERS))


def make(name, rng):
    """A regularizer of the contract tests for one state, and a function that draws points."""
    given = REGULARIZERS[name]((1, N_ACTIONS), rng)
    mirror = given.at(0)
    domain = mirror.domain(None)
    allowed = np.broadcast_to(True if domain is None else domain, (N_ACTIONS,))

    def draw(spread=1.0):
        scores = np.where(allowed, spread * rng.normal(size=N_ACTIONS), -np.inf)
        p = np.asarray(mirror.greedy(scores, allowed))
        return p / p.sum()

    return given, draw


def quadratic(rng):
    """A convex quadratic function of 4 probabilities and its gradient."""
    form, target = rng.normal(size=(3, N_ACTIONS)), rng.normal(size=3)
    return (
        lambda p: 0.5 * np.sum((form @ p - target) ** 2),
        lambda p: form.T @ (form @ p - target),
    )


def descend(mirror, draw, rng, iterations=6, **options):
    options = {"step_size": rng.uniform(0.2, 2.0, size=iterations), **options}
    return mirror_descent_on_simplex(
        quadratic(rng)[1], draw(), mirror, iterations=iterations, **options
    )


# ---- the step ----


@each_regularizer
def test_each_step_solves_the_proximal_problem(name):
    rng = np.random.default_rng(11)
    mirror, draw = make(name, rng)
    run = descend(mirror, draw, rng)
    # a user's regularizer has only a numerical subgradient, which is not exact at the boundary
    slack = 1e-12 if name != "convex" else 1e-10

    def objective(p, t):
        step = run.step_sizes[t] * run.gradients[t]
        return step @ p + float(run.mirror.divergence(p, run.points[t], run.duals[t]))

    for t in range(6):
        best, found = run.points[t + 1], objective(run.points[t + 1], t)
        assert np.all(best >= 0.0)
        np.testing.assert_allclose(best.sum(), 1.0, rtol=1e-14)
        for number in range(60):
            other = draw(spread=4.0 if number % 2 else 0.5)
            # the objective is convex: it need only be compared near the point
            for share in (1.0, 1e-3):
                assert found <= objective(best + share * (other - best), t) + slack


@each_regularizer
def test_duals_are_subgradients_and_the_projection_removes_a_normal(name):
    rng = np.random.default_rng(12)
    mirror, draw = make(name, rng)
    run = descend(mirror, draw, rng)
    others = [draw(spread=spread) for spread in (0.5, 1.0, 4.0) for _ in range(20)]
    numerical = type(mirror).subgradient is rm.Regularizer.subgradient
    slack = 1e-7 if numerical else 16 * mirror.rounding(N_ACTIONS) + 1e-13
    for t, p in enumerate(run.points):
        for other in others:
            assert float(run.mirror.divergence(other, p, run.duals[t])) >= -slack
            if t:
                assert float(run.mirror.divergence(other, p, run.moved[t - 1])) >= -slack
    np.testing.assert_array_equal(np.max(run.duals, axis=1), 0.0)
    if mirror.steep:
        np.testing.assert_array_equal(run.duals[1:], run.moved)


def test_the_squared_norm_projects():
    # the projection subtracts a number from all coordinates and cuts at 0
    rng = np.random.default_rng(13)
    run = mirror_descent_on_simplex(
        rng.normal(size=(30, 5)), np.full(5, 0.2), rm.SquaredL2(0.7), step_size=0.4, iterations=30
    )
    at_edge = 0
    for t in range(30):
        moved = run.points[t] - 0.4 * run.gradients[t]
        low, high = moved.min() - 1.0, moved.max()
        for _ in range(100):
            middle = 0.5 * (low + high)
            over = np.maximum(moved - middle, 0.0).sum() > 1.0
            low, high = (middle, high) if over else (low, middle)
        expected = np.maximum(moved - low, 0.0)
        np.testing.assert_allclose(run.points[t + 1], expected, atol=1e-14)
        # what the projection removes is 0 on the support, up to a constant, and negative elsewhere
        removed = run.moved[t] - run.duals[t + 1]
        removed = removed - removed[run.points[t + 1].argmax()]
        on = run.points[t + 1] > 0
        np.testing.assert_allclose(removed[on], 0.0, atol=1e-14)
        assert np.all(removed[~on] <= 1e-14)
        at_edge += np.any(removed < -1e-3)
    assert at_edge > 10


def test_entropy_multiplies():
    gradients = np.random.default_rng(14).normal(size=(20, 5))
    steps = np.linspace(0.1, 2.0, 20)
    run = mirror_descent_on_simplex(
        gradients, [0.1, 0.2, 0.3, 0.4, 0.0], rm.KL([0.25, 0.25, 0.25, 0.25, 0.0], 1.0),
        step_size=steps, iterations=20,
    )  # fmt: skip
    p = np.array([0.1, 0.2, 0.3, 0.4])
    for t in range(20):
        p = p * np.exp(-steps[t] * gradients[t, :4])
        p /= p.sum()
        np.testing.assert_allclose(run.points[t + 1], [*p, 0.0], rtol=1e-12)
    assert np.all(run.moved[:, 4] == -np.inf)


def test_the_log_barrier_adds_to_the_inverse():
    gradients = np.random.default_rng(15).normal(size=(10, 3))
    run = mirror_descent_on_simplex(
        gradients, np.full(3, 1 / 3), rm.LogBarrier(1.0), step_size=2.0, iterations=10
    )
    for t in range(10):
        # 1/p⁺ = 1/p + ηg + λ
        shift = 1.0 / run.points[t + 1] - 1.0 / run.points[t] - 2.0 * gradients[t]
        np.testing.assert_allclose(shift, shift[0], rtol=1e-9)


def test_a_probability_that_underflows_comes_back():
    gradients = np.repeat([[1.0, 0.0], [0.0, 1.0]], 4, axis=0)
    run = mirror_descent_on_simplex(
        gradients, [0.5, 0.5], rm.Shannon(1.0), step_size=1000.0, iterations=8
    )
    assert run.points[4, 0] == 0.0
    np.testing.assert_allclose(run.points[-1], [0.5, 0.5], rtol=1e-12)


@pytest.mark.parametrize(
    "mirror",
    [rm.Shannon(1.0), rm.SquaredL2(1.0), rm.Tsallis(1.5, 1.0), rm.LogBarrier(1.0)],
    ids=lambda one: type(one).__name__,
)
def test_policy_mirror_descent_makes_this_step_in_every_state(mirror):
    rewards = np.array([0.3, 0.9, 0.5])
    mdp = rm.models.bandit(tuple(rewards), discount=0.0)
    run = rm.theory.trace(mdp, None, rm.algorithms.PMD(0.4, mirror=mirror), max_iterations=5)
    descent = mirror_descent_on_simplex(
        -rewards, np.full(3, 1 / 3), mirror, step_size=0.4, iterations=5
    )
    np.testing.assert_allclose(run.policies[:, 0], descent.points, atol=1e-13)


def test_no_steps():
    run = mirror_descent_on_simplex(
        np.zeros((0, 2)), [0.25, 0.75], rm.Shannon(1.0), step_size=1.0, iterations=0
    )
    np.testing.assert_array_equal(run.points, [[0.25, 0.75]])
    np.testing.assert_array_equal(run.average, [0.25, 0.75])
    assert run.moved.shape == run.gradients.shape == (0, 2)
    assert mirror_descent_regret_bound(run, [1.0, 0.0]).shape == (0,)


# ---- the regret ----


def test_the_average_has_the_step_sizes_as_weights():
    run = mirror_descent_on_simplex(
        [1.0, 0.0], [0.5, 0.5], rm.SquaredL2(1.0), step_size=[0.2, 0.6], iterations=2
    )
    # p_0 = (0.5, 0.5), p_1 = (0.4, 0.6)
    np.testing.assert_allclose(run.average, [0.425, 0.575], rtol=1e-14)


CONVEX = [name for name in REGULARIZERS if name not in ("Shannon, cold", "KL, temperature 0")]


@pytest.mark.parametrize("name", tiered(CONVEX, [n for n in SOME_REGULARIZERS if n in CONVEX]))
@pytest.mark.parametrize("kind", ["gradient", "adversarial"])
def test_the_regret_is_within_its_bound(name, kind):
    rng = np.random.default_rng(16)
    mirror, draw = make(name, rng)
    for _ in range(3):
        function, gradient = quadratic(rng)
        if kind == "adversarial":
            gradient = rng.normal(size=(40, N_ACTIONS)) + rng.normal(size=N_ACTIONS)
        steps = rng.choice([0.05, 0.5, 5.0]) * rng.uniform(0.5, 1.5, size=40)
        run = mirror_descent_on_simplex(gradient, draw(), mirror, step_size=steps, iterations=40)
        for spread in (0.1, 1.0, 10.0):
            u = draw(spread=spread)
            regret, bound = mirror_descent_regret(run, u), mirror_descent_regret_bound(run, u)
            assert np.all(regret <= bound + 1e-9)
            if kind == "gradient":
                assert function(run.average) - function(u) <= regret[-1] + 1e-12
                assert min(map(function, run.points[:-1])) - function(u) <= regret[-1] + 1e-12
        if mirror.strong_convexity(N_ACTIONS) == 0.0:
            assert np.all(bound == np.inf)


@pytest.mark.parametrize("mirror", [rm.Shannon(1.0), rm.SquaredL2(1.0), rm.Tsallis(2.0, 1.0)])
def test_no_constant_of_the_bound_can_be_smaller(mirror):
    # with two arms, a short step, and u on the other side of the start as the next point, both
    # terms of the bound are as large as possible
    step, norm = 1e-3, 3.0
    modulus = mirror.strong_convexity(2)
    run = mirror_descent_on_simplex(
        [[4.0 + norm, 4.0 - norm]], [0.5, 0.5], mirror, step_size=step, iterations=1
    )
    move = run.points[1] - run.points[0]
    np.testing.assert_allclose(move[1], step * norm / modulus / 2, rtol=1e-5)
    regret, bound = (
        f(run, run.points[1]) for f in (mirror_descent_regret, mirror_descent_regret_bound)
    )
    np.testing.assert_allclose(regret, bound, rtol=1e-5)
    np.testing.assert_allclose(bound, step * norm**2 / modulus, rtol=1e-5)
    # one term against the other
    nearer = mirror_descent_regret_bound(run, run.points[0])
    np.testing.assert_allclose(nearer, step * norm**2 / modulus / 2, rtol=1e-5)


def test_the_best_step_size():
    # max_a ⟨c_a, p⟩, whose subgradients are the c_a, at the uniform distribution of 16 actions
    rng = np.random.default_rng(17)
    rows = rng.uniform(-1.0, 1.0, size=(5, 16))
    n = 400
    run = mirror_descent_on_simplex(
        lambda p: rows[np.argmax(rows @ p)], np.full(16, 1 / 16), rm.Shannon(1.0),
        step_size=np.sqrt(2.0 * np.log(16) / n), iterations=n,
    )  # fmt: skip
    from scipy.optimize import linprog

    # min s with rows p ≤ s on the simplex
    found = linprog(
        [0.0] * 16 + [1.0],
        A_ub=np.hstack([rows, -np.ones((5, 1))]),
        b_ub=np.zeros(5),
        A_eq=[[1.0] * 16 + [0.0]],
        b_eq=[1.0],
        bounds=[(0, None)] * 16 + [(None, None)],
    )
    best = found.x[:16] / found.x[:16].sum()
    excess = np.max(rows @ run.average) - found.fun
    bound = mirror_descent_regret_bound(run, best)[-1]
    assert 0.0 <= excess <= bound <= np.sqrt(2.0 * np.log(16) / n) + 1e-12


def test_a_constant_added_to_the_gradients_changes_nothing():
    gradients = np.random.default_rng(18).normal(size=(10, 3))
    one, other = (
        mirror_descent_on_simplex(
            gradients + shift, np.full(3, 1 / 3), rm.Shannon(1.0), step_size=0.5, iterations=10
        )
        for shift in (0.0, 1e6)
    )
    np.testing.assert_allclose(one.points, other.points, atol=1e-9)
    np.testing.assert_allclose(
        mirror_descent_regret_bound(one, [1.0, 0.0, 0.0]),
        mirror_descent_regret_bound(other, [1.0, 0.0, 0.0]),
        rtol=1e-8,
    )


def test_gradients_of_forbidden_actions_do_not_count():
    mirror = rm.KL([0.5, 0.5, 0.0], 1.0)
    one, other = (
        mirror_descent_on_simplex(
            [1.0, 0.0, far], [0.5, 0.5, 0.0], mirror, step_size=0.5, iterations=4
        )
        for far in (0.0, 1e3)
    )
    np.testing.assert_array_equal(one.points, other.points)
    for run in (one, other):
        assert mirror_descent_regret_bound(run, [0.0, 1.0, 0.0])[-1] < 1.0
    assert mirror_descent_regret_bound(one, [0.0, 0.5, 0.5])[-1] == np.inf


# ---- wrong arguments ----

RIGHT = {
    "gradient": [1.0, 2.0, 3.0],
    "start": [0.2, 0.3, 0.5],
    "mirror": rm.Shannon(1.0),
    "step_size": 0.5,
    "iterations": 3,
}
WRONG = {
    "a start that does not sum to 1": (
        {"start": [0.2, 0.3, 0.4]}, rm.PolicyError, "sums to 0.9, not to 1"
    ),
    "a negative probability": (
        {"start": [0.7, -0.2, 0.5]}, rm.PolicyError, r"start\[1\] is -0.2, not 0 or more; 1 of 3"
    ),
    "a start of no numbers": ({"start": "even"}, rm.PolicyError, "an array of numbers"),
    "a start for two states": (
        {"start": [[0.5, 0.5], [0.5, 0.5]]}, rm.PolicyError, r"shape \(A,\), not \(2, 2\)"
    ),
    "a start at the edge": (
        {"start": [0.0, 0.5, 0.5]}, rm.PolicyError, "action 0 probability 0.*mix the start"
    ),
    "a start outside of the domain": (
        {"mirror": rm.Box(0.0, 0.4)}, rm.PolicyError, "infinite at the start"
    ),
    "a start where the reference is 0": (
        {"mirror": rm.KL([0.5, 0.5, 0.0], 1.0)}, rm.PolicyError, "infinite at the start"
    ),
    "no mirror map": ({"mirror": "entropy"}, rm.SolverError, "mirror must be of class"),
    "a mirror map of other actions": (
        {"mirror": rm.KL([0.5, 0.5], 1.0)}, rm.RegmdpError, "reference"
    ),
    "a step of 0": ({"step_size": 0.0}, rm.SolverError, "above 0, not 0"),
    "one infinite step": (
        {"step_size": [1.0, np.inf, 1.0]}, rm.SolverError, "inf, not a finite number; 1 of 3"
    ),
    "too few steps": ({"step_size": [1.0, 1.0]}, rm.SolverError, r"\(n,\) = \(3,\), not \(2,\)"),
    "steps of no numbers": ({"step_size": "large"}, rm.SolverError, "must be a number"),
    "a negative number of iterations": ({"iterations": -1}, rm.SolverError, "iterations"),
    "a gradient of other actions": (
        {"gradient": [1.0, 2.0]}, rm.SolverError, r"shape \(3,\) or \(3, 3\), not \(2,\)"
    ),
    "a gradient that is not finite": (
        {"gradient": [1.0, np.nan, 2.0]}, rm.SolverError, r"given is nan at \(1,\)"
    ),
    "a function with a wrong gradient": (
        {"gradient": lambda p: p[:2]}, rm.SolverError, "after 0 steps must have shape"
    ),
    "a function without a gradient": (
        {"gradient": lambda p: "down"}, rm.SolverError, "after 0 steps must be an array"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments(case):
    change, error, message = WRONG[case]
    given = {**RIGHT, **change}
    with pytest.raises(error, match=message):
        mirror_descent_on_simplex(
            given["gradient"], given["start"], given["mirror"],
            step_size=given["step_size"], iterations=given["iterations"],
        )  # fmt: skip


def test_wrong_comparators():
    run = mirror_descent_on_simplex(
        RIGHT["gradient"], RIGHT["start"], RIGHT["mirror"], step_size=1.0, iterations=1
    )
    for function in (mirror_descent_regret, mirror_descent_regret_bound):
        with pytest.raises(rm.PolicyError, match="must have 3 probabilities"):
            function(run, [0.5, 0.5])
        with pytest.raises(rm.PolicyError, match="the comparator sums to 2"):
            function(run, [1.0, 1.0, 0.0])


def test_representation():
    run = mirror_descent_on_simplex(
        RIGHT["gradient"], RIGHT["start"], rm.SquaredL2(0.5), step_size=1.0, iterations=2
    )
    assert repr(run) == "SimplexTrajectory(2 steps with 3 actions, SquaredL2(temperature=1.0))"
