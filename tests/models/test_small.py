import numpy as np
import pytest
from small_solvers import optimal_value

import regmdp as rm


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.99])
def test_bandit_has_the_value_of_its_best_arm(discount):
    mdp = rm.models.bandit(discount=discount)
    assert (mdp.n_states, mdp.n_actions) == (1, 3)
    np.testing.assert_allclose(optimal_value(mdp), 1.0 / (1.0 - discount), rtol=1e-12)


def test_bandit_needs_arms_with_finite_rewards():
    with pytest.raises(rm.ModelError, match="rewards must not be empty"):
        rm.models.bandit(())
    with pytest.raises(rm.ModelError, match=r"rewards\[1\] is nan, not a finite number"):
        rm.models.bandit((1.0, float("nan")))


@pytest.mark.parametrize("n_states", [1, 2, 3, 8])
@pytest.mark.parametrize("distraction", [0.0, 0.3, 0.6, 0.9**2, 1.0])
@pytest.mark.parametrize("discount", [0.1, 0.9])
def test_chain_has_the_documented_value(n_states, distraction, discount):
    mdp = rm.models.chain(n_states, distraction=distraction, discount=discount)
    steps = np.arange(n_states)[::-1]
    expected = np.maximum(discount**steps, distraction) / (1.0 - discount)
    np.testing.assert_allclose(optimal_value(mdp), expected, rtol=1e-12)
    assert mdp.initial[0] == 1.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_states": 0}, "n_states must be an integer, 1 or more, not 0"),
        (
            {"distraction": 1.5},
            r"distraction must be a number in \[0, 1\], not 1.5",
        ),
        ({"discount": 1.5}, r"discount must be a number in \[0, 1\]"),
    ],
)
def test_chain_rejects_parameters_out_of_range(parameters, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.models.chain(**parameters)


def test_forest_has_the_documented_value():
    np.testing.assert_allclose(
        optimal_value(rm.models.forest()), [26.244, 29.484, 33.484], rtol=1e-12
    )


def test_forest_matches_pymdptoolbox():
    # mdptoolbox.example.forest() of pymdptoolbox 4.0b3
    mdp = rm.models.forest()
    wait, cut = (matrix.toarray() for matrix in mdp.to_action_matrices())
    np.testing.assert_array_equal(wait, [[0.1, 0.9, 0.0], [0.1, 0.0, 0.9], [0.1, 0.0, 0.9]])
    np.testing.assert_array_equal(cut, [[1.0, 0.0, 0.0]] * 3)
    np.testing.assert_array_equal(mdp.rewards, [[0.0, 0.0], [0.0, 1.0], [4.0, 2.0]])


def test_forest_of_two_classes_and_certain_fire():
    mdp = rm.models.forest(2, p=1.0)
    np.testing.assert_array_equal(mdp.to_array()[:, :, 0], 1.0)
    np.testing.assert_array_equal(mdp.rewards, [[0.0, 0.0], [4.0, 2.0]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_states": 1}, "n_states must be an integer, 2 or more"),
        ({"p": -0.1}, r"p must be a number in \[0, 1\]"),
        ({"r1": float("inf")}, "r1 must be a finite number"),
    ],
)
def test_forest_rejects_parameters_out_of_range(parameters, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.models.forest(**parameters)
