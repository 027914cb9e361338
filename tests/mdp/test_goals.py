"""Models that end at a goal, against all policies of small ones, and what is refused."""

import pickle

import numpy as np
import pytest
from goal_truth import draw_model, solve_by_enumeration
from tiers import tiered

import regmdp as rm
from regmdp.mdp import Objective

QUESTIONS = [
    (kind, minimize) for kind in ("reach", "reward", "steps") for minimize in (False, True)
]


def build(rows, rewards, **keywords):
    """An undiscounted model of action -> {successor: probability} for each state."""
    n_states, n_actions = len(rows), max(map(len, rows))
    P = np.zeros((n_states, n_actions, n_states))
    available = np.zeros((n_states, n_actions), dtype=bool)
    for state, actions in enumerate(rows):
        for action, successors in enumerate(actions):
            available[state, action] = True
            for successor, probability in successors.items():
                P[state, action, successor] = probability
    return rm.MDP(P, np.array(rewards, dtype=float), 1.0, available=available, **keywords)


@pytest.mark.parametrize("seed", tiered(range(60), 6))
def test_answers_are_those_of_the_best_of_all_policies(seed):
    rng = np.random.default_rng(seed)
    mdp = draw_model(rng, sparse=bool(seed % 2), ends=bool(seed % 3))
    states = rng.permutation(5).tolist()
    goal, avoid = states[: 1 + seed % 2], states[3 : 3 + seed % 4 // 2]
    for kind, minimize in QUESTIONS:
        exact = solve_by_enumeration(mdp, goal, avoid, kind, minimize)
        model = mdp.with_goal(goal, avoid or None, objective=kind, minimize=minimize)
        if not minimize and np.isinf(exact).any():
            with pytest.raises(rm.UnboundedError):
                rm.solve(model)
            continue
        solution = rm.solve(model)
        assert solution.status.ok
        np.testing.assert_allclose(solution.objective_value, exact, atol=1e-9)
        value = exact * model.objective.sign
        assert np.all(solution.certificate.lower <= value)
        assert np.all(value <= solution.certificate.upper)
        np.testing.assert_allclose(rm.evaluate(model, solution.policy).value, value, atol=1e-9)
        again = rm.certify(model, policy=solution.policy)
        assert np.all(again.lower <= value)
        assert np.all(value <= again.upper)
        assert again.gap < 1e-8


def test_staying_in_a_free_cycle_is_no_way_to_avoid_the_cost():
    # 0 <-> 1 costs nothing; the goal costs 7 from 0 and 5 from 1; 3 is a trap
    rows = [[{1: 1.0}, {2: 1.0}], [{0: 1.0}, {2: 1.0}], [{2: 1.0}], [{3: 1.0}]]
    mdp = build(rows, [[0, 7], [0, 5], [1, 0], [0, 0]])
    solution = rm.solve(mdp.with_goal(2, minimize=True))
    np.testing.assert_allclose(solution.objective_value, [5.0, 5.0, 0.0, np.inf], atol=1e-9)
    assert solution.policy[:2].argmax(axis=1).tolist() == [0, 1]
    assert rm.evaluate(mdp.with_goal(2, minimize=True), [0, 0, 0, 0]).value[0] == -np.inf
    with pytest.raises(rm.UnboundedError, match="state 0"):
        rm.solve(mdp.with_goal(2))
    with pytest.raises(rm.UnboundedError, match="never reaches the goal"):
        rm.evaluate(mdp.with_goal(2), [0, 0, 0, 0])
    np.testing.assert_allclose(
        rm.evaluate(mdp.with_goal(2, avoid=3, minimize=True), [1, 1, 0, 0]).value[:2], [-7, -5]
    )
    without_trap = build([*rows[:3], [{2: 1.0}]], [[0, 7], [0, 5], [1, 0], [0, 0]]).with_goal(2)
    np.testing.assert_allclose(rm.evaluate(without_trap, [1, 1, 0, 0]).value, [7, 5, 0, 0])


def test_an_end_elsewhere_does_not_reach_the_goal():
    # action 0 ends with probability 1/2 elsewhere, action 1 goes to the goal at a cost of 3
    rows = [[{1: 0.5}, {1: 1.0}], [{1: 1.0}], []]
    ends = np.array([[0.5, 0.0], [0.0, 0.0], [0.0, 0.0]])
    mdp = build(rows, [[1, 3], [0, 0], [0, 0]], termination=ends)
    assert rm.solve(mdp.with_goal(1, minimize=True)).objective_value.tolist() == [3.0, 0.0, np.inf]
    assert rm.solve(mdp.with_goal(1, objective="reach")).objective_value.tolist() == [1, 1, 0]
    low = rm.solve(mdp.with_goal(1, objective="reach", minimize=True))
    np.testing.assert_allclose(low.objective_value, [0.5, 1.0, 0.0], atol=1e-12)


def test_states_to_avoid_may_surround_the_goal():
    rows = [[{1: 1.0}, {1: 0.5, 2: 0.5}], [{2: 1.0}], [{2: 1.0}]]
    mdp = build(rows, [[1, 1], [1, 0], [0, 0]])
    reach = rm.solve(mdp.with_goal(2, avoid=1, objective="reach"))
    np.testing.assert_allclose(reach.objective_value, [0.5, 0.0, 1.0], atol=1e-12)
    assert rm.solve(mdp.with_goal(2, avoid=[1], minimize=True)).objective_value.tolist() == [
        np.inf,
        np.inf,
        0.0,
    ]
    surrounded = build([rows[0][:1], rows[1], rows[2]], [[1], [1], [0]])
    assert rm.solve(surrounded.with_goal(2, 1, objective="reach")).value.tolist() == [0, 0, 1]
    unreachable = surrounded.with_goal(0, objective="reach")
    assert rm.solve(unreachable).value.tolist() == [1.0, 0.0, 0.0]


def test_the_goals_own_rewards_count_when_asked_for():
    mdp = build([[{1: 1.0}], [{0: 1.0}, {1: 1.0}]], [[2, 0], [4, 3]])
    assert rm.solve(mdp.with_goal(1)).value.tolist() == [2.0, 0.0]
    assert rm.solve(mdp.with_goal(1, goal_rewards=True)).value.tolist() == [6.0, 4.0]
    least = rm.solve(mdp.with_goal(1, minimize=True, goal_rewards=True))
    assert least.objective_value.tolist() == [5.0, 3.0]


@pytest.mark.parametrize("minimize", [False, True])
def test_a_discount_weighs_the_time_until_the_goal(minimize):
    mdp = build([[{1: 1.0}, {0: 0.5, 2: 0.5}], [{2: 1.0}], [{2: 1.0}]], [[2, 1], [4, 0], [1, 0]])
    mdp = mdp.with_discount(0.5)
    pick = min if minimize else max
    # action 1 reaches the goal with 1/2 a step: E γ^T = ½γ/(1 - ½γ) = 1/3, steps 1/(1 - ½γ) = 4/3
    for kind, first in (
        ("reach", (0.25, 1 / 3)),
        ("reward", (4.0, 4 / 3)),
        ("steps", (1.5, 4 / 3)),
    ):
        found = rm.solve(mdp.with_goal(2, objective=kind, minimize=minimize)).objective_value
        assert found[0] == pytest.approx(pick(first), abs=1e-9)
    with pytest.raises(rm.ModelError, match="needs discount=1"):
        mdp.with_goal(2, avoid=1)
    with pytest.raises(rm.ModelError, match="set the discount first"):
        mdp.with_goal(2).with_discount(1.0)
    reach = mdp.with_goal(2, objective="reach")
    assert rm.solve(reach.with_discount(1.0)).value.tolist() == [1.0, 1.0, 1.0]


def test_constructors_set_a_goal_as_the_method_does():
    rows = np.array([[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    rewards = [[1.0, 3.0], [5.0, 5.0]]
    options = {"goal": "end", "avoid": None, "objective": "steps", "minimize": True}
    labels = {"end": [1]}
    plain = rm.MDP(rows, rewards, 1.0, labels=labels)
    state, action, pairs, paid = plain.to_pairs()
    for mdp in (
        rm.MDP(rows, rewards, 1.0, labels=labels, **options),
        rm.MDP.from_action_matrices(
            np.moveaxis(rows, 1, 0), rewards, 1.0, labels=labels, **options
        ),
        rm.MDP.from_pairs(state, action, pairs, paid, 1.0, labels=labels, **options),
    ):
        assert mdp.digest == plain.with_goal(**options).digest
        assert mdp.objective == Objective("steps", minimize=True)
        assert mdp.labels["end"].tolist() == [False, True]
        assert "minimum expected number of steps" in repr(mdp)
    assert rm.solve(mdp).objective_value.tolist() == [1.0, 0.0]
    with pytest.raises(rm.ModelError, match="minimize= needs a goal="):
        rm.MDP(rows, rewards, 1.0, minimize=True)
    with pytest.raises(TypeError, match="goals"):
        rm.MDP(rows, rewards, 1.0, goals=[1])


@pytest.mark.parametrize(
    "goal",
    [
        "end",
        ["end"],
        ["end", "end"],
        "last",
        2,
        [2],
        (np.int64(2),),
        {2},
        np.array([2]),
        [False, False, True],
        np.array([False, False, True]),
        range(2, 3),
    ],
)
def test_states_are_named_by_labels_numbers_and_masks(goal):
    mdp = rm.models.chain(3).with_labels({"end": [2], "start": np.array([True, False, False])})
    rows, paid = mdp.to_array(), mdp.rewards
    named = rm.MDP(rows, paid, 0.9, state_labels=["first", "middle", "last"], labels=mdp.labels)
    assert named.with_goal(goal).terminal.tolist() == [False, False, True]
    assert named.with_goal(["end", 0]).terminal.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gaol",), "no label 'gaol'; did you mean 'goal'.* labels are: goal, none"),
        (("none",), "goal is empty"),
        (([],), "goal is empty"),
        (([False] * 3,), "goal is empty"),
        (([True] * 2,), r"shape \(S,\) = \(3,\), not \(2,\)"),
        ((3,), "states run from 0 to 2"),
        ((-1,), "states run from 0 to 2"),
        ((1.5,), "labels, state numbers, or a mask"),
        (([[0, 1]],), "one list of states"),
        (("goal", "goal"), "state 2 is both a goal and to be avoided"),
        (([0, 1, 2],), "every state with an action"),
    ],
)
def test_wrong_goals_are_refused(arguments, message):
    mdp = rm.models.chain(3).with_discount(1.0).with_labels({"goal": [2], "none": []})
    with pytest.raises(rm.ModelError, match=message):
        mdp.with_goal(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "reaches"}, "did you mean 'reach'"),
        ({"minimize": 1}, "minimize must be True or False"),
        ({"goal_rewards": None}, "goal_rewards must be True or False"),
        ({"objective": "reach", "goal_rewards": True}, "'reach' has no rewards"),
        ({"objective": "steps", "goal_rewards": True}, "'steps' has no rewards"),
    ],
)
def test_wrong_objectives_are_refused(options, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.models.chain(3).with_goal(2, **options)


def test_a_second_goal_is_refused():
    with pytest.raises(rm.ModelError, match="already has an objective"):
        rm.models.chain(3).with_goal(2, objective="reach").with_goal(1)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"": [0]}, "a label must be text"),
        ({'a"b': [0]}, "a label must be text"),
        ({"a\nb": [0]}, "a label must be text"),
        ({1: [0]}, "a label must be text"),
        ({"end": [3]}, "end has state 3"),
        ({"end": [0.5]}, "end must be an array of integers"),
        (["end"], "labels must map names to states"),
    ],
)
def test_wrong_labels_are_refused(labels, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.models.chain(3).with_labels(labels)


def test_labels_and_objective_stay_with_the_model():
    mdp = rm.models.gridworld().with_labels({"corner": [0], "none": []})
    assert rm.models.gridworld().digest == mdp.digest  # names are not part of it
    for other in (
        pickle.loads(pickle.dumps(mdp)),
        mdp.with_rewards(mdp.rewards),
        mdp.with_available(mdp.available),
        mdp.with_discount(0.5),
        mdp.with_initial(None),
        mdp.with_goal(0),
    ):
        assert list(other.labels) == ["corner", "none"]
        assert not other.labels["corner"].flags.writeable
        assert other.labels["corner"].nonzero()[0].tolist() == [0]
        assert other.layout == mdp.layout
    least = mdp.with_discount(1.0).with_goal("corner", minimize=True)
    assert least.digest != least.with_objective(None).digest
    for other in (
        pickle.loads(pickle.dumps(least)),
        least.with_rewards(least.rewards),
        least.with_available(least.available),
    ):
        assert (other.objective, other.digest) == (least.objective, least.digest)
    assert least.endless_value == -np.inf
    rm.testing.check_mdp(least)
    reach = mdp.with_goal(0, objective="reach")
    assert reach.with_rewards(mdp.rewards).objective is None
    with pytest.raises(TypeError):
        mdp.labels["corner"] = np.ones(mdp.n_states, bool)


def test_a_regularizer_is_part_of_the_cost():
    # a detour of two steps and a short way that costs 1; state 3 is a trap
    rows = [[{1: 1.0}, {2: 1.0}], [{2: 1.0}, {3: 1.0}], [{2: 1.0}], [{3: 1.0}, {3: 1.0}]]
    mdp = build(rows, [[0, 1], [0, 0], [0, 0], [0, 0]]).with_goal(2, minimize=True)
    tau = 0.5
    solution = rm.solve(mdp, rm.Shannon(temperature=tau))
    # state 1 avoids the trap; in state 0 the costs 0 and 1 are mixed
    mixed = -tau * np.log(1.0 + np.exp(-1.0 / tau))
    np.testing.assert_allclose(solution.objective_value, [mixed, 0.0, 0.0, np.inf], atol=1e-9)
    assert solution.policy[1].tolist() == [1.0, 0.0]
    # an action that may end the episode elsewhere is left out, and pays no entropy
    ends = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    P = np.zeros((2, 3, 2))
    P[:, :2, 1] = 1.0
    P[0, 2, 1] = 0.5
    P[1, 2, 1] = 1.0
    mdp = rm.MDP(P, np.ones((2, 3)), 1.0, termination=ends).with_goal(1, minimize=True)
    cost = rm.solve(mdp, rm.Shannon(temperature=tau)).objective_value
    np.testing.assert_allclose(cost, [1.0 - tau * np.log(2.0), 0.0], atol=1e-9)


def test_the_summary_is_in_the_sign_of_the_question(tmp_path):
    mdp = build([[{0: 0.5, 1: 0.5}], [{1: 1.0}]], [[3], [0]], initial=[1.0, 0.0])
    solution = rm.solve(mdp.with_goal(1, minimize=True))
    lines = dict(solution.lines())
    assert lines["value"] == (
        "6 from the initial distribution, the minimum expected reward until the goal"
    )
    low, high = (float(word) for word in lines["optimum"].split()[1::2])
    assert 0.0 < low <= 6.0 <= high < 6.1
    solution.save(tmp_path / "solution.npz")
    again = rm.Solution.load(tmp_path / "solution.npz")
    assert again.objective == solution.objective
    assert again.lines() == solution.lines()
    infinite = rm.solve(mdp.with_goal(1, 0, minimize=True))
    assert dict(infinite.lines())["value"].startswith("inf from")
    assert dict(infinite.lines())["optimum"] == "between inf and inf"
