import numpy as np
import pytest
import scipy.sparse as sp
from small_solvers import optimal_value

import regmdp as rm

P = np.array([[[0.5, 0.5], [0.8, 0.2]], [[0.0, 1.0], [0.1, 0.9]]])
R = np.array([[5.0, 10.0], [-1.0, 2.0]])


def ending(*, masks):
    """A model with termination and a terminal state, and with masks if asked."""
    rng = np.random.default_rng(0)
    garnet = rm.models.garnet(8, 3, 4, rng=3)
    termination = 0.2 * rng.random((8, 3))
    available = np.ones((8, 3), dtype=bool)
    if masks:
        available = rng.random((8, 3)) < 0.6
        available[:, 0] = True
    available[5] = False
    transitions = garnet.to_array() * (1 - termination)[..., None]
    return rm.MDP(transitions, garnet.rewards, 0.9, available=available, termination=termination)


def require_same_endings(back, mdp):
    """Terminal states are again terminal, and so is the state that stands for the end."""
    sink = bool(np.any(mdp.termination))
    np.testing.assert_array_equal(back.terminal, [*mdp.terminal, *[True] * sink])
    assert not np.any(back.termination)


def test_mdptoolbox_small_example():
    # mdptoolbox.example.small() of pymdptoolbox 4.0b3; its PolicyIteration at 0.9 gives (42.4419,
    # 36.0465)
    mdp = rm.io.from_mdptoolbox(P, R, 0.9)
    np.testing.assert_allclose(optimal_value(mdp), [42.4418604651, 36.0465116279], rtol=1e-10)


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        list,
        lambda m: [sp.csr_array(x) for x in m],
        lambda m: [sp.coo_matrix(x) for x in m],
    ],
)
def test_rewards_in_every_form(convert):
    np.testing.assert_array_equal(rm.io.from_mdptoolbox(convert(P), R, 0.9).rewards, R)
    np.testing.assert_array_equal(
        rm.io.from_mdptoolbox(convert(P), np.array([3.0, 4.0]), 0.9).rewards,
        [[3.0, 3.0], [4.0, 4.0]],
    )
    on_transitions = np.array([[[1.0, 3.0], [0.0, 5.0]], [[7.0, -1.0], [10.0, 0.0]]])
    for rewards in (on_transitions, convert(on_transitions)):
        mdp = rm.io.from_mdptoolbox(convert(P), rewards, 0.9)
        np.testing.assert_allclose(mdp.rewards, [[2.0, -1.0], [1.0, 1.0]])


def test_sparse_rewards_of_states_and_actions():
    for form in (sp.csr_matrix, sp.coo_array, sp.csc_array):
        mdp = rm.io.from_mdptoolbox(P, form(R), 0.9)
        np.testing.assert_array_equal(mdp.rewards, R)
    three = np.repeat(P, 2, axis=0)[:3], np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]])
    np.testing.assert_array_equal(
        rm.io.from_mdptoolbox(three[0], sp.csr_array(three[1]), 0.9).rewards, three[1]
    )
    np.testing.assert_array_equal(
        rm.io.from_quantecon(sp.csr_array(R), np.swapaxes(P, 0, 1), 0.9).rewards, R
    )
    with pytest.raises(rm.ModelError, match=r"R has shape \(2, 3\); with 2 actions and 2 states"):
        rm.io.from_mdptoolbox(P, sp.csr_array(three[1]), 0.9)


