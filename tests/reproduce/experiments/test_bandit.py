"""The bandit experiment: counts of an independent loop, and steps against iterates."""

from dataclasses import replace

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp.reproduce.experiments import bandit
from regmdp.reproduce.experiments.bandit import QUICK
from regmdp.reproduce.experiments.bandit_figures import compare_steps, compute_log_step
from regmdp.reproduce.experiments.bandit_runs import (
    METHODS,
    find_first_below,
    iterate_gradient_ascent,
    iterate_method,
    optimal_policy,
    run_at_temperature,
)


def silent(fraction, text):
    pass


def count(rewards, temperature, step_size, policy, tolerance, natural):
    """Iterations until |π - π*| is within the tolerance, in plain Python."""
    import math

    total = sum(math.exp(r / temperature) for r in rewards)
    best = [math.exp(r / temperature) / total for r in rewards]
    logits = [math.log(p) for p in policy]
    for iteration in range(10_000):
        weights = [math.exp(logit - max(logits)) for logit in logits]
        policy = [weight / sum(weights) for weight in weights]
        if max(abs(p - b) for p, b in zip(policy, best, strict=True)) <= tolerance:
            return iteration
        soft = [r - temperature * math.log(p) for r, p in zip(rewards, policy, strict=True)]
        value = sum(p * s for p, s in zip(policy, soft, strict=True))
        logits = [
            logit + step_size * (s - value) * (1.0 if natural else p)
            for logit, s, p in zip(logits, soft, policy, strict=True)
        ]  # fmt: skip
    return None


@pytest.mark.parametrize(
    ("temperature", "natural", "expected"), [(0.1, True, 755), (1.0, True, 82), (1.0, False, 353)]
)
def test_known_counts_equal_those_of_an_independent_loop(temperature, natural, expected):
    assert count((1.0, 0.9, 0.1), temperature, 0.1, (0.05, 0.05, 0.9), 1e-4, natural) == expected
    method = "natural policy gradient" if natural else "policy gradient"
    assert bandit.KNOWN_COUNTS[temperature, method] == expected


def test_policy_gradient_needs_more_than_two_hundred_thousand_iterations():
    policies = iterate_gradient_ascent(
        np.array([1.0, 0.9, 0.1]), 0.1, 0.1, np.array([0.05, 0.05, 0.9]), 200_000
    )
    errors = np.abs(policies - optimal_policy(np.array([1.0, 0.9, 0.1]), 0.1)).max(axis=1)
    assert find_first_below(errors, 1e-4) is None
    assert errors[-1] == pytest.approx(1.27e-4, rel=0.01)


def test_first_iteration_below_the_tolerance():
    assert find_first_below(np.array([3.0, 1.0, 2.0, 0.5]), 1.0) == 1
    assert find_first_below(np.array([3.0, 2.0]), 1.0) is None


@pytest.mark.parametrize("method", list(METHODS))
def test_flow_field_equals_the_steps_of_the_method(method):
    algorithm = {
        "policy gradient": rm.algorithms.SoftmaxPG,
        "natural policy gradient": rm.algorithms.NPG,
    }[method](QUICK.step_size)
    policies = iterate_method(QUICK, algorithm, 0.1, (0.2, 0.3, 0.5), 5)
    steps = np.diff(np.log(policies), axis=0)
    np.testing.assert_allclose(
        compute_log_step(method, QUICK, 0.1, policies[:-1]), steps, atol=1e-13
    )


def test_optimum_equals_that_of_the_library():
    solution = rm.solve(rm.models.bandit(), rm.Shannon(0.1), tol=1e-12)
    np.testing.assert_allclose(
        solution.policy[0], optimal_policy(np.array([1.0, 0.9, 0.1]), 0.1), atol=1e-9
    )


SMALL = replace(
    QUICK,
    temperatures=(1.0,),
    most_iterations=1000,
    natural_iterations=100,
    compared_iterations=10,
    trajectory_iterations=10,
)


def test_known_counts_are_compared_where_they_apply():
    known = bandit.run(SMALL, silent)
    assert all(check.passed for check in known.checks)
    assert [check.expected for check in known.checks[:2]] == ["353", "82"]
    assert known.notes == ()
    other = bandit.run(replace(SMALL, tolerance=1e-3), silent)
    assert not [check.claim for check in other.checks if "until" in check.claim]
    assert other.notes == (
        "2 of 2 numbers of iterations are not compared: no independent ones are known for these "
        "settings.",
    )
    assert "at τ" not in other.notes[0]
    short = bandit.run(replace(SMALL, natural_iterations=81, temperatures=(0.1, 1.0)), silent)
    compared = [check.expected for check in short.checks if "until" in check.claim]
    assert compared == ["more than 1,000", "353"]


