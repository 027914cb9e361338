import numpy as np
import pytest
from small_solvers import optimal_value

import regmdp as rm


@pytest.mark.parametrize(
    ("n_states", "branching"), [(1, 1), (7, 1), (7, 7), (50, 3), (50, 40), (1000, 8)]
)
def test_every_pair_has_distinct_successors_and_sums_to_one(n_states, branching):
    rows = rm.models.garnet(n_states, 3, branching, rng=1).transitions.to_csr()
    assert rows.shape == (3 * n_states, n_states)
    np.testing.assert_array_equal(np.diff(rows.indptr), branching)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-14)


# 500 takes Floyd's algorithm, 5 the partition
@pytest.mark.parametrize(("n_states", "branching"), [(500, 20), (5, 5), (5, 4), (12, 6), (16, 8)])
def test_successors_and_probabilities_are_uniform(n_states, branching):
    mdp = rm.models.garnet(n_states, 20_000 // n_states, branching, rng=2)
    rows = mdp.transitions.to_csr()
    n_pairs = rows.shape[0]
    share = branching / n_states
    hits = np.bincount(rows.indices, minlength=n_states)
    deviation = (hits - n_pairs * share) / np.sqrt(n_pairs * max(share * (1 - share), 1e-300))
    assert np.abs(deviation).max() < 5
    # the largest of b gaps has mean (1 + 1/2 + ... + 1/b) / b (Rényi 1953)
    largest = rows.data.reshape(n_pairs, branching).max(axis=1)
    expected = (1 / np.arange(1, branching + 1)).sum() / branching
    assert abs(largest.mean() - expected) < 5 * max(largest.std(), 1e-12) / np.sqrt(n_pairs)


def test_every_pair_of_successors_is_equally_likely():
    # Floyd's algorithm: 2² ≤ 4·6
    rows = rm.models.garnet(6, 20_000, 2, rng=3).transitions.to_csr()
    first, second = rows.indices.reshape(-1, 2).T
    counts = np.bincount(first * 6 + second, minlength=36).reshape(6, 6)[np.triu_indices(6, 1)]
    expected = counts.sum() / 15
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 42.6  # the 0.9999 quantile at 14 degrees of freedom


def test_the_seed_determines_the_model():
    one, two, other = (rm.models.garnet(rng=seed) for seed in (5, np.random.default_rng(5), 6))
    assert one.digest == two.digest != other.digest


def test_storage_follows_density():
    assert rm.models.garnet(100, 2, 25).transitions.storage == "sparse"
    assert rm.models.garnet(100, 2, 26).transitions.storage == "dense"


def test_value_agrees_with_textbook_value_iteration():
    mdp = rm.models.garnet(30, 3, 4, rng=7)
    np.testing.assert_allclose(rm.solve(mdp).value, optimal_value(mdp), rtol=1e-7)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"n_states": 3, "branching": 4},
            "branching is 4, but a pair cannot have more distinct successors than the 3 states",
        ),
        ({"branching": 0}, "branching must be an integer, 1 or more"),
        ({"n_actions": 0}, "n_actions must be an integer, 1 or more"),
        ({"rng": -1}, "rng must be an integer, 0 or more"),
    ],
)
def test_rejects_parameters_out_of_range(parameters, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.models.garnet(**parameters)
