"""Frontiers: bounds on values and divergences, early stops, files and bad input."""

import csv

import numpy as np
import pytest

import regmdp as rm
from regmdp._internal import array_files


@pytest.fixture(scope="module")
def mdp():
    return rm.models.garnet(12, 4, 3, rng=3, discount=0.9)


@pytest.fixture(scope="module")
def reference(mdp):
    return np.random.default_rng(5).dirichlet(np.ones(mdp.n_actions), size=mdp.n_states)


@pytest.fixture(scope="module")
def found(mdp, reference):
    return rm.frontier(mdp, reference)


def solve_densely(mdp, reference, policy):
    """Return value and divergence from ρ by a dense linear system, without the library."""
    state, action, rows, rewards = mdp.to_pairs()
    chain = np.zeros((mdp.n_states, mdp.n_states))
    np.add.at(chain, state, policy[state, action][:, None] * rows.toarray())
    rewards_of_policy = np.bincount(state, policy[state, action] * rewards, minlength=mdp.n_states)
    used = policy > 0
    divergence = np.sum(
        np.where(used, policy * np.log(np.where(used, policy, 1.0) / reference), 0.0), axis=1
    )
    visits = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * chain.T, mdp.initial)
    return visits @ rewards_of_policy, visits @ divergence


def test_points_equal_dense_solutions(mdp, reference, found):
    for k, policy in enumerate(found.policies):
        value, nats = solve_densely(mdp, reference, policy)
        assert found.value_lower[k] - 1e-12 <= value <= found.value_upper[k] + 1e-12
        assert found.divergence_lower[k] - 1e-12 <= nats <= found.divergence_upper[k] + 1e-12
        assert found.value[k] == pytest.approx(value, abs=1e-10)
        assert found.regularized_value[k] == pytest.approx(
            value - (found.temperature[k] * nats if k else 0.0), abs=1e-7
        )


def test_points_go_from_the_reference_to_the_optimum(mdp, found):
    assert found.temperature[0] == np.inf
    assert found.temperature[-1] == 0.0
    assert np.all(np.diff(found.temperature) < 0)
    assert found.value[-1] == pytest.approx(rm.solve(mdp).initial_value, abs=1e-7)
    assert np.all(np.diff(found.value) > -1e-7)
    assert np.all(np.diff(found.divergence) > -1e-7)
    assert all(status.ok for status in found.point_statuses)
    assert found.complete
    assert found.status is rm.Status.CONVERGED


def test_no_random_policy_is_above_the_upper_bound(mdp, reference, found):
    rng = np.random.default_rng(0)
    for _ in range(200):
        weight = rng.random()
        between = (1 - weight) * reference + weight * found.policies[rng.integers(len(found))]
        noise = rng.dirichlet(np.ones(mdp.n_actions), size=mdp.n_states)
        mixing = rng.choice([0.0, 0.01, 0.3])
        value, nats = solve_densely(mdp, reference, (1 - mixing) * between + mixing * noise)
        assert value <= found.upper(nats) + 1e-12


def test_the_upper_bound_is_tight_at_the_points(found):
    # each point maximises V - τ D, so its value is the upper bound, up to the certified gap
    assert np.all(found.ceiling - found.value_lower <= 1e-6)


def test_the_hull_is_attained_by_a_stationary_policy(mdp, reference, found):
    first, second = found.policies[4], found.policies[9]
    mixed = (
        0.5 * rm.visits(mdp, first)[:, None] * first
        + 0.5 * rm.visits(mdp, second)[:, None] * second
    )
    value, nats = solve_densely(mdp, reference, mixed / mixed.sum(axis=1, keepdims=True))
    assert value == pytest.approx((found.value[4] + found.value[9]) / 2, abs=1e-9)
    assert nats <= (found.divergence[4] + found.divergence[9]) / 2 + 1e-12


def test_the_hull_is_concave_and_below_the_upper_bound(found):
    nats = np.linspace(0.0, 1.5 * found.divergence[-1], 500)
    low, high = found.lower(nats), found.upper(nats)
    assert np.all(low <= high)
    assert np.all(np.diff(low, 2) <= 1e-12)
    assert low[0] == pytest.approx(found.value[0], abs=1e-9)
    assert low[-1] == pytest.approx(found.value.max(), abs=1e-9)


