"""GPMD and PMD: errors compared with dense loops with bisection."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp.reproduce.experiments import gpmd, gpmd_figures, gpmd_runs
from regmdp.reproduce.experiments.gpmd_runs import GPMDTask, Settings

TINY = Settings(
    states=12,
    actions=8,
    successors=3,
    discount=0.9,
    temperature=0.01,
    capped=3,
    cap=0.2,
    step_sizes=(0.3, 3.0),
    iterations=80,
    runs=2,
    recorded=20,
    marks=(40, 79),
    seed=0,
)


def silent(fraction, text):
    pass


def bisect(excess, low, high):
    """Where a decreasing function of (S,) arguments crosses 0."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (
            np.where(excess(middle) > 0, middle, low),
            np.where(excess(middle) > 0, high, middle),
        )
    return 0.5 * (low + high)


class Quadratic:
    """h = Σ p² - 1."""

    def __init__(self, mask, cap):
        pass

    def value(self, p):
        return (p**2).sum(axis=1) - 1.0

    def slope(self, p):
        return 2.0 * p

    def greedy(self, y):
        def p(shift):
            return np.maximum(y - shift[:, None], 0.0) / 2.0

        return p(
            bisect(lambda shift: p(shift).sum(axis=1) - 1.0, y.max(axis=1) - 2.0, y.max(axis=1))
        )

    def highest(self, shape):
        return np.zeros(shape)


class Barrier:
    """h = -Σ log(b - p_a) over the capped actions."""

    def __init__(self, mask, cap):
        self.mask, self.cap = mask, cap

    def value(self, p):
        return -np.where(self.mask, np.log(np.where(self.mask, self.cap - p, 1.0)), 0.0).sum(axis=1)

    def slope(self, p):
        return np.where(self.mask, 1.0 / np.where(self.mask, self.cap - p, 1.0), 0.0)

    def greedy(self, y):
        # at most one action of a state is capped: it gets what pays against the best of the others
        others = np.where(self.mask, -np.inf, y)
        p = np.zeros(y.shape)
        for s, best in enumerate(others.argmax(axis=1)):
            for a in np.flatnonzero(self.mask[s]):
                ahead = y[s, a] - y[s, best]
                p[s, a] = max(self.cap - 1.0 / ahead, 0.0) if ahead > 0 else 0.0
            p[s, best] = 1.0 - p[s].sum()
        return p

    def highest(self, shape):
        return np.where(self.mask, np.log(self.cap), 0.0)


class LogarithmicBarrier:
    """h = -Σ log p_a."""

    def __init__(self, mask, cap):
        pass

    def value(self, p):
        return -np.log(p).sum(axis=1)

    def slope(self, p):
        return -1.0 / np.maximum(p, 1e-300)

    def greedy(self, y):
        def p(shift):
            return 1.0 / (shift[:, None] - y)

        # at the best action p is at most 1 and at least 1/A
        top, n_actions = y.max(axis=1), y.shape[1]
        return p(
            bisect(
                lambda shift: p(top + shift).sum(axis=1) - 1.0, 1.0 + 0 * top, n_actions + 0 * top
            )
            + top
        )

    def highest(self, shape):
        return np.zeros(shape)


def proximal(h, z, weight):
    """log p of argmax ⟨z, p⟩ - weight h(p) - Σ p log p, by bisection in log p inside a bisection in
    the multiplier.
    """

    def log_p(shift):
        target = z - shift[:, None]
        low, high = np.full(z.shape, -800.0), h.highest(z.shape)
        for _ in range(55):
            middle = 0.5 * (low + high)
            over = middle + weight * h.slope(np.exp(middle) * (1.0 - 1e-15)) > target
            low, high = np.where(over, low, middle), np.where(over, middle, high)
        return low

    top = z.max(axis=1)
    return log_p(
        bisect(lambda shift: np.exp(log_p(shift)).sum(axis=1) - 1.0, top - 200.0, top + 10.0)
    )


def loop(task):
    """‖Q* - Q_k‖ after 0, 1, 2 … iterations."""
    settings = task.settings
    mdp, regularizer = gpmd_runs.make_problem(task.regularizer, task.number, settings)
    P, r, gamma, tau, step = (
        mdp.to_array(),
        np.asarray(mdp.rewards),
        mdp.discount,
        settings.temperature,
        task.step,
    )
    h = {"tsallis": Quadratic, "barrier": Barrier, "log-barrier": LogarithmicBarrier}[
        task.regularizer
    ](getattr(regularizer, "mask", None), settings.cap)

    def action_values(policy):
        chain = np.einsum("sa,sat->st", policy, P)
        value = np.linalg.solve(
            np.eye(len(r)) - gamma * chain, (policy * r).sum(axis=1) - tau * h.value(policy)
        )
        return r + gamma * P @ value

    policy = np.full(r.shape, 1.0 / r.shape[1])
    best = action_values(policy)
    for _ in range(100):
        best = action_values(h.greedy(best / tau))
    dual, logarithm = h.slope(policy), np.log(policy)
    for _ in range(settings.iterations + 1):
        q = action_values(policy)
        yield np.abs(best - q).max()
        if task.method == "GPMD":
            dual = (dual + step * q) / (1.0 + step * tau)
            policy = h.greedy(dual)
        else:
            logarithm = proximal(h, logarithm + step * q, step * tau)
            policy = np.exp(logarithm) / np.exp(logarithm).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("regularizer", gpmd_runs.REGULARIZERS)
