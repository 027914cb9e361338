"""Many problems at once: bounds against exact values, and the same answers as one by one."""

import numpy as np
import pytest
import truth
from contract.lists import REGULARIZERS, SOME_REGULARIZERS, UserSpread
from tiers import tiered

import regmdp as rm
from regmdp._many import run
from regmdp.certificates import bound_values, rounding_gap, stacked_bounds
from regmdp.problem import Problem
from regmdp.stack import Stack

SIDE_BY_SIDE = "side by side"


def is_stacked(solution):
    return SIDE_BY_SIDE in solution.provenance.reason


def draw_models(count, n_states=12, n_actions=3, discount=0.9, seed=0, *, endings=False):
    """Draw random dense models; every second one with masked actions and a terminal state."""
    models = []
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        rows = rng.dirichlet(np.full(n_states, 0.3), size=(n_states, n_actions))
        ends = 0.3 * rng.random((n_states, n_actions)) if endings else None
        if ends is not None:
            rows *= (1.0 - ends)[..., None]
        available = np.ones((n_states, n_actions), bool)
        if i % 2:
            available = rng.random((n_states, n_actions)) < 0.7
            available[:, 0] = True
            available[-1] = False
        rewards = rng.normal(size=(n_states, n_actions)) * 10.0 ** rng.uniform(-2, 2)
        models.append(rm.MDP(rows, rewards, discount, available=available, termination=ends))
    return models


def assert_agree(one, other):
    """Assert that two certified answers to a problem do not contradict each other."""
    assert np.all(one.certificate.lower <= other.certificate.upper)
    assert np.all(other.certificate.lower <= one.certificate.upper)


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("seed", tiered(range(480), 16))
def test_bounds_contain_the_exact_values_whatever_is_beside_them(seed, swept, monkeypatch):
    monkeypatch.setattr(run, "MAX_UNSWEPT_STATES", 0 if swept else 100)
    problem = truth.problem(seed)
    mdp, regularizer = problem.mdp(), problem.regularizer()
    size = problem.reward_scale + float(max(abs(x) for x in problem.optimum))
    rewards = np.array([0.5, 1.0, 1e5])[:, None, None] * mdp.rewards
    batch = rm.solve_many(mdp, regularizer, rewards=rewards, absolute_tol=1e-9 * size)
    solution = batch[1]
    truth.assert_covers(
        solution.certificate, problem.initial, problem.optimum, problem.value_of(solution.policy)
    )
    alone = rm.solve(mdp, regularizer, absolute_tol=1e-9 * size)
    assert solution.status is alone.status
    assert solution.certificate.gap <= 1e-8 * size
    assert not (mdp.discount == 1.0 and is_stacked(solution))
    assert_agree(batch[0], rm.solve(mdp.with_rewards(rewards[0]), regularizer))


@pytest.mark.parametrize("name", tiered(REGULARIZERS, SOME_REGULARIZERS))
def test_every_regularizer_has_the_answers_of_single_solves(name):
    models = draw_models(5)
    regularizer = REGULARIZERS[name](models[0].rewards.shape, np.random.default_rng(1))
    batch = rm.solve_many(models, regularizer, absolute_tol=1e-6)
    assert batch.ok
    assert batch.gaps.max() <= 1e-6
    assert sum(map(is_stacked, batch)) >= 4
    for mdp, solution in zip(models, batch, strict=True):
        alone = rm.solve(mdp, regularizer, absolute_tol=1e-6)
        assert_agree(solution, alone)
        assert np.allclose(solution.value, alone.value, rtol=0, atol=2e-6)
        again = rm.certify(mdp, regularizer, policy=solution.policy, value=solution.value)
        assert again.gap <= 1.01e-6


@pytest.mark.parametrize("endings", [False, True])
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.9999, 1.0 - 1e-9])
def test_bounds_side_by_side_are_those_of_each_problem_alone(discount, endings):
    models = draw_models(6, discount=discount, seed=3, endings=endings)
    models[2] = models[2].with_rewards(models[2].rewards - 1e9 * (np.arange(3) == 2))
    rng = np.random.default_rng(0)
    for regularizer in (rm.Unregularized(), rm.Shannon(0.2), rm.LogBarrier(0.1)):
        stack = Stack([Problem(mdp, regularizer) for mdp in models])
        policies = [rm.uniform_policy(mdp) for mdp in models]
        values = [rng.normal(size=mdp.n_states) * (i + 1) for i, mdp in enumerate(models)]
        found = stacked_bounds(stack, np.concatenate(policies), np.concatenate(values))
        for i, mdp in enumerate(models):
            alone = bound_values(mdp, regularizer, policies[i], values[i])
            rounding = rounding_gap(mdp, regularizer, values[i])
            for name in ("lower", "upper", "policy_lower", "policy_upper"):
                one, other = getattr(found, name)[i], getattr(alone, name)
                wide = np.max(alone.upper - alone.policy_lower)
                with np.errstate(invalid="ignore"):
                    close = np.abs(one - other) <= 1e-12 * wide + rounding
                assert np.all(close | (one == other))