def test_divergence_for_a_gain(found):
    for share in (0.1, 0.5, 0.9):
        gain = share * found.largest_gain
        least, enough = found.divergence_for(gain)
        assert 0 < least <= enough < np.inf
        assert found.upper(least * (1 - 1e-9)) < found.value_lower[0] + gain
        assert found.lower(enough) >= found.value_upper[0] + gain - 1e-12
    assert found.divergence_for(0.0) == (0.0, 0.0)
    assert found.divergence_for(found.largest_gain + 1.0) == (np.inf, np.inf)


def test_without_a_limit_on_the_divergence_the_bound_is_the_optimum(found):
    assert found.upper(np.inf) == pytest.approx(found.value.max(), abs=1e-7)
    assert found.lower(np.inf) <= found.upper(np.inf)


def test_a_bandit_in_closed_form():
    # rewards 1 and 0, uniform reference: p = e^(1/τ) / (1 + e^(1/τ))
    mdp = rm.MDP.from_pairs([0, 0], [0, 1], np.ones((2, 1)), np.array([1.0, 0.0]), discount=0.0)
    temperatures = np.array([2.0, 0.5, 0.1])
    found = rm.frontier(mdp, np.array([0.5, 0.5]), temperatures)
    p = 1 / (1 + np.exp(-1 / temperatures))
    assert found.value[1:-1] == pytest.approx(p, abs=1e-8)
    assert found.divergence[1:-1] == pytest.approx(
        np.log(2) + p * np.log(p) + (1 - p) * np.log1p(-p), abs=1e-8
    )
    assert found.divergence[-1] == pytest.approx(np.log(2))


def test_a_deterministic_reference_has_no_gain(mdp):
    found = rm.frontier(mdp, np.zeros(mdp.n_states, dtype=int))
    assert len(found) == 2
    assert found.largest_gain == pytest.approx(0.0, abs=1e-9)
    assert "nats" in found.summary()


def test_an_undiscounted_model():
    mdp = rm.models.russell_norvig()
    assert mdp.discount == 1.0
    uniform = rm.uniform_policy(mdp)
    found = rm.frontier(mdp, uniform, [1.0, 0.1])
    value, nats = solve_densely(mdp, np.where(uniform > 0, uniform, 1.0), found.policies[1])
    assert found.value[1] == pytest.approx(value, abs=1e-9)
    assert found.divergence[1] == pytest.approx(nats, abs=1e-9)
    assert np.all(found.ceiling >= found.value_lower)


class InterruptAtPoint:
    """Callback that interrupts at the first iteration of a point."""

    def __init__(self, point):
        self.point, self.events = point, []

    def __call__(self, event):
        self.events.append(event)
        if event.measures["points"] == self.point:
            raise KeyboardInterrupt


@pytest.mark.parametrize("point", [1, 2, 4])
def test_an_interrupt_keeps_the_finished_points(mdp, reference, point, tmp_path):
    interrupt = InterruptAtPoint(point)
    found = rm.frontier(mdp, reference, [1.0, 0.3, 0.1], callback=interrupt)
    assert not found.complete
    assert found.status is rm.Status.INTERRUPTED
    assert len(found) == point
    assert interrupt.events[-1].measures["total"] == 5
    assert "points are missing" in found.summary()
    assert np.all(found.upper(found.divergence_upper) >= found.value_lower)
    found.save(tmp_path / "found.npz")
    assert rm.Frontier.load(tmp_path / "found.npz").status is rm.Status.INTERRUPTED


def test_a_callback_that_returns_false_stops_the_run(mdp, reference, tmp_path):
    found = rm.frontier(
        mdp, reference, [1.0, 0.3], callback=lambda event: event.measures["points"] < 2
    )
    assert found.status is rm.Status.STOPPED
    assert not found.complete
    assert len(found) == 2
    assert "stopped: points are missing" in found.summary()
    found.save(tmp_path / "found.npz")
    assert rm.Frontier.load(tmp_path / "found.npz").status is rm.Status.STOPPED


def test_a_point_that_does_not_converge_sets_the_status(mdp, reference):
    found = rm.frontier(mdp, reference, [0.3], tol=1e-300)
    assert found.status is rm.Status.ROUNDING_LIMIT
    assert found.complete
    assert not found.status.ok