def test_wrong_counts_are_detected(monkeypatch):
    monkeypatch.setitem(bandit.KNOWN_COUNTS, (1.0, "policy gradient"), 352)
    failed = [check.measured for check in bandit.run(SMALL, silent).checks if not check.passed]
    assert failed == ["353"]


@pytest.mark.parametrize("iterations", tiered([10, 60, 3000], 2))
def test_captions_count_the_trajectories_that_arrive(iterations):
    settings = replace(SMALL, temperatures=(0.1, 1.0), trajectory_iterations=iterations)
    found = bandit.run(settings, silent)
    flow = found.figures["flow"]
    for temperature, tag in ((0.1, "0-1"), (1.0, "1")):
        table, best = (
            found.tables[f"trajectories-{tag}"],
            optimal_policy(np.array([1.0, 0.9, 0.1]), temperature),
        )
        arrived, farthest = {}, {}
        for method in METHODS:
            here = (table["method"] == method) & (table["iteration"] == iterations)
            ends = np.stack([table[f"p{arm}"][here] for arm in (1, 2, 3)], axis=1)
            assert ends.shape == (5, 3)
            near = np.abs(np.log(ends) - np.log(best))[:, :2].max(axis=1) <= 0.1
            arrived[method] = {0: "none of 5", 5: "all 5"}.get(near.sum(), f"{near.sum()} of 5")
            farthest[method] = np.abs(ends - best).max()
        pg, npg = METHODS
        sentence = (
            f"At τ = {temperature:g}, {arrived[npg]} trajectories of {npg} and {arrived[pg]} "
            f"trajectories of {pg} reach the cross within {iterations:,} iterations."
        )
        assert sentence in flow.caption
        assert sentence in flow.alt
        assert (
            f"At τ = {temperature:g} the largest error of a probability is then "
            f"{farthest[pg]:.2g} with {pg} and {farthest[npg]:.2g} with {npg}."
        ) in found.figures["simplex"].caption


def test_the_text_of_the_curves_says_who_reaches_the_tolerance():
    alt = bandit.run(replace(SMALL, temperatures=(0.1, 1.0)), silent).figures["curves"].alt
    assert "policy gradient is still above the tolerance at its end, after 1,000 iterations" in alt
    assert "natural policy gradient reaches the tolerance after 82 iterations" in alt
    assert "policy gradient reaches the tolerance after 353 iterations" in alt


def test_lengths_of_steps_are_compared_on_the_plane():
    run = run_at_temperature(replace(SMALL, trajectory_iterations=1), 1.0)
    ratio = compare_steps(SMALL, [run])
    corner = np.array([[np.exp(-5.2), np.exp(-5.2), 1.0 - 2.0 * np.exp(-5.2)]])
    slow, fast = (
        np.linalg.norm(compute_log_step(method, SMALL, 1.0, corner)[..., :2]) for method in METHODS
    )
    assert slow / fast <= ratio.corner < 1.0
    assert 0.0 < ratio.smallest < ratio.corner


def test_an_optimum_outside_of_the_frame_is_mentioned():
    settings = replace(SMALL, temperatures=(0.01, 1.0), trajectory_iterations=5)
    caption = bandit.run(settings, silent).figures["flow"].caption
    assert caption.count("outside of the frame") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step_size": 1.1}, "step_size must be at most 1/τ = 1, the largest of natural policy"),
        ({"start": (0.5, 0.5, 0.1)}, "must sum to 1; those of 0.5,0.5,0.1 sum to 1.1"),
        ({"other_starts": ((0.5, 0.3, 0.1),)}, "must sum to 1; those of 0.5,0.3,0.1 sum to 0.9"),
        ({"temperatures": (0.001, 1.0)}, "the rewards differ by 0.9, which must be at most 500"),
        ({"step_size": 1.0, "rewards": (20.0, 0.0, 0.0)}, "at most 10/step_size"),
        ({"compared_iterations": 1001}, "must be at most most_iterations, 1,000, not 1,001"),
        ({"temperatures": (0.1, 0.10000001)}, "must differ in their first six digits"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(rm.RegmdpError, match=message):
        replace(SMALL, **changes)


def test_tables_contain_the_drawn_data():
    result = bandit.run(SMALL, silent)
    errors = result.tables["errors-1"]
    assert errors["iteration"][0] == 0
    assert errors["iteration"][-1] == 1000
    assert errors["natural_policy_gradient"][0] == errors["policy_gradient"][0]
    assert np.isnan(errors["natural_policy_gradient"][-1])
    paths = result.tables["trajectories-1"]
    np.testing.assert_allclose(paths["p1"] + paths["p2"] + paths["p3"], 1.0)
