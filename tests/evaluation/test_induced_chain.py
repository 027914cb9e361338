"""The Markov chain of a policy, in memory and in the files of model checkers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import regmdp as rm
from regmdp.testing import strategies


@st.composite
def models_and_policies(draw):
    mdp = draw(strategies.mdps(discounts=st.sampled_from((0.0, 0.5, 0.9, 1.0))))
    return mdp, draw(strategies.policies(mdp))


@given(models_and_policies(), st.sampled_from((None, rm.Shannon(temperature=0.5))))
def test_the_only_policy_of_the_chain_has_the_value_of_the_policy(drawn, regularizer):
    mdp, policy = drawn
    chain = rm.induced_chain(mdp, policy, regularizer)
    assert chain.n_actions == 1
    assert chain.discount == mdp.discount
    np.testing.assert_array_equal(chain.terminal, mdp.terminal)
    np.testing.assert_array_equal(chain.initial, mdp.initial)
    expected = rm.evaluate(mdp, policy, regularizer).value
    found = rm.evaluate(chain, rm.uniform_policy(chain)).value
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_actions_and_labels():
    mdp = rm.models.gridworld()
    solution = rm.solve(mdp)
    actions = solution.policy.argmax(axis=1)
    chain = rm.induced_chain(mdp, actions)
    assert chain.state_labels == mdp.state_labels
    state, _, rows, rewards = chain.to_pairs()
    np.testing.assert_array_equal(rows.toarray(), mdp.to_array()[state, actions[state]])
    np.testing.assert_array_equal(rewards, mdp.rewards[state, actions[state]])
    np.testing.assert_allclose(rm.solve(chain).value, solution.value, atol=1e-8)


@pytest.mark.parametrize("objective", ["reach", "reward", "steps"])
def test_labels_and_goals(objective):
    mdp = make_model().with_goal("end", objective=objective, minimize=True)
    policy = rm.uniform_policy(mdp)
    chain = rm.induced_chain(mdp, policy)
    assert chain.objective == mdp.objective
    assert {name: list(states) for name, states in chain.labels.items()} == {
        name: list(states) for name, states in mdp.labels.items()
    }
    np.testing.assert_allclose(
        rm.solve(chain).value, rm.evaluate(mdp, policy).value, rtol=1e-9, atol=1e-9
    )
    regularized = rm.induced_chain(mdp, policy, rm.Shannon(temperature=0.5))
    assert regularized.objective == (None if objective == "reach" else mdp.objective)


def test_policies_of_other_models_are_refused():
    with pytest.raises(rm.PolicyError, match=r"must have shape \(S, A\) = \(3, 2\)"):
        rm.induced_chain(rm.models.forest(), np.full((3, 3), 1 / 3))
    with pytest.raises(rm.PolicyError, match="-∞"):
        rm.induced_chain(rm.models.forest(), np.array([0, 0, 0]), rm.LogBarrier(temperature=1.0))


def make_model():
    """A model with an end, a terminal state and rewards of both signs."""
    return rm.MDP(
        [[[0.5, 0.25, 0.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0], [0.5, 0.0, 0.5]], [[0.0] * 3] * 2],
        [[1.0, -2.5], [0.125, 3.0], [0.0, 0.0]],
        1.0,
        available=[[True, True], [True, True], [False, False]],
        termination=[[0.25, 0.0], [0.0, 0.0], [0.0, 0.0]],
        action_labels=["go", "stay"],
        labels={"end": [2]},
    )


def make_chain():
    return rm.induced_chain(make_model(), [[0.5, 0.5], [0.25, 0.75], [0.0, 0.0]])


def test_a_chain_is_written_for_prism(tmp_path):
    chain, path = make_chain(), tmp_path / "chain.tra"
    rm.io.write_model(chain, path)
    assert path.read_text() == (
        "4 9\n0 0 0.25\n0 1 0.625\n0 3 0.125\n1 0 0.375\n1 2 0.625\n2 2 1.0\n3 3 1.0\n"
    ).replace("4 9", "4 7")
    assert path.with_suffix(".srew").read_text() == "4 2\n0 -0.75\n1 2.28125\n"
    assert path.with_suffix(".trew").read_text() == "4 0\n"
    assert rm.io.read_model(path).digest == chain.digest


def test_a_chain_is_written_for_storm(tmp_path):
    chain, path = make_chain(), tmp_path / "chain.drn"
    rm.io.write_model(chain, path)
    lines = path.read_text().split("\n")
    assert lines[1] == "@type: DTMC"
    assert lines[lines.index("@model") + 1 :][:6] == [
        "state 0 [-0.75] init",
        "\taction 0 [0]",
        "\t\t0 : 0.25",
        "\t\t1 : 0.625",
        "\t\t3 : 0.125",
        "state 1 [2.28125] init",
    ]
    assert rm.io.read_model(path).digest == chain.digest
