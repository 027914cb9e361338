import numpy as np
import pytest
from small_solvers import optimal_value

import regmdp as rm
from regmdp.algorithms import ModifiedPolicyIteration, PolicyIteration, ValueIteration

ALGORITHMS = [ValueIteration(), ModifiedPolicyIteration(), PolicyIteration()]

each_algorithm = pytest.mark.parametrize(
    "algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name
)


@pytest.fixture
def mdp():
    return rm.models.garnet(30, 3, 4, rng=1, discount=0.9)


# ---- answers ----


@each_algorithm
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.99])
def test_the_unregularized_optimum(algorithm, discount):
    mdp = rm.models.garnet(30, 3, 4, rng=1, discount=discount)
    solution = rm.solve(mdp, algorithm=algorithm, absolute_tol=1e-8)
    assert solution.status is rm.Status.CONVERGED
    truth = optimal_value(mdp)
    np.testing.assert_allclose(solution.value, truth, rtol=0, atol=1e-8)
    assert np.all(solution.certificate.lower <= truth + 1e-12)
    assert np.all(truth <= solution.certificate.upper + 1e-12)
    np.testing.assert_allclose(solution.initial_value, mdp.initial @ solution.value, rtol=1e-15)


def test_soft_policy_iteration_converges_quadratically():
    mdp = rm.models.garnet(100, 4, 5, rng=1, discount=0.99)
    solution = rm.solve(mdp, rm.Shannon(temperature=0.1))
    assert solution.iterations <= 10
    gaps = solution.history.residual
    # the number of right digits about doubles, until rounding ends it
    assert gaps[-1] <= max(1e-10, 10 * gaps[-2] ** 2)


def test_the_bandit_has_its_formulas():
    r = np.array([1.0, 0.9, 0.1])
    mdp = rm.models.bandit()
    np.testing.assert_allclose(rm.solve(mdp).value, [1.0])
    np.testing.assert_allclose(
        rm.solve(mdp, rm.Shannon(temperature=0.3)).value,
        [0.3 * np.log(np.exp(r / 0.3).sum())],
        atol=1e-12,
    )
    p = np.array([0.2, 0.3, 0.5])
    kl = rm.solve(mdp, rm.KL(p, temperature=0.3))
    np.testing.assert_allclose(kl.value, [0.3 * np.log((p * np.exp(r / 0.3)).sum())], atol=1e-12)
    np.testing.assert_allclose(
        kl.policy[0], p * np.exp(r / 0.3) / (p * np.exp(r / 0.3)).sum(), rtol=1e-13
    )
    np.testing.assert_allclose(
        rm.solve(mdp, rm.SquaredL2(temperature=1.0)).policy, [[0.55, 0.45, 0.0]], atol=1e-15
    )


def test_a_little_temperature_changes_little(mdp):
    # 0 ≤ V_τ - V_0 ≤ τ log A/(1-γ)
    hard = rm.solve(mdp).value
    for tau in (1e-12, 1e-6, 1e-2):
        soft = rm.solve(mdp, rm.Shannon(temperature=tau)).value
        assert np.all(soft >= hard - 2e-8)
        assert np.all(soft <= hard + tau * np.log(3) / 0.1 + 2e-8)


# ---- how long it runs ----


@each_algorithm
@pytest.mark.parametrize("count", [0, 1, 5])
def test_tol_0_makes_exactly_so_many_iterations(mdp, algorithm, count):
    solution = rm.solve(mdp, algorithm=algorithm, tol=0, max_iterations=count)
    assert solution.iterations == count
    assert len(solution.history) == count + 1
    assert solution.status is rm.Status.ITERATION_LIMIT
    assert solution.certificate.gap < np.inf


def test_tol_0_gives_the_iterate_itself(mdp):
    expected = np.zeros(30)
    for _ in range(3):
        expected = rm.bellman.backup(mdp, None, expected)
    np.testing.assert_array_equal(
        rm.solve(mdp, algorithm=ValueIteration(), tol=0, max_iterations=3).value, expected
    )


