import logging
import sys
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from small_solvers import optimal_value

import regmdp as rm


def value_by_sweeps(env, discount, sweeps):
    """Value iteration on the environment's own table, outcome by outcome."""
    table = env.unwrapped.P
    value = np.zeros(len(table))
    for _ in range(sweeps):
        value = np.array(
            [
                max(
                    sum(
                        p * (reward + (0.0 if ended else discount * value[t]))
                        for p, t, reward, ended in outcomes
                    )
                    for outcomes in actions.values()
                )
                for actions in table.values()
            ]
        )
    return value


def test_frozen_lake_has_the_value_14_17ths():
    mdp = rm.io.from_gymnasium("FrozenLake-v1", discount=1.0)
    assert rm.solve(mdp).initial_value == pytest.approx(14 / 17, rel=1e-9)
    assert optimal_value(mdp)[0] == pytest.approx(14 / 17, rel=1e-9)
    assert mdp.describe(5, 0) == "state 5 (row 1, column 1, hole), action 0 (left)"
    # in a hole every action ends at once
    np.testing.assert_array_equal(mdp.termination[5], 1.0)
    np.testing.assert_array_equal(mdp.rewards[5], 0.0)


def test_frozen_lake_8x8_can_be_crossed_with_probability_1():
    # it is known that the slippery 8×8 lake has a policy that never falls in
    mdp = rm.io.from_gymnasium("FrozenLake8x8-v1", discount=1.0)
    assert rm.solve(mdp).initial_value == pytest.approx(1.0, rel=1e-8)


def test_options_reach_the_environment():
    mdp = rm.io.from_gymnasium("FrozenLake-v1", discount=0.5, is_slippery=False)
    assert mdp.initial @ optimal_value(mdp) == pytest.approx(0.5**5, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "discount", "sweeps"),
    [
        ("FrozenLake-v1", 0.95, 500),
        ("Taxi-v4", 1.0, 60),
        ("CliffWalking-v1", 1.0, 60),
        ("CliffWalkingSlippery-v1", 0.9, 300),
    ],
)
def test_values_match_the_table(name, discount, sweeps):
    env = gymnasium.make(name)
    mdp = rm.io.from_gymnasium(env, discount=discount)
    np.testing.assert_allclose(
        rm.solve(mdp).value, value_by_sweeps(env, discount, sweeps), rtol=1e-7, atol=1e-7
    )
    np.testing.assert_array_equal(mdp.initial, env.unwrapped.initial_state_distrib)


def test_cliff_walking_costs_13():
    mdp = rm.io.from_gymnasium("CliffWalking-v1", discount=1.0)
    assert rm.solve(mdp).initial_value == pytest.approx(-13.0, rel=1e-9)
    assert mdp.describe(36, 1) == "state 36 (row 3, column 0), action 1 (right)"


def test_taxi():
    mdp = rm.io.from_gymnasium("Taxi-v4", discount=1.0)
    assert rm.solve(mdp).initial_value == pytest.approx(7.93, abs=1e-8)
    assert mdp.action_labels[4:] == ("pick up", "drop off")


def made(table, n_states=2, n_actions=1, **fields):
    spaces = {
        "observation_space": gymnasium.spaces.Discrete(n_states),
        "action_space": gymnasium.spaces.Discrete(n_actions),
    }
    return SimpleNamespace(**({"P": table} | spaces | fields))


