"""Ragged models: pairs that fill a small part of an (S, A) array cost what the pairs cost."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm
from regmdp.mdp import numbering

N_STATES = 260


def draw_pairs(rng, n_states=N_STATES):
    """Draw one to four actions of each state, numbered like their successors."""
    count = rng.integers(1, 5, n_states)
    state = np.repeat(np.arange(n_states), count)
    action = np.concatenate([rng.choice(n_states, n, replace=False) for n in count])
    rows = sp.csr_array(
        (np.ones(action.size), action, np.arange(action.size + 1)), shape=(action.size, n_states)
    )
    return state, action, rows, rng.normal(size=action.size)


def make_pair(discount=0.9, **keywords):
    """Return a ragged model, and the same one in (S, A) arrays."""
    pairs = draw_pairs(np.random.default_rng(0))
    sizes = {"n_states": N_STATES, "n_actions": N_STATES}
    ragged = rm.MDP.from_pairs(*pairs, discount, **sizes, **keywords)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbering, "MIN_TABLE_SIZE", 10**9)
        whole = rm.MDP.from_pairs(*pairs, discount, **sizes, **keywords)
    assert ragged.numbering is not None
    assert ragged.rewards.shape == (N_STATES, 4)
    assert whole.numbering is None
    assert whole.rewards.shape == (N_STATES, N_STATES)
    return ragged, whole


def reference(mdp):
    """Return a sparse policy with positive probabilities of all pairs."""
    state, action, _, _ = mdp.to_pairs()
    weight = np.random.default_rng(1).uniform(0.5, 1.0, state.size)
    weight /= np.bincount(state, weight)[state]
    return sp.csr_array((weight, (state, action)), shape=(N_STATES, N_STATES))


@pytest.mark.parametrize(
    "make",
    [
        lambda mdp: None,
        lambda mdp: rm.Shannon(0.3),
        pytest.param(
            lambda mdp: rm.Tsallis(1.5, np.linspace(0.1, 1.0, N_STATES)), marks=pytest.mark.slow
        ),
        lambda mdp: rm.KL(mdp.to_columns(reference(mdp)), temperature=0.2),
    ],
    ids=["none", "Shannon", "Tsallis", "KL"],
)
def test_results_are_those_of_the_whole_arrays(make):
    ragged, whole = make_pair()
    one, other = (rm.solve(mdp, make(mdp)) for mdp in (ragged, whole))
    assert one.status.ok
    np.testing.assert_allclose(one.value, other.value, rtol=0, atol=1e-8)
    np.testing.assert_allclose(one.policy.toarray(), other.policy, rtol=0, atol=1e-6)
    values = [rm.evaluate(mdp, s.policy, make(mdp)) for mdp, s in ((ragged, one), (whole, other))]
    np.testing.assert_allclose(values[0].value, values[1].value, rtol=0, atol=1e-8)
    at_pairs = whole.to_sparse(values[1].q)
    np.testing.assert_allclose(values[0].q.toarray(), at_pairs.toarray(), rtol=0, atol=1e-8)
    bounds = [rm.certify(mdp, make(mdp), policy=one.policy) for mdp in (ragged, whole)]
    assert bounds[0].gap <= bounds[1].gap + 1e-12


def test_without_a_discount_and_with_a_goal():
    ragged, whole = make_pair(discount=1.0)
    goal = {"goal": [5], "objective": "steps", "minimize": True}
    one, other = (rm.solve(mdp.with_goal(**goal)) for mdp in (ragged, whole))
    np.testing.assert_allclose(one.value, other.value, rtol=0, atol=1e-9)
    assert sp.issparse(one.policy)


def test_a_policy_is_taken_in_all_its_forms():
    mdp, _ = make_pair()
    solution = rm.solve(mdp)
    actions = np.asarray(solution.policy.argmax(axis=1)).ravel()
    columns = mdp.to_columns(solution.policy)
    for policy in (solution.policy, actions, columns, solution.policy.toarray()):
        np.testing.assert_array_equal(
            rm.evaluate(mdp, policy).value, rm.evaluate(mdp, columns).value
        )
        assert rm.solve(mdp, start=policy).status.ok
    np.testing.assert_array_equal(mdp.to_sparse(columns).toarray(), solution.policy.toarray())


def test_errors_name_the_actions_by_their_numbers():
    state, action, rows, rewards = draw_pairs(np.random.default_rng(0))
    rewards[3] = np.nan
    with pytest.raises(rm.ModelError, match=f"state {state[3]}, action {action[3]} has nan"):
        rm.MDP.from_pairs(state, action, rows, rewards, 0.9, n_states=N_STATES)
    mdp, _ = make_pair()
    missing = next(a for a in range(N_STATES) if a not in action[state == 0])
    with pytest.raises(rm.PolicyError, match=f"takes action {missing} in state 0, which is not"):
        rm.evaluate(mdp, np.full(N_STATES, missing))
    policy = sp.csr_array(([1.0], ([0], [missing])), shape=(N_STATES, N_STATES))
    with pytest.raises(rm.PolicyError, match=f"has 1.0 at state 0, action {missing}, but"):
        rm.evaluate(mdp, policy)
    with pytest.raises(rm.PolicyError, match="must have the shape"):
        rm.evaluate(mdp, policy[:5])
    with pytest.raises(rm.RegularizerError, match=r"the model is ragged.*mdp\.to_columns"):
        rm.solve(mdp, rm.KL(np.full(N_STATES, 1 / N_STATES), temperature=0.1))


def test_unavailable_pairs_leave_no_trace():
    state, action, rows, rewards = draw_pairs(np.random.default_rng(0))
    available = np.ones((N_STATES, N_STATES), dtype=bool)
    left_out = np.flatnonzero(state == np.bincount(state).argmax())[:-1]
    available[state[left_out], action[left_out]] = False
    sizes = {"n_states": N_STATES, "n_actions": N_STATES}
    one = rm.MDP.from_pairs(state, action, rows, rewards, 0.9, available=available, **sizes)
    kept = np.flatnonzero(available[state, action])
    other = rm.MDP.from_pairs(state[kept], action[kept], rows[kept], rewards[kept], 0.9, **sizes)
    assert one.digest == other.digest
    assert one.digest == make_pair()[0].with_available(available).digest
    assert one.digest != make_pair()[0].digest


@pytest.mark.parametrize("suffix", ["npz", "drn", "tra"])
def test_files_keep_the_model(tmp_path, suffix):
    mdp, _ = make_pair(labels={"some": [1, 2]})
    rm.io.write_model(mdp, tmp_path / f"model.{suffix}")
    again = rm.io.read_model(tmp_path / f"model.{suffix}")
    assert again.digest == mdp.digest
    assert again.numbering.n_actions == N_STATES


def test_quantecon_and_pickle_keep_the_model():
    mdp, _ = make_pair()
    assert rm.io.from_quantecon(*rm.io.to_quantecon(mdp)).digest == mdp.digest
    assert pickle.loads(pickle.dumps(mdp)).digest == mdp.digest


def test_a_solution_is_saved_with_its_sparse_policy(tmp_path):
    mdp, _ = make_pair()
    solution = rm.solve(mdp, rm.Shannon(0.1))
    solution.save(tmp_path / "solution.npz")
    again = rm.Solution.load(tmp_path / "solution.npz")
    assert (again.policy != solution.policy).nnz == 0
    assert (rm.io.load_policy(tmp_path / "solution.npz") != solution.policy).nnz == 0
    frontier = rm.frontier(mdp, reference(mdp), [0.1])
    frontier.save(tmp_path / "frontier.npz")
    for one, other in zip(
        rm.Frontier.load(tmp_path / "frontier.npz").policies, frontier.policies, strict=True
    ):
        assert (one != other).nnz == 0


def test_formats_without_pairs_refuse_it(tmp_path):
    mdp, _ = make_pair()
    with pytest.raises(rm.ModelError, match="a ragged model cannot be mapped"):
        rm.io.save_mapped(mdp, tmp_path / "mapped")
    with pytest.raises(rm.ModelError, match="MDPtoolbox needs all actions"):
        rm.io.to_mdptoolbox(mdp)


@pytest.mark.slow
def test_figures_of_a_sparse_policy():
    pytest.importorskip("matplotlib")
    mdp, whole = make_pair()
    for layout in (None, rm.LineLayout("position")):
        figures = [rm.solve(m, rm.Shannon(0.1)).plot(layout) for m in (mdp, whole)]
        heights = [f.axes[1].collections or f.axes[1].lines[0].get_ydata() for f in figures]
        assert len(heights[0]) == len(heights[1])


def test_demonstrations_have_the_actions_numbers():
    mdp, _ = make_pair()
    _, action, _, _ = mdp.to_pairs()
    path = rm.irl.Demonstrations.from_trajectories(mdp, [([0, action[0]], [action[0]])])
    assert mdp.to_sparse(path.counts)[0, action[0]] == 1.0
    with pytest.raises(rm.SampleError, match="is not available in state 0"):
        rm.irl.Demonstrations.from_trajectories(
            mdp, [([0], [next(a for a in range(N_STATES) if a not in action[:4])])]
        )


def test_many_states_with_actions_like_successors_cost_what_the_pairs_cost():
    n_states = 30_000  # an (S, A) array would have 9·10^8 entries
    state = np.repeat(np.arange(n_states), 3)
    action = (state + np.tile([0, 1, 2], n_states)) % n_states
    rows = sp.csr_array(
        (np.ones(state.size), action, np.arange(state.size + 1)), shape=(state.size, n_states)
    )
    rewards = np.random.default_rng(0).normal(size=state.size)
    mdp = rm.MDP.from_pairs(state, action, rows, rewards, 0.9, n_states=n_states)
    solution = rm.solve(mdp, tol=1e-3)
    narrow = rm.MDP.from_pairs(
        state, np.tile([0, 1, 2], n_states), rows, rewards, 0.9, n_states=n_states
    )
    np.testing.assert_allclose(solution.value, rm.solve(narrow, tol=1e-3).value, atol=0.1)
    assert solution.policy.shape == (n_states, n_states)
    assert solution.policy.nnz == n_states