@pytest.mark.parametrize(("method", "iterations"), [("GPMD", 80), ("PMD", 8)])
def test_errors_equal_those_of_plain_loops(regularizer, method, iterations):
    settings = replace(TINY, iterations=iterations, marks=(1,))
    task = GPMDTask(regularizer, method, 3.0, 1, settings)
    expected = np.array(list(loop(task)))[gpmd_runs.recorded_iterations(settings)]
    np.testing.assert_allclose(gpmd_runs.compute_errors(task), expected, rtol=1e-6, atol=1e-9)


def test_the_model():
    mdp, regularizer = gpmd_runs.make_problem("tsallis", 0, TINY)
    rows = mdp.to_array()
    assert np.all(np.sort(rows, axis=2)[:, :, -3:] == 1.0 / 3.0)
    assert np.all(np.count_nonzero(rows, axis=2) == 3)
    assert np.all((mdp.rewards >= 0.0) & (mdp.rewards <= 1.0))
    assert mdp.discount == 0.9
    # Σp² - 1
    np.testing.assert_allclose(
        regularizer.value(np.array([[0.5, 0.5], [1.0, 0.0]])), [-0.5, 0.0], atol=1e-15
    )
    assert regularizer.temperature == 0.01


def test_rewards_are_products_of_uniform_numbers():
    # E[U_sa U_s] = 1/4, and given the state the mean over the actions is U_s/2
    mdp, _ = gpmd_runs.make_problem(
        "tsallis", 0, replace(TINY, states=400, actions=50, successors=2)
    )
    assert abs(mdp.rewards.mean() - 0.25) < 0.03
    of_state = 2.0 * mdp.rewards.mean(axis=1)
    assert abs(of_state.std() - np.sqrt(1.0 / 12.0)) < 0.04


def test_the_capped_pairs_are_best_without_a_regularizer():
    mdp, regularizer = gpmd_runs.make_problem("barrier", 0, TINY)
    states, actions = np.nonzero(regularizer.mask)
    assert states.size == np.unique(states).size == 3
    value = np.zeros(mdp.n_states)
    for _ in range(1000):
        q = mdp.rewards + mdp.discount * mdp.to_array() @ value
        value = q.max(axis=1)
    np.testing.assert_array_equal(actions, q.argmax(axis=1)[states])
    assert regularizer.cap == 0.2


def test_models_depend_on_the_run_but_not_on_the_regularizer():
    (one, _), (same, _), (other, _) = (
        gpmd_runs.make_problem(*args, TINY)
        for args in (("tsallis", 0), ("barrier", 0), ("tsallis", 1))
    )
    assert one.digest == same.digest != other.digest


def test_the_recorded_iterations():
    recorded = gpmd_runs.recorded_iterations(TINY)
    assert recorded[0] == 0
    assert recorded[-1] == 80
    assert np.all(np.diff(recorded) > 0)
    assert np.isin(TINY.marks, recorded).all()


@pytest.fixture(scope="module")
def result():
    return gpmd.run(TINY, silent)


@pytest.mark.slow
def test_a_small_run(result):
    assert [check.claim for check in result.checks if not check.passed] == []
    assert len(result.checks) == 6
    assert len(result.notes) == 1
    table = result.tables["errors"]
    assert table["error"].size == 3 * 2 * 2 * 2 * gpmd_runs.recorded_iterations(TINY).size
    first = table["error"][table["iteration"] == 0].reshape(3, 2, 2, 2)
    # regularizer, method, step, run: the start depends on the regularizer and the run only
    np.testing.assert_allclose(first, np.broadcast_to(first[:, :1, :1], first.shape), rtol=1e-12)


@pytest.mark.slow
def test_the_figure_can_be_drawn(result):
    from regmdp import plots

    with plots.style():
        drawn = result.figures["gpmd-and-pmd"].draw()
        assert plots.to_svg(drawn).startswith("<svg")
    assert len(drawn.axes) == 6


FASTER = {"tsallis": "GPMD", "barrier": "GPMD", "log-barrier": "PMD"}
RATES = {
    (h, step): {method: 0.9 if method == FASTER[h] else 0.95 for method in gpmd_runs.METHODS}
    for h in gpmd_runs.REGULARIZERS for step in TINY.step_sizes
}  # fmt: skip


def made(factor):
    """Errors that fall like 1/k, those of the slower method multiplied by a factor."""
    curve = 1.0 / (1.0 + gpmd_runs.recorded_iterations(TINY))
    return {
        (h, method, step): np.stack([curve, curve]) * (1.0 if method == FASTER[h] else factor)
        for h in gpmd_runs.REGULARIZERS for method in gpmd_runs.METHODS for step in TINY.step_sizes
    }  # fmt: skip