def test_repeated_successors_are_added():
    table = {
        0: {0: [(0.25, 1, 4.0, False), (0.25, 1, 8.0, False), (0.5, 1, 2.0, True)]},
        1: {0: [(1.0, 0, 0.0, False)]},
    }
    mdp = rm.io.from_gymnasium(made(table), discount=0.5)
    np.testing.assert_array_equal(mdp.to_array()[0, 0], [0.0, 0.5])
    assert mdp.termination[0, 0] == 0.5
    assert mdp.rewards[0, 0] == 4.0
    np.testing.assert_array_equal(mdp.initial, 0.5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Blackjack-v1", "Blackjack-v1 has no transition table"),
        ("CartPole-v1", r"CartPole-v1 is not a finite model: its observation space is Box\("),
        ("FrozenLak-v1", "there is no environment 'FrozenLak-v1'.*Did you mean"),
        ("FrozenLake-v99", "there is no environment 'FrozenLake-v99'"),
    ],
)
def test_environments_without_a_table(name, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.io.from_gymnasium(name, discount=0.9)


GOOD = {0: {0: [(1.0, 1, 0.0, False)]}, 1: {0: [(1.0, 1, 0.0, True)]}}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (made({}), "is empty"),
        (
            made(GOOD, n_states=3),
            r"does not fit its observation space Discrete\(3\): it has 2 entries",
        ),
        (made(GOOD, n_actions=2), "does not fit its action space"),
        (made(GOOD | {1: {}}), "state 1, action 0: there is no list of outcomes"),
        (
            made(GOOD | {1: {0: [(1.0, 2, 0.0, True)]}}),
            "state 1, action 0: the next state must be an integer in \\[0, 1\\], not 2",
        ),
        (
            made(GOOD | {1: {0: [(1.0, 1, 0.0)]}}),
            r"an outcome must be \(probability, next state, reward, terminated\)",
        ),
        (made(GOOD | {1: {0: [(0.9, 1, 0.0, False)]}}), "the row of state 1, action 0 sums to 0.9"),
    ],
)
def test_wrong_tables(env, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.io.from_gymnasium(env, discount=0.9)


def test_incomplete_tables():
    with pytest.raises(rm.ModelError, match="leaves out the fickle passenger"):
        rm.io.from_gymnasium("Taxi-v4", discount=0.9, fickle_passenger=True)


def test_options_need_an_id():
    with pytest.raises(rm.ModelError, match="go with the id of an environment"):
        rm.io.from_gymnasium(gymnasium.make("FrozenLake-v1"), discount=0.9, is_slippery=False)


def test_a_note_about_time_limits(caplog):
    note = rm.io.time_limit_note("Taxi-v4")
    assert note.startswith("Taxi-v4 stops after 200 steps; the model does not")
    assert rm.io.time_limit_note("CliffWalking-v1") is None
    with caplog.at_level(logging.INFO, logger="regmdp"):
        rm.io.from_gymnasium("Taxi-v4", discount=0.9)
    assert note in caplog.messages
    with pytest.raises(rm.ModelError, match="there is no environment"):
        rm.io.time_limit_note("Taxxi-v4")


def test_the_error_without_gymnasium_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    monkeypatch.delitem(sys.modules, "regmdp.io.model_env", raising=False)
    with pytest.raises(rm.MissingExtraError, match=r"pip install 'regmdp\[gymnasium\]'"):
        rm.io.from_gymnasium("FrozenLake-v1", discount=0.9)
    with pytest.raises(rm.MissingExtraError, match=r"pip install 'regmdp\[gymnasium\]'"):
        rm.io.to_gymnasium(rm.models.chain())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (3, "must hold a table of actions for each state from 0 on"),
        ({0: 3}, "must hold a table of actions for each state from 0 on"),
        ({1: {0: []}}, "must hold a table of actions for each state from 0 on"),
        ({0: {}}, "state 0 has no actions"),
        ({0: {0: None}}, "state 0, action 0: there is no list of outcomes"),
        ({0: {0: []}}, "lists no outcomes"),
        ({0: {0: [3]}}, "an outcome must be .*, not 3"),
        ({0: {0: [("a", 0, 1.0, False)]}}, r"the probability must be a number in .*, not 'a'"),
        ({0: {0: [(True, 0, 1.0, False)]}}, r"the probability must be a number in .*, not True"),
        ({0: {0: [(-1.0, 0, 1.0, False), (2.0, 0, 1.0, False)]}}, r"probability .*, not -1.0"),
        ({0: {0: [(1j, 0, 1.0, False)]}}, r"the probability must be a number in .*, not 1j"),
        ({0: {0: [(1.0, 0.5, 1.0, False)]}}, "the next state must be an integer in .*, not 0.5"),
        ({0: {0: [(1.0, None, 1.0, False)]}}, "the next state must be an integer in .*, not None"),
        ({0: {0: [(1.0, 10**30, 1.0, False)]}}, "the next state must be an integer"),
        ({0: {0: [(1.0, 0, "x", False)]}}, "the reward must be a finite number, not 'x'"),
        ({0: {0: [(1.0, 0, np.nan, False)]}}, "the reward must be a finite number, not nan"),
        ({0: {0: [(1.0, 0, [1, 2], False)]}}, "the reward must be a finite number, not .1, 2."),
        ({0: {0: [(1.0, 0, 1.0, "no")]}}, "terminated must be true or false, not 'no'"),
        ({0: {0: [(1.0, 0, 1.0, None)]}}, "terminated must be true or false, not None"),
        ({0: {0: [(1.0, 0, 1.0, 7)]}}, "terminated must be true or false, not 7"),
        ({0: {0: [(0.5, 0, 1.0, False)]}}, "sums to 0.5"),
    ],
)
def test_outcomes_that_are_none_are_named(table, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.io.from_gymnasium(SimpleNamespace(P=table), discount=0.9)


def test_numbers_of_numpy_are_outcomes():
    outcome = (np.float32(1.0), np.int8(0), np.float32(2.0), np.True_)
    mdp = rm.io.from_gymnasium(SimpleNamespace(P=[[[outcome]]]), discount=0.9)
    assert (mdp.rewards[0, 0], mdp.termination[0, 0]) == (2.0, 1.0)


@pytest.mark.parametrize("options", [{"foo": 3}, {"desc": 3}, {"map_name": "zz"}])
def test_options_that_an_environment_refuses(options):
    name = next(iter(options))
    with pytest.raises(rm.ModelError, match=f"'FrozenLake-v1' could not be made with {name}="):
        rm.io.from_gymnasium("FrozenLake-v1", discount=0.9, **options)
