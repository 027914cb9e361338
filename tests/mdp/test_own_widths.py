"""Models in which few states have many actions: blocks have their own numbers of columns."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm
from regmdp._internal.width_table import WidthTable
from regmdp.mdp import block_widths

N_STATES, MANY = 60, 40


def list_pairs(n_states=N_STATES, many=MANY, wide=(17,)):
    """One to three actions in most states, and many in some."""
    rng = np.random.default_rng(0)
    count = rng.integers(1, 4, n_states)
    count[list(wide)] = many
    state = np.repeat(np.arange(n_states), count)
    column = np.arange(state.size) - np.repeat(np.cumsum(count) - count, count)
    row = np.repeat(np.arange(state.size), 4)
    place = row, rng.integers(n_states, size=row.size)
    rows = sp.coo_array((rng.random(row.size), place), shape=(state.size, n_states)).tolil()
    rows[np.arange(state.size), rng.integers(0, n_states, state.size)] = 1.0
    rows = sp.csr_array(rows)
    rows.data /= np.repeat(rows.sum(axis=1), np.diff(rows.indptr))
    return state, 5 * column + state % 3, rows, rng.normal(size=state.size)


@pytest.fixture
def models(monkeypatch):
    """Return a model whose blocks have their own columns, and the same in one array."""
    order = np.random.default_rng(1).permutation(list_pairs()[0].size)
    pairs = [part[order] for part in list_pairs()]
    whole = rm.MDP.from_pairs(*pairs, 0.9, n_states=N_STATES, labels={"some": [1]})
    assert not isinstance(whole.rewards, WidthTable)
    monkeypatch.setattr(block_widths, "MIN_SKEWED_SIZE", 0)
    monkeypatch.setattr(block_widths, "COST_OF_BLOCK", 16)
    skewed = rm.MDP.from_pairs(*pairs, 0.9, n_states=N_STATES, labels={"some": [1]})
    assert isinstance(skewed.rewards, WidthTable)
    assert sum(part.size for part in skewed.rewards.parts) < 5 * N_STATES
    return skewed, whole


ALGORITHMS = {
    "VI": rm.algorithms.ValueIteration,
    "MPI": rm.algorithms.ModifiedPolicyIteration,
    "PI": rm.algorithms.PolicyIteration,
    "factorized": lambda: rm.algorithms.PolicyIteration(rm.evaluation.Direct()),
    "Krylov": lambda: rm.algorithms.PolicyIteration(rm.evaluation.Krylov()),
    "NPG": lambda: rm.algorithms.NPG(step_size=0.1),
    "GPMD": lambda: rm.algorithms.GPMD(step_size=2.0),
    "PMD": lambda: rm.algorithms.PMD(step_size=2.0),
}


def dense(policy):
    """Return a policy by numbers of actions as an array."""
    return policy.toarray() if sp.issparse(policy) else policy


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_method_finds_the_same(models, algorithm):
    soft = rm.Shannon(np.linspace(0.1, 0.5, N_STATES))
    for regularizer in (soft,) if algorithm == "GPMD" else (None, soft):
        limit = {"tol": 0, "max_iterations": 6}
        one, other = (
            rm.solve(mdp, regularizer, ALGORITHMS[algorithm](), **limit) for mdp in models
        )
        np.testing.assert_allclose(one.value, other.value, rtol=0, atol=1e-7)
        found, expected = dense(one.policy), dense(other.policy)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
        assert np.all(one.certificate.lower <= other.certificate.upper + 1e-12)
        assert np.all(other.certificate.lower <= one.certificate.upper + 1e-12)


def test_solutions_are_evaluated_and_certified(models):
    skewed, whole = models
    solution = rm.solve(skewed, rm.Tsallis(1.5, 0.2))
    assert solution.status.ok
    values = [rm.evaluate(mdp, dense(solution.policy), rm.Tsallis(1.5, 0.2)) for mdp in models]
    np.testing.assert_allclose(values[0].value, values[1].value, rtol=0, atol=1e-9)
    assert rm.certify(skewed, rm.Tsallis(1.5, 0.2), policy=solution.policy).gap < 1e-6
    np.testing.assert_allclose(
        values[0].q.toarray(), np.where(whole.available, values[1].q, 0.0), rtol=0, atol=1e-9
    )
    actions = np.asarray(rm.solve(skewed).policy.argmax(axis=1)).ravel()
    assert rm.certify(skewed, policy=actions).gap < 1e-6


def test_a_reference_policy_has_the_columns_of_the_model(models):
    skewed, whole = models
    reference = sp.csr_array(rm.uniform_policy(whole))
    one = rm.solve(skewed, rm.KL(skewed.to_columns(reference), temperature=0.2))
    other = rm.solve(whole, rm.KL(reference.toarray(), temperature=0.2))
    np.testing.assert_allclose(one.value, other.value, rtol=0, atol=1e-7)
    for wrong in (rm.KL(reference.toarray(), 0.2), rm.WeightedL1(np.ones(MANY), 0.2)):
        with pytest.raises(rm.RegularizerError, match="must have the columns of the model's"):
            rm.solve(skewed, wrong)
    points = [rm.frontier(mdp, reference, [0.3]).value for mdp in models]
    np.testing.assert_allclose(points[0], points[1], rtol=0, atol=1e-7)


def test_copies_and_files_are_the_same_model(models, tmp_path):
    skewed, _ = models
    assert pickle.loads(pickle.dumps(skewed)).digest == skewed.digest
    for name in ("model.npz", "model.drn"):
        rm.io.write_model(skewed, tmp_path / name)
        assert rm.io.read_model(tmp_path / name, discount=0.9).digest == skewed.digest
    doubled = skewed.with_rewards(2.0 * skewed.rewards)
    np.testing.assert_allclose(rm.solve(doubled).value, 2.0 * rm.solve(skewed).value, atol=1e-6)


def test_what_needs_whole_arrays_gets_them(models):
    skewed, whole = models
    few = np.asarray(whole.available) & (np.arange(whole.n_actions) < 60)
    few |= np.asarray(whole.available) & ~few.any(axis=1, keepdims=True)
    for change in (
        lambda mdp: mdp.with_discount(1.0).with_goal([3], objective="reach"),
        lambda mdp: mdp.with_goal([3]),
        lambda mdp: mdp.with_available(np.asarray(mdp.to_columns(few.astype(float))) > 0),
    ):
        one, other = (rm.solve(change(mdp)).value for mdp in models)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-7)
    assert rm.learn(
        skewed, None, rm.algorithms.SoftQLearning(steps=5), max_iterations=2,
        rng=np.random.default_rng(0),
    ).policy.shape == (1, N_STATES, MANY)  # fmt: skip
    soft = rm.Shannon(0.3)
    one, other = (
        rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft)).gradient() for mdp in models
    )
    np.testing.assert_allclose(one.discount, other.discount, rtol=1e-6)


def test_errors_name_the_pair(models):
    state, action, rows, rewards = list_pairs()
    rewards[40] = np.nan
    with pytest.raises(rm.ModelError, match=f"state {state[40]}, action {action[40]} has nan"):
        rm.MDP.from_pairs(state, action, rows, rewards, 0.9, n_states=N_STATES)
    with pytest.raises(rm.ModelError, match=f"the row of state {state[0]}, action .* sums to 0.5"):
        rm.MDP.from_pairs(state, action, 0.5 * rows, np.ones(state.size), 0.9)


def test_discounts_termination_and_masks_of_pairs(models):
    state, action, rows, rewards = list_pairs()
    rng = np.random.default_rng(2)
    ends = rng.uniform(0.0, 0.5, state.size)
    available = np.ones((N_STATES, int(action.max()) + 1), dtype=bool)
    available[state[5::9], action[5::9]] = False
    more = {"termination": ends, "available": available, "n_states": N_STATES, "normalize": True}
    scaled = sp.csr_array(rows * (1.0 - ends)[:, None] * 1.001)
    discount = rng.uniform(0.5, 0.95, state.size)
    skewed = rm.MDP.from_pairs(state, action, scaled, rewards, discount, **more)
    assert isinstance(skewed.rewards, WidthTable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_widths, "MIN_SKEWED_SIZE", 10**9)
        whole = rm.MDP.from_pairs(state, action, scaled, rewards, discount, **more)
    np.testing.assert_allclose(rm.solve(skewed).value, rm.solve(whole).value, atol=1e-7)


@pytest.mark.parametrize("wide", [(0,), (59,), (3, 40), (10, 11, 12)])
def test_blocks_cover_the_states_and_are_as_wide_as_needed(monkeypatch, wide):
    monkeypatch.setattr(block_widths, "COST_OF_BLOCK", 16)
    count = np.full(60, 2)
    count[list(wide)] = 50
    blocks, widths = block_widths.divide_states(count)
    assert [b.start for b in blocks] == [0, *(b.stop for b in blocks[:-1])]
    assert blocks[-1].stop == 60
    for block, width in zip(blocks, widths, strict=True):
        assert width == count[block].max()
    assert sum(w * (b.stop - b.start) for b, w in zip(blocks, widths, strict=True)) < 400


def test_one_state_with_very_many_actions(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("an array of all states and columns is made")

    monkeypatch.setattr(WidthTable, "__array__", refuse)
    pairs = list_pairs(3000, 20_000, wide=[777])  # an array would have 6·10^7 entries
    mdp = rm.MDP.from_pairs(*pairs, 0.9, n_states=3000)
    assert sum(part.size for part in mdp.rewards.parts) < 50_000
    for regularizer in (None, rm.Shannon(0.1)):
        assert rm.solve(mdp, regularizer, tol=1e-3).status.ok