@pytest.mark.parametrize("lacking", ["value_upper", "reference", "solution_0_policy"])
def test_incomplete_files_are_refused(found, lacking, tmp_path):
    path = tmp_path / "found.npz"
    found.save(path)
    arrays, meta = array_files.read_arrays(path, "frontier")
    del arrays[lacking]
    array_files.write_arrays(path, "frontier", arrays, meta)
    with pytest.raises(
        rm.FormatError, match="found.npz is not a complete frontier: '.*' is missing"
    ):
        rm.Frontier.load(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("value_lower", lambda a: a + 1e9),
        ("divergence_upper", lambda a: np.full_like(a, np.nan)),
        ("value", lambda a: a[:-1]),
        ("value", lambda a: a + np.inf),
        ("divergence", lambda a: a * np.nan),
        ("temperature", lambda a: a[::-1]),
        ("temperature", lambda a: -a),
        ("temperature", lambda a: a[:-1]),
        ("reference", lambda a: a[:-1]),
        ("reference", lambda a: a.astype(str)),
        ("solution_0_certificate_lower", lambda a: a + 1e9),
        ("solution_1_policy", lambda a: a[:, :-1]),
    ],
)
def test_wrong_content_is_refused(found, name, change, tmp_path):
    path = tmp_path / "found.npz"
    found.save(path)
    arrays, meta = array_files.read_arrays(path, "frontier")
    array_files.write_arrays(path, "frontier", arrays | {name: change(arrays[name])}, meta)
    with pytest.raises(rm.FormatError, match=r"found\.npz does not hold a consistent frontier"):
        rm.Frontier.load(path)


@pytest.mark.parametrize(
    "entries", [{"problem": 3}, {"status": "x"}, {"solutions": None}, {"solutions": [None] * 9}]
)
def test_wrong_entries_are_refused(found, entries, tmp_path):
    path = tmp_path / "found.npz"
    found.save(path)
    arrays, meta = array_files.read_arrays(path, "frontier")
    array_files.write_arrays(path, "frontier", arrays, meta | entries)
    with pytest.raises(rm.FormatError, match=r"found\.npz"):
        rm.Frontier.load(path)


def test_save_load_and_csv(found, tmp_path):
    found.save(tmp_path / "found.npz")
    again = rm.Frontier.load(tmp_path / "found.npz")
    assert again.summary() == found.summary()
    assert repr(again) == repr(found)
    for one, other in zip(again.policies, found.policies, strict=True):
        np.testing.assert_array_equal(one, other)
    found.to_csv(tmp_path / "found.csv")
    with open(tmp_path / "found.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["ceiling"]) for row in rows] == found.ceiling.tolist()
    assert {row["status"] for row in rows} == {"converged"}


def test_damaged_files_are_refused(found, tmp_path):
    path = tmp_path / "found.npz"
    path.write_bytes(b"not a frontier")
    with pytest.raises(rm.FormatError, match="damaged"):
        rm.Frontier.load(path)
    found.solutions[0].save(path)
    with pytest.raises(rm.FormatError, match="holds a solution, not a frontier"):
        rm.Frontier.load(path)


@pytest.mark.parametrize(
    ("temperatures", "message"),
    [
        (
            [1.0, 0.0],
            r"temperatures\[1\] must be .* above 0, not 0\.0; the optimum at temperature 0 is part",
        ),
        ([-1.0], r"temperatures\[0\] must be a finite number above 0, not"),
        ([np.nan], r"temperatures\[0\] must be a finite number above 0, not"),
        ([np.inf], r"temperatures\[0\] must be a finite number above 0, not"),
        ([0.1, 1.0, 0.1], "the temperature 0.1 is given 2 times"),
        (["hot"], r"temperatures\[0\] must be a finite number above 0, not 'hot'"),
        (0.1, "temperatures must be a sequence, not 0.1"),
    ],
)
def test_invalid_temperatures_are_refused(mdp, reference, temperatures, message):
    with pytest.raises(rm.SolverError, match=message):
        rm.frontier(mdp, reference, temperatures)


def test_invalid_references_are_refused(mdp, reference):
    empty = reference.copy()
    empty[3] = 0.0
    with pytest.raises(rm.PolicyError, match="the policy sums to 0 in state 3, not to 1"):
        rm.frontier(mdp, empty)
    with pytest.raises(rm.PolicyError, match="must have shape"):
        rm.frontier(mdp, reference[:, :2])
    with pytest.raises(rm.SolverError, match="tol must be a finite number above 0"):
        rm.frontier(mdp, reference, tol=0.0)


def test_invalid_divergences_and_gains_are_refused(found):
    with pytest.raises(rm.SolverError, match="0 or more"):
        found.upper(-1.0)
    with pytest.raises(rm.SolverError, match=r"divergence\[1\] is nan, not a number"):
        found.lower([0.0, np.nan])
    with pytest.raises(rm.SolverError, match="0 or more"):
        found.divergence_for(-0.1)