def test_rows_of_one_model_are_shared_and_give_the_same_answers():
    mdp, temperatures = draw_models(2)[1], np.array([0.0, 1e-9, 0.1, 5.0])
    path = rm.solve_many(mdp, rm.Shannon(1.0), temperatures=temperatures)
    assert all(map(is_stacked, path))
    for tau, solution in zip(temperatures, path, strict=True):
        assert_agree(solution, rm.solve(mdp, rm.Shannon(tau)))
        assert solution.provenance.regularizer == f"Shannon(temperature={float(tau)!r})"
    both = rm.solve_many(
        [mdp] * 4,
        rm.Shannon(1.0),
        temperatures=temperatures,
        rewards=np.arange(4.0)[:, None, None] * mdp.rewards,
    )
    for i, solution in enumerate(both):
        other = mdp.with_rewards(i * mdp.rewards)
        assert_agree(solution, rm.solve(other, rm.Shannon(temperatures[i])))
        assert solution.provenance.model_digest == other.digest


def test_models_of_different_sizes_and_discounts_keep_their_order():
    models = [
        mdp
        for i in range(3)
        for mdp in (
            draw_models(1, 8, 2, seed=i)[0],
            draw_models(1, 9, 3, 0.99, seed=i)[0],
            rm.models.chain(300 + i),
            rm.models.gridworld(3).with_discount(1.0 if i else 0.9),
        )
    ]
    batch = rm.solve_many(models)
    assert batch.ok
    assert [is_stacked(solution) for solution in batch[:4]] == [True, True, False, False]
    for mdp, solution in zip(models, batch, strict=True):
        assert solution.provenance.problem == repr(mdp)
        assert_agree(solution, rm.solve(mdp))
    with pytest.raises(rm.SolverError, match=r"^the models have different sizes, \(8,\), \(9,\)"):
        batch.values  # noqa: B018
    assert batch.gaps.shape == batch.initial_values.shape == (12,)
    assert batch[::4].values.shape == (3, 8)


def test_ragged_models_are_solved_one_by_one():
    n_states, n_actions = 200, 400
    state = np.repeat(np.arange(n_states), 2)
    action = (
        np.random.default_rng(0)
        .permuted(np.tile(np.arange(n_actions), (n_states, 1)), axis=1)[:, :2]
        .ravel()
    )
    rows = np.eye(n_states)[action % n_states]
    models = [
        rm.MDP.from_pairs(state, action, rows, np.arange(400.0) * scale, 0.9, n_actions=n_actions)
        for scale in (1.0, 2.0)
    ]
    batch = rm.solve_many(models)
    assert batch.ok
    assert batch.values.shape == (2, n_states)
    assert batch[1].policy.shape == (n_states, n_actions)
    with pytest.raises(rm.SolverError, match="^some policies are sparse"):
        batch.policies  # noqa: B018


def test_a_batch_is_a_sequence_of_solutions_with_stacked_arrays(tmp_path):
    models = draw_models(7)
    batch = rm.solve_many(models, rm.Shannon(0.3))
    assert len(batch) == len(list(batch)) == 7
    for name, array in (("value", batch.values), ("policy", batch.policies)):
        assert np.array_equal(array, np.stack([getattr(one, name) for one in batch]))
    for name in ("lower", "upper", "policy_lower", "policy_upper"):
        stacked = np.stack([getattr(one.certificate, name) for one in batch])
        assert np.array_equal(getattr(batch, name), stacked)
    assert np.array_equal(batch.gaps, [one.certificate.gap for one in batch])
    assert np.array_equal(batch.initial_values, [one.initial_value for one in batch])
    assert batch[2] is batch[2]
    assert batch[-1].value.tolist() == batch.values[-1].tolist()
    with pytest.raises(IndexError):
        batch[7]
    with pytest.raises(ValueError, match="read-only"):
        batch.values[0, 0] = 0.0
    one = batch[3]
    assert np.all(
        (one.certificate.policy_lower <= one.value) & (one.value <= one.certificate.upper)
    )
    one.save(tmp_path / "one.npz")
    assert rm.Solution.load(tmp_path / "one.npz").summary() == one.summary()
    assert repr(batch).startswith("SolutionBatch(7 solutions, 7 converged, gap ≤ ")
    assert len(one.history) == one.iterations + 1
    assert one.history.gap[-1] < one.history.gap[0]