def test_the_iteration_limit_is_a_status(mdp):
    solution = rm.solve(mdp, algorithm=ValueIteration(), max_iterations=4)
    assert solution.status is rm.Status.ITERATION_LIMIT
    assert not solution.status.ok
    assert solution.iterations == 4
    assert solution.certificate.gap > 1e-8
    assert (
        np.max(optimal_value(mdp) - rm.evaluate(mdp, solution.policy).value)
        <= solution.certificate.gap
    )


@each_algorithm
def test_a_tolerance_below_rounding_is_a_status_with_the_bound_that_was_reached(mdp, algorithm):
    solution = rm.solve(mdp, rm.Shannon(temperature=0.1), algorithm, tol=1e-300)
    assert solution.status is rm.Status.ROUNDING_LIMIT
    assert 0 < solution.certificate.gap < 1e-10
    assert solution.iterations < 2000


def test_a_tolerance_in_the_unit_of_the_rewards(mdp):
    for scale in (1e-6, 1e6):
        scaled = mdp.with_rewards(mdp.rewards * scale)
        assert rm.solve(scaled, absolute_tol=1e-8 * scale).status.ok


# ---- where it starts ----


@each_algorithm
def test_start_from_a_value(mdp, algorithm):
    value = np.linspace(-5, 5, 30)
    first = rm.solve(mdp, algorithm=algorithm, tol=0, max_iterations=0, start=value)
    np.testing.assert_array_equal(first.value, value)
    np.testing.assert_array_equal(value, np.linspace(-5, 5, 30))
    assert first.provenance.options["start"] == "ndarray"
    best = optimal_value(mdp)
    assert rm.solve(mdp, algorithm=algorithm, start=best).iterations <= 1


def test_start_from_a_policy(mdp):
    policy = rm.bellman.greedy(mdp, None, np.linspace(-5, 5, 30))[1]
    kept = policy.copy()
    first = rm.solve(mdp, algorithm=PolicyIteration(), tol=0, max_iterations=0, start=policy)
    np.testing.assert_array_equal(first.policy, policy)
    np.testing.assert_allclose(first.value, rm.evaluate(mdp, policy).value, rtol=1e-12)
    np.testing.assert_array_equal(policy, kept)
    best = rm.solve(mdp).policy
    assert rm.solve(mdp, start=best).iterations == 0
    # whole numbers are actions, here as everywhere
    assert rm.solve(mdp, start=best.argmax(axis=1)).iterations == 0


@each_algorithm
def test_start_from_a_solution(mdp, algorithm):
    rough = rm.solve(mdp, rm.Shannon(temperature=0.1), algorithm, tol=1e-3)
    fine = rm.solve(mdp, rm.Shannon(temperature=0.1), algorithm, tol=1e-8, start=rough)
    fresh = rm.solve(mdp, rm.Shannon(temperature=0.1), algorithm, tol=1e-8)
    assert fine.status.ok
    assert fine.iterations <= fresh.iterations
    assert fine.provenance.options["start"] == "Solution"


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (np.zeros(29), r"the value must have shape \(S,\) = \(30,\), not \(29,\)"),
        (np.full(30, np.nan), "the value of state 0 is nan; 30 are not finite"),
        (
            np.where(np.arange(30) == 7, np.inf, 0.0),
            "the value of state 7 is inf; 1 are not finite",
        ),
        ("warm", "start must be an array of numbers"),
    ],
)
def test_a_start_that_is_no_value(mdp, start, message):
    with pytest.raises(rm.SolverError, match=message):
        rm.solve(mdp, start=start)
    if not isinstance(start, str):
        with pytest.raises(rm.SolverError, match=message):
            rm.certify(mdp, value=start)


