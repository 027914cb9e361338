"""Inverse reinforcement learning: what is no data is refused by name."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.applications.irl import (
    Demonstrations,
    expected_features,
    identify,
    match_features,
    maximize_likelihood,
)

MDP, SOFT = rm.models.chain(5), rm.Shannon(0.5)
DATA = Demonstrations.from_trajectories(
    MDP, [([0, 1, 2, 3, 4], [1, 1, 1, 1, 1]), ([0, 0, 1, 0], [0, 1, 0, 1])]
)
FEATURES = expected_features(MDP, state=np.eye(5)[:, 3:])

each_estimator = pytest.mark.parametrize("fit", [match_features, maximize_likelihood])


@each_estimator
@pytest.mark.parametrize("ridge", [np.nan, -1.0, -1e-300, np.inf, True, "1", None, 1j, [1.0]])
def test_penalties_are_finite_and_not_negative(fit, ridge):
    with pytest.raises(rm.SolverError, match="ridge must be a (finite )?number"):
        fit(FEATURES, DATA, SOFT, ridge=ridge)


@each_estimator
@pytest.mark.parametrize("size", [1e308, -1e308, 1e100, np.inf, np.nan])
def test_features_that_are_too_large_are_named(fit, size):
    x = np.zeros((5, 2, 2))
    x[2, 1, 0], x[:, 0, 1] = size, 1.0
    with pytest.raises(rm.SolverError, match=r"the features.*\[2, 1, 0\] is .*1 of 20 entries"):
        fit(expected_features(MDP, pair=x), DATA, SOFT)


@each_estimator
def test_a_feature_without_effect_is_named_unless_there_is_a_ridge(fit):
    x = np.eye(5)[:, [4, 4]] * [1.0, 0.0]
    message = "the feature 'number 1' is 0 at every available pair, .* or give a ridge"
    with pytest.raises(rm.SolverError, match=message):
        fit(expected_features(MDP, state=x), DATA, SOFT)
    found = fit(expected_features(MDP, state=x), DATA, SOFT, ridge=0.1)
    assert found.theta[1] == 0.0
    assert found.theta[0] != 0.0


def test_a_feature_of_unavailable_pairs_has_no_effect():
    mask = np.array([[True, True], [True, False]])
    mdp = rm.MDP(np.full((2, 2, 2), 0.5), np.zeros((2, 2)), 0.9, available=mask)
    data = Demonstrations.from_policy(mdp, np.array([[0.5, 0.5], [1.0, 0.0]]))
    only_there = np.where(mask, 0.0, 1.0)[:, :, None]
    with pytest.raises(rm.SolverError, match="'number 0' is 0 at every available pair"):
        match_features(expected_features(mdp, pair=only_there), data, SOFT)


def test_a_start_where_the_gradient_is_small_is_the_minimum():
    """SciPy's methods may fail where nothing is to be done."""
    found = match_features(FEATURES, DATA, SOFT, ridge=0.1)
    again = match_features(FEATURES, DATA, SOFT, ridge=0.1, start=found.theta)
    np.testing.assert_allclose(again.theta, found.theta, atol=1e-6)
    assert again.converged


@each_estimator
def test_arguments_of_another_kind_are_named(fit):
    for arguments, error, message in (
        ((None, DATA, SOFT), rm.SolverError, "the parameters must be those of a reward"),
        ((FEATURES, None, SOFT), rm.SampleError, "must be a regmdp.irl.Demonstrations, not None"),
        ((FEATURES, DATA, None), rm.RegularizerError, "must be a regmdp.Regularizer, .* not None"),
    ):
        with pytest.raises(error, match=message):
            fit(*arguments)
    for start in ([np.nan, 0.0], ["a", "b"], [1j, 0.0], [0.0], [[0.0, 0.0]]):
        with pytest.raises(rm.SolverError, match="the parameters"):
            fit(FEATURES, DATA, SOFT, start=start)