def test_a_smaller_error_of_the_slower_method_is_detected():
    assert all(check.passed for check in gpmd._make_checks(made(2.0), TINY, (), RATES))
    by_cell = made(2.0)
    by_cell[("barrier", "PMD", 0.3)][1] *= 0.1
    by_cell[("log-barrier", "GPMD", 3.0)][0] *= 0.4
    failed = [check for check in gpmd._make_checks(by_cell, TINY, (), RATES) if not check.passed]
    assert [check.claim for check in failed] == [
        "GPMD, which is faster near the optimum, has a smaller error than PMD in every run: "
        "barrier below caps, η = 0.3, iterations 40, 79",
        "PMD, which is faster near the optimum, has a smaller error than GPMD in every run: "
        "barrier at 0, η = 3, iterations 40, 79",
    ]
    assert failed[0].measured == "PMD's error is 0.2 to 2 times GPMD's"
    assert failed[0].expected.endswith("errors shrink by 0.900000 in GPMD, by 0.950000 in PMD")


def test_the_predicted_order_depends_on_the_regularizer():
    rates = gpmd_runs.predict_rates(TINY)
    assert rates.keys() == RATES.keys()
    for h, step in rates:
        fast, slow = gpmd_runs.find_faster(rates, h, step)
        assert {fast, slow} == {"GPMD", "PMD"}
        assert fast == FASTER[h]
        assert rates[(h, step)][fast] < rates[(h, step)][slow] < 1.0
        if h != "barrier":  # all states have the same α then, and some are not at a corner
            assert rates[(h, step)]["GPMD"] == pytest.approx((1.0 + 0.01 * step) ** -2)


def test_errors_that_differ_from_known_ones_are_detected():
    known = (
        ("tsallis", "GPMD", 40, 1.5 / 41.0),
        ("tsallis", "GPMD", 79, 0.6 / 80.0),
        ("barrier", "PMD", 40, 1.0),
    )
    checks = gpmd._make_checks(made(2.0), TINY, known, RATES)
    assert [check.passed for check in checks[6:]] == [True, False]


def test_the_start_is_feasible_for_the_barrier():
    mdp, regularizer = gpmd_runs.make_problem("barrier", 0, TINY)
    assert np.isfinite(rm.evaluate(mdp, np.full((12, 8), 1.0 / 8.0), regularizer).value).all()


def test_captions_say_in_how_many_panels_which_method_is_below():
    figure = gpmd_figures.make_figure(made(2.0), TINY)
    order = (
        "GPMD is below PMD from the first iteration on in all 2 panels of the first row and in all "
        "2 panels of the second, and PMD is below GPMD in all 2 panels of the third."
    )
    assert figure.caption.endswith(order)
    assert figure.alt.endswith(order)
    assert "below b = 0.2; the logarithmic barrier −Σ log p" in figure.caption
    by_cell = made(2.0)
    by_cell[("barrier", "PMD", 0.3)][:, -1] = 1e-3
    by_cell[("tsallis", "GPMD", 0.3)][:, -1] = 1e-11
    by_cell[("tsallis", "PMD", 0.3)][:, -1] = 1e-12
    by_cell[("log-barrier", "PMD", 0.3)][:, 1] = 1e3
    by_cell[("log-barrier", "PMD", 3.0)][:, 1] = 1e3
    caption = gpmd_figures.make_figure(by_cell, TINY).caption
    assert caption.endswith("of the third. Errors below 1e-09 are drawn at 1e-09.")
    assert gpmd_figures.count_panels_below(by_cell, "tsallis", "GPMD") == (2, 2)
    assert gpmd_figures.count_panels_below(by_cell, "barrier", "GPMD") == (1, 2)
    assert gpmd_figures.count_panels_below(by_cell, "log-barrier", "PMD") == (0, 2)
    assert gpmd_figures.count_panels_below(made(0.5), "barrier", "PMD") == (2, 2)


def test_known_errors_are_compared_with_the_full_settings_only():
    assert gpmd.choose_known(replace(gpmd.FULL, seed=7)) == gpmd.KNOWN
    assert gpmd.choose_known(gpmd.QUICK) == ()
    assert gpmd.choose_known(replace(gpmd.FULL, temperature=0.002)) == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"successors": 13}, "successors and capped must be at most the 12 states, not 13 and 3"),
        ({"capped": 13}, "successors and capped must be at most the 12 states, not 3 and 13"),
        ({"cap": 0.125}, "cap must be above 1/actions = 0.125"),
        ({"states": 2000, "actions": 26}, "states² times actions must be at most 10⁸"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(rm.RegmdpError, match=message):
        replace(TINY, **changes)


def test_marks_beyond_the_last_iteration_are_left_out():
    assert replace(TINY, iterations=50).compared == (40,)
    assert replace(TINY, iterations=5).compared == (5,)