def test_a_start_that_is_no_policy(mdp):
    with pytest.raises(rm.PolicyError, match=r"a policy must have shape \(S, A\) = \(30, 3\)"):
        rm.solve(mdp, start=np.full((30, 2), 0.5))


# ---- options ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": -1e-8}, "tol must be a finite number, 0 or more, not -1e-08"),
        ({"tol": np.nan}, "tol must be a finite number, 0 or more, not nan"),
        ({"tol": np.inf}, "tol must be a finite number, 0 or more, not inf"),
        (
            {"tol": 0.0},
            "tol=0 makes exactly max_iterations iterations, so say how many: max_iterations=",
        ),
        ({"max_iterations": -1}, "max_iterations must be an integer, 0 or more, not -1"),
    ],
)
def test_options_out_of_range(mdp, options, message):
    with pytest.raises(rm.SolverError, match=message):
        rm.solve(mdp, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": "small"}, "tol must be a finite number, 0 or more, not 'small'"),
        ({"max_iterations": 2.5}, "max_iterations must be an integer, 0 or more, not 2.5"),
        ({"max_iterations": True}, "max_iterations must be an integer, 0 or more, not True"),
        (
            {"algorithm": "value iteration"},
            (
                r'algorithm must be "auto" or a method such as '
                r"regmdp.algorithms.ValueIteration\(\), not"
            ),
        ),
        (
            {"algorithm": ValueIteration},
            "algorithm must be a method from regmdp.algorithms, .*; did you forget the parentheses",
        ),
        ({"regularizer": 0.1}, "the regularizer must be a regmdp.Regularizer or None, not float"),
        (
            {"mdp": np.zeros((2, 2, 2))},
            "the model must be a regmdp.MDP, not ndarray; build one with MDP",
        ),
    ],
)
def test_options_of_another_kind(mdp, options, message):
    with pytest.raises(rm.SolverError, match=message):
        rm.solve(**({"mdp": mdp} | options))


def test_certify_needs_a_policy_or_a_value(mdp):
    with pytest.raises(rm.SolverError, match="certify needs a policy or a value"):
        rm.certify(mdp)


# ---- callbacks ----


def test_callbacks_are_called_after_every_iteration(mdp):
    heard, also = [], []
    solution = rm.solve(
        mdp,
        rm.Shannon(temperature=0.1),
        ValueIteration(),
        tol=1e-4,
        callback=[heard.append, also.append],
    )
    assert [event.iteration for event in heard] == list(range(solution.iterations + 1))
    assert heard == also
    np.testing.assert_array_equal(
        [event.measures["residual"] for event in heard], solution.history.residual
    )
    np.testing.assert_array_equal([event.measures["gap"] for event in heard], solution.history.gap)
    seconds = np.array([event.seconds for event in heard])
    assert np.all(np.diff(seconds) >= 0)
    assert solution.seconds == seconds[-1]
    assert np.all(np.diff(solution.history.residual) <= 1e-14)


@each_algorithm
def test_a_callback_that_returns_false_stops_the_run(mdp, algorithm):
    heard = []
    solution = rm.solve(
        mdp,
        rm.Shannon(temperature=0.1),
        algorithm,
        callback=[lambda event: event.iteration < 1, heard.append],
    )
    assert solution.status is rm.Status.STOPPED
    assert solution.iterations == 1
    assert [event.iteration for event in heard] == [0, 1]  # all are called, also the last time
    assert solution.certificate.gap < np.inf


@pytest.mark.parametrize("falsy", [None, 0, ""])
def test_only_false_itself_stops_a_run(mdp, falsy):
    solution = rm.solve(mdp, rm.Shannon(temperature=0.1), callback=lambda event: falsy)
    assert solution.status is rm.Status.CONVERGED


def test_false_of_numpy_stops_a_run(mdp):
    solution = rm.solve(mdp, callback=lambda event: np.bool_(event.iteration < 1))
    assert solution.status is rm.Status.STOPPED
    assert solution.iterations == 1