@pytest.mark.parametrize("other", [rm.models.chain(6), rm.models.chain(5, discount=0.5)])
def test_features_and_demonstrations_of_two_models_are_refused(other):
    features = expected_features(other, state=np.eye(other.n_states))
    with pytest.raises(rm.SolverError, match="the same states, actions and discount"):
        match_features(features, DATA, SOFT)


@pytest.mark.parametrize("name", ["state", "action", "pair", "successor"])
@pytest.mark.parametrize(
    "values",
    [["a"] * 5, [[1j]] * 5, [[1], [1, 2]], [[True]] * 5, [[None]] * 5, np.ones(5), [[np.nan]] * 5],
    ids=["text", "complex", "ragged", "boolean", "none", "shape", "nan"],
)  # fmt: skip
def test_features_that_are_none_are_refused(name, values):
    with pytest.raises(rm.SolverError, match=f"features of the {name}"):
        expected_features(MDP, **{name: values})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transition": 3}, "transition must be a list of features, each .*, not int"),
        ({"transition": [np.ones((2, 2))]}, "an array over transitions must have shape"),
        ({"state": np.ones((5, 0))}, "there are no features: all of the given arrays have K = 0"),
        ({"state": np.eye(5), "known": np.ones(7)}, r"known must be a number or have shape \(S, A"),
        ({"state": np.eye(5), "known": "a"}, "known must be an array of numbers, not 'a'"),
        ({"state": np.eye(5), "known": np.nan}, "known is nan, not a finite number"),
    ],
)
def test_other_features_are_refused(options, message):
    with pytest.raises(rm.SolverError, match=message):
        expected_features(MDP, **options)
    with pytest.raises(rm.SolverError, match="mdp must be of class MDP, not None"):
        expected_features(None, state=np.eye(5))


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        (None, "the trajectories must be a list of pairs .*, not NoneType"),
        (3, "the trajectories must be a list of pairs .*, not int"),
        ([([], [])], "trajectory 0 has 0 states and 0 actions"),
        ([([0], [])], "trajectory 0 has 1 states and 0 actions"),
        ([([0], [0]), ([0.5], [1])], "the states of trajectory 1 must be an array of integers"),
        ([([np.nan], [0])], "the states of trajectory 0 must be an array of integers"),
        ([([0, 10**12], [1])], "trajectory 0, step 1: there is no state 1000000000000"),
        ([([0], [True])], "the actions of trajectory 0 must be an array of integers, not of bool"),
        ([([0, None], [1])], r"the states of trajectory 0\[1\] is None, not an integer"),
        ([([[0], [1, 2]], [1])], "the states of trajectory 0 is not an array of integers"),
    ],
)
def test_trajectories_that_are_none_are_refused(trajectories, message):
    with pytest.raises(rm.SampleError, match=message):
        Demonstrations.from_trajectories(MDP, trajectories)


def test_a_single_action_is_a_demonstration():
    single = Demonstrations.from_trajectories(MDP, [([0], [0])])
    assert single.size == 1
    assert np.isfinite(maximize_likelihood(FEATURES, single, SOFT, ridge=0.1).theta).all()


@pytest.mark.parametrize("tolerance", [np.nan, -1.0, "a", None, np.inf])
def test_tolerances_of_an_occupancy_are_numbers(tolerance):
    occupancy = Demonstrations.from_policy(MDP, rm.uniform_policy(MDP)).occupancy
    with pytest.raises(rm.SampleError, match="tolerance must be a finite number, 0 or more"):
        Demonstrations.from_occupancy(MDP, occupancy, tolerance=tolerance)


@pytest.mark.parametrize("values", ["a", [[1], [1, 2]], np.ones((5, 2)) * 1j, None])
def test_occupancies_that_are_no_numbers_are_refused(values):
    with pytest.raises(rm.SampleError, match="occupancy"):
        Demonstrations.from_occupancy(MDP, values)


def test_other_objects_are_refused():
    with pytest.raises(rm.SampleError, match="data must be of class Dataset"):
        Demonstrations.from_dataset(MDP, [])
    with pytest.raises(rm.SolverError, match="estimate must be of class RewardEstimate"):
        identify(None)