def test_problems_that_need_many_iterations_go_on_alone():
    easy, hard = draw_models(9, 40, 2, 0.99), rm.models.forest(40, discount=0.99)
    hard = rm.MDP(hard.to_array(), hard.rewards, 0.99)
    batch = rm.solve_many([*easy, hard])
    assert batch.ok
    assert batch[9].iterations > 2 * max(one.iterations for one in batch[:9])
    assert is_stacked(batch[9])


def test_a_start_saves_iterations_and_may_be_another_batch():
    models = draw_models(4)
    first = rm.solve_many(models, rm.Shannon(0.3))
    again = rm.solve_many(models, rm.Shannon(0.3), start=first)
    assert max(one.iterations for one in again) <= 1
    assert again[0].provenance.options["start"] == "SolutionBatch"
    other = rm.solve_many(models, rm.Shannon(0.3), start=first.values + 1.0)
    assert other.ok


def test_without_a_tolerance_exactly_so_many_iterations_are_made():
    batch = rm.solve_many(draw_models(3), rm.Shannon(0.3), tol=0, max_iterations=2)
    assert [one.iterations for one in batch] == [2, 2, 2]
    assert batch.statuses == (rm.Status.ITERATION_LIMIT,) * 3
    few = rm.solve_many(draw_models(3), rm.Shannon(0.3), max_iterations=1)
    assert few.statuses == (rm.Status.ITERATION_LIMIT,) * 3
    for mdp, one in zip(draw_models(3), few, strict=True):
        assert_agree(one, rm.solve(mdp, rm.Shannon(0.3)))


def test_a_tolerance_below_rounding_ends_with_the_status_of_solve():
    batch = rm.solve_many(draw_models(3), absolute_tol=1e-18)
    assert batch.statuses == (rm.Status.ROUNDING_LIMIT,) * 3


class Wrong(UserSpread):
    """A regularizer whose greedy policies are not the best ones."""

    def greedy(self, y, available=None):
        return np.full(y.shape, 1.0 / y.shape[-1])


def test_errors_say_in_which_model():
    models = draw_models(4)
    rewards = np.stack([mdp.rewards for mdp in models])
    rewards[2, 1, 0] = np.nan
    with pytest.raises(rm.SolverError, match=r"^rewards\[2, 1, 0\] is nan, not a finite"):
        rm.solve_many(models[0], rewards=rewards)
    forbidding = rm.KL(np.array([0.0, 0.5, 0.5]), temperature=0.1)
    only_first = models[0].with_available(np.arange(3)[None, :] * np.ones((12, 1)) == 0)
    with pytest.raises(
        rm.RegularizerError, match=r"^model 2 of 3 \(counted from 0\): the reference gives every"
    ):
        rm.solve_many([models[0], models[2], only_first], forbidding)
    with pytest.raises(rm.SolverError, match="^model 1 of 2 .*: the value must have shape"):
        rm.solve_many([models[0], draw_models(1, 5)[0]], start=np.zeros((2, 12)))
    with pytest.raises(rm.RegularizerError, match="^model 0 of 4 .*greedy"):
        rm.solve_many(models, Wrong(temperature=1.0))
    undiscounted = rm.models.chain(4).with_discount(1.0)
    with pytest.raises(rm.UnboundedError, match=r"^model 1 of 2"):
        rm.solve_many([models[0], undiscounted])


def test_numbers_of_problems_have_to_agree():
    mdp = draw_models(1)[0]
    for arguments, message in (
        ({}, "^one model makes one problem"),
        ({"models": []}, "at least 1 item"),
        ({"models": [mdp, mdp], "temperatures": [1.0]}, "not 2 models, 1 temperatures"),
        ({"temperatures": [1.0], "regularizer": None}, "^temperatures need a regularizer"),
        ({"models": [mdp, mdp], "start": np.zeros((3, 12))}, "^start has 3 values for 2 problems"),
        ({"temperatures": [1.0, -1.0]}, "temperatures"),
        ({"models": [mdp, 3]}, r"^models\[1\] must be of class MDP, not 3$"),
    ):
        given = {"models": mdp, "regularizer": rm.Shannon(1.0), **arguments}
        with pytest.raises(rm.SolverError, match=message):
            rm.solve_many(**given)


def test_ctrl_c_is_not_swallowed(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run.PolicyIteration().__class__, "step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        rm.solve_many(draw_models(3), rm.Shannon(0.3))