@pytest.mark.parametrize("callback", [3, "print", [print, None]])
def test_a_callback_must_be_a_function(mdp, callback):
    with pytest.raises(rm.SolverError, match="callback must be a function"):
        rm.solve(mdp, callback=callback)


@each_algorithm
@pytest.mark.parametrize("when", [0, 1, 2])
def test_an_interrupt_returns_what_there_is(mdp, algorithm, when):
    def interrupt(event):
        if event.iteration == when:
            raise KeyboardInterrupt

    solution = rm.solve(mdp, rm.Shannon(temperature=0.1), algorithm, callback=interrupt)
    assert solution.status is rm.Status.INTERRUPTED
    assert solution.status.word == "interrupted"
    assert solution.iterations == when
    lost = (
        rm.solve(mdp, rm.Shannon(temperature=0.1)).value
        - rm.evaluate(mdp, solution.policy, rm.Shannon(temperature=0.1)).value
    )
    assert np.max(lost) <= solution.certificate.gap < np.inf


def test_an_interrupt_in_the_middle_of_a_step_leaves_the_last_complete_iterate(mdp):
    class Interrupted(rm.evaluation.Evaluation):
        exact = True
        calls = 0

        def __call__(self, mdp, regularizer, policy, guess, accuracy=0.0):
            type(self).calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return rm.evaluation.Direct()(mdp, regularizer, policy, guess)

    solution = rm.solve(mdp, algorithm=PolicyIteration(Interrupted()))
    assert solution.status is rm.Status.INTERRUPTED
    assert solution.iterations == 1
    np.testing.assert_array_equal(solution.policy, rm.solve(mdp, tol=0, max_iterations=1).policy)


def test_another_error_of_a_listener_is_not_swallowed(mdp):
    def fail(event):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rm.solve(mdp, callback=fail)


# ---- the choice, and where a solution comes from ----


@pytest.mark.parametrize(
    ("mdp", "method", "reason"),
    [
        (
            rm.models.garnet(30, 3, 4),
            "policy iteration",
            "small model, discount 0.95: policy iteration is Newton's method",
        ),
        (
            rm.models.garnet(3000, 2, 3, discount=0.5),
            "adaptive policy iteration",
            "discount 0.5: it spends on a policy what the policy deserves",
        ),
        (
            rm.models.gridworld(30, 30),
            "adaptive policy iteration",
            "most states pay nothing at once, so it is warm-started with a larger discount",
        ),
        (rm.models.gridworld().with_discount(1.0), "policy iteration", "undiscounted"),
    ],
)
def test_auto_says_what_it_chose_and_why(mdp, method, reason):
    solution = rm.solve(mdp)
    assert solution.status.ok
    assert solution.provenance.algorithm == method
    assert solution.provenance.reason.startswith(reason)
    assert solution.provenance.reason in solution.summary()


def test_auto_finds_the_way_from_where_a_walk_at_random_sees_nothing():
    corridor = rm.models.gridworld(1, 20_000, discount=0.999)
    solution = rm.solve(corridor)
    assert solution.status.ok
    assert solution.iterations <= 2
    assert (
        rm.solve(corridor, algorithm=PolicyIteration(), max_iterations=10).status
        is rm.Status.ITERATION_LIMIT
    )


def test_a_method_of_ones_own_choice_has_no_reason(mdp):
    provenance = rm.solve(mdp, algorithm=ValueIteration()).provenance
    assert (provenance.algorithm, provenance.reason) == ("value iteration", "")
    assert provenance.regularizer == "none"
    assert provenance.model_digest == mdp.digest
    assert set(provenance.versions) == {"python", "regmdp", "numpy", "scipy"}


def test_solving_writes_into_nothing(mdp):
    digest = mdp.digest
    rm.solve(mdp, rm.Shannon(temperature=0.1))
    assert type(mdp).digest.func(mdp) == digest