def test_arrays_of_objects_as_of_cells():
    on_transitions = np.array([[[1.0, 3.0], [0.0, 5.0]], [[7.0, -1.0], [10.0, 0.0]]])
    for shape in ((2,), (1, 2), (2, 1)):
        matrices, rewards = np.empty(2, dtype=object), np.empty(2, dtype=object)
        for action in range(2):
            matrices[action] = sp.csr_matrix(P[action])
            rewards[action] = sp.csr_matrix(on_transitions[action])
        mdp = rm.io.from_mdptoolbox(matrices.reshape(shape), rewards.reshape(shape), 0.9)
        np.testing.assert_allclose(mdp.rewards, [[2.0, -1.0], [1.0, 1.0]])
        np.testing.assert_array_equal(mdp.to_array(), np.swapaxes(P, 0, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (P, np.zeros(3)),
            r"R has shape \(3,\); with 2 actions and 2 states it must be \(S,\) = \(2,\)",
        ),
        ((P, np.zeros((3, 2, 2))), "R is 3 matrices of shape .* but P is 2"),
        ((P[0], R), r"P must have shape \(A, S, S\), not \(2, 2\)"),
        ((np.zeros((0, 2, 2)), R), "P is empty"),
        ((sp.csr_array(P[0]), R), "P must be a sequence of A matrices"),
        ((2 * P, R), "sums to 2"),
        ((np.zeros((3, 3, 2)), R), r"np.moveaxis\(P, -1, 0\) turns an \(S, S, A\) array"),
    ],
)
def test_mdptoolbox_rejects_bad_arguments(arguments, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.io.from_mdptoolbox(*arguments, 0.9)


@pytest.mark.parametrize(
    "build", [rm.models.forest, rm.models.gridworld, lambda: ending(masks=False)]
)
def test_mdptoolbox_round_trip_keeps_values(build):
    mdp = build()
    matrices, rewards = rm.io.to_mdptoolbox(mdp)
    back = rm.io.from_mdptoolbox(matrices, rewards, mdp.discount)
    require_same_endings(back, mdp)
    np.testing.assert_allclose(
        optimal_value(back)[: mdp.n_states], optimal_value(mdp), rtol=1e-9, atol=1e-12
    )


def test_mdptoolbox_needs_all_actions():
    with pytest.raises(
        rm.ModelError,
        match=r"state 50, action 1 \(admit\) is not available, but MDPtoolbox.*1 states have",
    ):
        rm.io.to_mdptoolbox(rm.models.queue())


def test_quantecon_example():
    # the simple example of QuantEcon's DiscreteDP documentation
    rewards = np.array([[5.0, 10.0], [-1.0, -np.inf]])
    transitions = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.5, 0.5]]])
    product = rm.io.from_quantecon(rewards, transitions, 0.95)
    np.testing.assert_allclose(optimal_value(product), [-8.57142857, -20.0], rtol=1e-8)
    pairs = (
        [5.0, 10.0, -1.0, -np.inf],
        transitions.reshape(4, 2),
        0.95,
        [0, 0, 1, 1],
        [0, 1, 0, 1],
    )
    for Q in (pairs[1], sp.csr_array(pairs[1])):
        mdp = rm.io.from_quantecon(pairs[0], Q, *pairs[2:])
        np.testing.assert_array_equal(mdp.available, product.available)
        np.testing.assert_array_equal(mdp.to_array(), product.to_array())
        np.testing.assert_array_equal(mdp.rewards, product.rewards)


@pytest.mark.parametrize(
    "build", [rm.models.forest, rm.models.queue, rm.models.gridworld, lambda: ending(masks=True)]
)
def test_quantecon_round_trip_keeps_values(build):
    mdp = build()
    arguments = rm.io.to_quantecon(mdp)
    order = np.lexsort((arguments.a_indices, arguments.s_indices))
    np.testing.assert_array_equal(order, np.arange(order.size))
    back = rm.io.from_quantecon(*arguments)
    require_same_endings(back, mdp)
    np.testing.assert_allclose(
        optimal_value(back)[: mdp.n_states], optimal_value(mdp), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0]], [[[1.0]]], 0.9, [0]), "both s_indices and a_indices, or neither"),
        (([[-np.inf]], [[[1.0]]], 0.9), "available is False everywhere"),
        (([[0.0], [-np.inf]], [[[1.0, 0.0]], [[1.0, 0.0]]], 0.9), "state 1 has no feasible action"),
        (([0.0, 1.0], [[1.0]], 0.9, [0], [0]), "Q has 1 rows, but R has 2"),
        (([0.0], [[1.0]], 0.9, [0, 0], [0, 1]), "s_indices has 2 rows, but R has 1"),
    ],
)
def test_quantecon_rejects_bad_arguments(arguments, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.io.from_quantecon(*arguments)


@pytest.mark.parametrize("regularizer", [None, rm.Shannon(temperature=0.5)])
@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_the_end_comes_back_with_any_regularizer(regularizer, discount):
    mdp = ending(masks=False).with_discount(discount)
    expected = rm.solve(mdp, regularizer)
    matrices, rewards = rm.io.to_mdptoolbox(mdp)
    for back in (
        rm.io.from_mdptoolbox(matrices, rewards, discount),
        rm.io.from_quantecon(*rm.io.to_quantecon(mdp)),
    ):
        found = rm.solve(back, regularizer)
        np.testing.assert_allclose(found.value[:8], expected.value, rtol=1e-7)
        assert found.initial_value == pytest.approx(expected.initial_value, rel=1e-7)


def test_a_model_in_which_nothing_happens_is_kept():
    mdp = rm.io.from_mdptoolbox([np.eye(2)] * 2, np.zeros((2, 2)), 1.0)
    assert not mdp.terminal.any()
    np.testing.assert_array_equal(rm.solve(mdp).value, 0.0)
    # with a reward somewhere, the other state is the end
    mdp = rm.io.from_mdptoolbox([np.eye(2)] * 2, np.array([[0.0, 1.0], [0.0, 0.0]]), 0.5)
    np.testing.assert_array_equal(mdp.terminal, [False, True])
