"""Iterations to an accuracy: compared with independent loops."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp.reproduce.experiments import scaling
from regmdp.reproduce.experiments import scaling_runs as runs
from regmdp.reproduce.experiments.scaling_runs import METHODS, Count, Settings

TINY = Settings(
    states=(4, 24),
    actions=(2, 12),
    horizons=(2, 10),
    base=(6, 3, 5),
    models=2,
    branching=3,
    temperature=0.05,
    accuracy=0.02,
    acceleration=4000.0,
    divisors=(4,),
    cap=2000,
    seed=0,
)


def softmax(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def evaluate(mdp, policy, tau):
    """V and Q of a policy by one linear solve, and the visits from a uniform start."""
    P, r, gamma = mdp.to_array(), np.asarray(mdp.rewards), mdp.discount
    n = len(r)
    system = np.eye(n) - gamma * np.einsum("sa,sat->st", policy, P)
    value = np.linalg.solve(system, (policy * (r - tau * np.log(policy))).sum(axis=1))
    return value, r + gamma * P @ value, np.linalg.solve(system.T, np.full(n, 1.0 / n))


def best_value(mdp, tau):
    value = np.zeros(mdp.n_states)
    for _ in range(3000):
        q = mdp.rewards + mdp.discount * mdp.to_array() @ value
        top = q.max(axis=1)
        value = (
            top if tau == 0 else top + tau * np.log(np.exp((q - top[:, None]) / tau).sum(axis=1))
        )
    return value


def iterations(mdp, method, step, accuracy, temperature):
    """Iterations of a method until V*(ρ) - V(ρ) ≤ ε, ρ uniform."""
    tau = temperature if method.startswith("entropy") else 0.0
    goal = best_value(mdp, tau).mean() - accuracy / (1.0 - mdp.discount)
    logits = np.zeros((mdp.n_states, mdp.n_actions))
    for k in range(10_000):
        policy = softmax(logits)
        value, q, visits = evaluate(mdp, policy, tau)
        if value.mean() >= goal:
            return k
        advantage = q - tau * np.log(policy) - value[:, None]
        if method.endswith("NPG"):
            logits = (1.0 - step * tau / (1.0 - mdp.discount)) * np.log(policy) + step * q / (
                1.0 - mdp.discount
            )
        else:
            logits = logits + step * visits[:, None] * policy * advantage
    raise AssertionError("too many iterations")


@pytest.mark.parametrize("shape", [(6, 3, 5), (4, 5, 10)])
def test_counts_equal_those_of_plain_loops(shape):
    mdp = runs.make_random_model(shape, 1, TINY)
    cell = runs.run_all_methods(runs.ModelTask(shape, 1, TINY))
    for method, one in zip(METHODS, cell.counts, strict=True):
        assert one.iterations == iterations(
            mdp, method, one.step, TINY.accuracy, TINY.temperature
        ), method
        assert one.ascending
        assert not one.capped


def test_the_steps():
    mdp = runs.make_random_model((6, 3, 5), 0, TINY)
    cell = runs.run_all_methods(runs.ModelTask((6, 3, 5), 0, TINY))
    # rewards are in [0, 1], so their range is at most 1, and the step of policy gradient at least
    # (1-γ)³/8 and not much more
    assert 1.0 <= cell.counts[0].step / (TINY.acceleration * 0.2**3 / 8) <= 2.0
    assert cell.counts[1].step < cell.counts[0].step
    np.testing.assert_allclose([one.step for one in cell.counts[2:]], 0.2**2 * np.log(3))
    # 2/((1-γ)²ε), with ε = accuracy/(1-γ), for rewards of range 1 and a deterministic optimal
    # policy
    assert 0.8 * cell.guaranteed <= 2.0 / (0.2 * TINY.accuracy) <= 1.2 * cell.guaranteed
    np.testing.assert_allclose(mdp.initial, 1.0 / 6.0)


def test_run_that_reaches_the_cap():
    mdp = runs.make_random_model((6, 3, 5), 0, TINY)
    step = runs.natural_step(mdp)
    one = runs.count_iterations(mdp, rm.Unregularized(), rm.algorithms.NPG(step), step, 3, TINY)
    assert one == Count(step, 3, True, True)


def test_models_are_reproducible_and_different():
    one, same, other = (runs.make_random_model((6, 3, 5), number, TINY) for number in (0, 0, 1))
    assert one.digest == same.digest != other.digest
    assert one.transitions.storage == "dense"
    assert one.rewards.min() >= 0.0
    assert one.rewards.max() <= 1.0


@pytest.fixture(scope="module")
def result():
    return scaling.run(TINY, lambda fraction, text: None)


@pytest.mark.slow
def test_a_small_run(result):
    assert [check.claim for check in result.checks if not check.passed] == []
    table = result.tables["scaling"]
    # three sweeps of two sizes
    assert table["iterations"].size == 3 * 2 * TINY.models * len(METHODS)
    assert result.tables["smaller-steps"]["iterations"].size == 2
    assert result.tables["smaller-steps"]["step"][0] < result.tables["smaller-steps"]["step"][1]


@pytest.mark.slow
def test_the_figure_can_be_drawn(result):
    from regmdp import plots

    with plots.style():
        drawn = result.figures["scaling"].draw()
        assert plots.to_svg(drawn).startswith("<svg")
    assert len(drawn.axes) == 3


@pytest.mark.slow
def test_growth_is_detected(result):
    table = {name: column.copy() for name, column in result.tables["scaling"].items()}
    natural = (table["method"] == "NPG") & (table["grows"] == "states")
    table["iterations"][natural] *= table["states"][natural]
    failed = [check.claim for check in failing(table, result)]
    assert "NPG does not slow down with more states" in failed
    table = {name: column.copy() for name, column in result.tables["scaling"].items()}
    table["iterations"][table["method"] == "PG"] = 100
    failed = [check.claim for check in failing(table, result)]
    assert len(failed) == 3
    assert all(claim.startswith("PG slows down") for claim in failed)


def failing(table, result):
    counted = [runs.Cell((Count(1.0, 1, False, True),) * len(METHODS), 1)]
    return [
        check
        for check in scaling._make_checks(table, result.tables["smaller-steps"], counted)
        if not check.passed
    ]


def test_capped_runs_are_reported():
    capped = scaling.run(replace(TINY, cap=5, models=1, divisors=()), lambda fraction, text: None)
    table = capped.tables["scaling"]
    assert np.all(table["iterations"][table["capped"]] == 5)
    assert table["capped"].any()
    assert (
        f"{np.count_nonzero(table['capped'])} runs were stopped at 5 iterations"
        in capped.figures["scaling"].caption
    )
    natural = np.count_nonzero(table["capped"] & (table["method"] == "NPG"))
    assert f"{natural} runs of NPG reached the cap" in " ".join(capped.notes)
    assert any("with several step sizes are not compared" in note for note in capped.notes)
    assert "Circled: medians that are stopped runs." in capped.figures["scaling"].caption
    assert [check.claim for check in capped.checks if not check.passed] == []
    assert any("is not checked where runs reached the cap" in note for note in capped.notes)


def make_table(median):
    """A table with one model per shape, whose iterations are given by method and size."""
    rows = [
        (sweep, *shape, number, method, 1.0, median(method, shape), False, 10**6)
        for sweep, shapes in runs.shapes_of_sweeps(TINY).items()
        for shape in shapes
        for number in range(2)
        for method in METHODS
    ]
    names = ("grows", "states", "actions", "horizon", "model", "method", "step", "iterations")
    columns = map(np.array, zip(*rows, strict=True))
    return dict(zip((*names, "capped", "guaranteed_of_npg"), columns, strict=True))


STEPS = {
    "step": np.array([1.0, 4.0]),
    "iterations": np.array([400, 100]),
    "capped": np.array([False, False]),
}


def test_texts_give_the_growth_of_the_medians():
    table = make_table(
        lambda method, shape: (
            10 * np.prod(shape) if method.endswith("PG") and "N" not in method else 7
        )
    )
    caption = scaling.figures.make_caption(table, TINY)
    for text in (caption, scaling.figures.make_alt(table)):
        assert "PG: 6, 6, 5; entropy PG: 6, 6, 5; NPG: 1, 1, 1; entropy NPG: 1, 1, 1." in text
    assert "No run was stopped early." in caption
    assert "Circled" not in caption
    largest = table["capped"].copy()
    largest[(table["states"] == 24) & (table["method"] == "PG")] = True
    table["capped"] = largest
    assert "PG: at least 6, 6, 5;" in scaling.figures.make_caption(table, TINY)


def test_checks_are_left_out_where_runs_were_stopped():
    table = make_table(
        lambda method, shape: (
            10 * np.prod(shape) if method.endswith("PG") and "N" not in method else 7
        )
    )
    counted = [runs.Cell((Count(1.0, 1, False, True),) * len(METHODS), 1)]
    claims = [check.claim for check in scaling._make_checks(table, STEPS, counted)]
    assert len(claims) == 13
    assert scaling._make_notes(table, STEPS) == ()
    table["capped"] = (table["states"] == 24) & (table["method"] == "NPG")
    left = [check.claim for check in scaling._make_checks(table, STEPS, counted)]
    assert set(claims) - set(left) == {"NPG does not slow down with more states"}
    notes = scaling._make_notes(table, STEPS)
    assert notes[0].endswith(": NPG (states S).")
    assert notes[1].startswith("2 runs of NPG reached the cap")
    table = make_table(lambda method, shape: 7)
    table["capped"] = (table["states"] == 24) & (table["method"] == "PG")
    assert "PG: at least 1, 1, 1;" in scaling.figures.make_alt(table)
    assert not any(
        "states S" in one.claim
        for one in scaling._make_checks(table, STEPS, counted)
        if one.claim.startswith("PG")
    )
    table["capped"] = (table["states"] == 4) & (table["method"] == "PG")
    assert "PG: unknown, 1, 1;" in scaling.figures.make_alt(table)


def test_models_that_need_no_iterations_show_no_growth():
    table = make_table(lambda method, shape: 0)
    counted = [runs.Cell((Count(1.0, 0, False, True),) * len(METHODS), 1)]
    checks = scaling._make_checks(table, STEPS, counted)
    assert [check.claim for check in checks if not check.passed] == []
    assert not any(check.claim.startswith("PG slows down") for check in checks)
    assert "entropy PG (horizon 1/(1−γ))." in scaling._make_notes(table, STEPS)[0]


def test_runs_with_several_step_sizes_are_compared_if_they_are_long_enough():
    table = make_table(lambda method, shape: 7)
    counted = [runs.Cell((Count(1.0, 1, False, True),) * len(METHODS), 1)]

    def find_check(steps):
        claim = "The iterations of PG are inversely proportional to its step size"
        return [
            one.passed for one in scaling._make_checks(table, steps, counted) if one.claim == claim
        ]

    assert find_check(STEPS) == [True]
    assert find_check(STEPS | {"iterations": np.array([400, 110])}) == [False]
    for left_out in (
        {"iterations": np.array([40, 10])},
        {"capped": np.array([True, False])},
        {name: column[:1] for name, column in STEPS.items()},
    ):
        assert find_check(STEPS | left_out) == []
        assert "with several step sizes are not compared" in " ".join(
            scaling._make_notes(table, STEPS | left_out)
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"states": (4, 2000), "base": (6, 30, 5)}, "must be at most 10⁸, not 1.2e"),
        ({"temperature": 2.0}, "temperature must be at most 1.82, not 2"),
        ({"states": (4,)}, "states must have between 2 and 20 entries, not 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(rm.RegmdpError, match=message):
        replace(TINY, **changes)
