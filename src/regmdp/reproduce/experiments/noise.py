"""Error floors of entropy-regularized natural policy gradient with inexact values."""

from __future__ import annotations

import math

import numpy as np

from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments import noise_figures as figures
from regmdp.reproduce.experiments import noise_texts as texts
from regmdp.reproduce.experiments.noise_fits import (
    fit_arms_exponent,
    fit_delta_exponent,
    fit_delta_exponents,
    fit_exponent,
    floors_by_step,
)
from regmdp.reproduce.experiments.noise_runs import (
    ARMS,
    GARNET,
    KINDS,
    Floors,
    NoiseTask,
    NoiseTrack,
    Settings,
    compute_floors,
    count_iterations,
    run_task,
)
from regmdp.reproduce.parallel import map_in_processes

__all__ = ["EXPERIMENT", "run"]

FULL = Settings(
    shape=(20, 5, 10),
    branching=4,
    models=3,
    runs=2,
    temperature=0.01,
    deltas=(3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0),
    shares=(1.0, 0.3, 0.1),
    delta=1e-2,
    swept=(1.0, 0.3, 0.1, 0.03, 0.02),
    length=30.0,
    least=100,
    seed=0,
)
QUICK = Settings(
    shape=(8, 3, 5),
    branching=3,
    models=2,
    runs=3,
    temperature=0.01,
    deltas=(3e-4, 3e-3, 3e-2, 3e-1),
    shares=(1.0, 0.3),
    delta=3e-3,
    swept=(1.0, 0.3, 0.1),
    length=24.0,
    least=40,
    seed=0,
)


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run natural policy gradient with errors of all kinds and sizes, and with all step sizes."""
    tasks = make_tasks(settings)
    tracks = map_in_processes(run_task, tasks, progress, _describe_task)
    floors = compute_floors(tracks)
    return Result(
        {
            "floors": _make_floor_table(floors, tracks),
            "errors": _make_error_table(tracks, settings),
        },
        {
            "floor-against-error": FigureSpec(
                lambda: figures.draw_floors_by_error(floors, settings),
                *texts.describe_floors_by_error(floors, settings),
            ),
            "floor-against-step": FigureSpec(
                lambda: figures.draw_floors_by_step(floors, tracks, settings),
                *texts.describe_floors_by_step(floors, settings),
            ),
        },
        _make_numbers(floors, settings),
        (
            *_check_bounds(tracks),
            *_check_steps(floors, settings),
            *_check_exponents(floors, settings),
        ),
        _make_notes(floors, settings),
    )


def _make_notes(floors: Floors, settings: Settings) -> tuple[str, ...]:
    """Return the exponents for which these settings have too few errors."""
    notes = []
    if not fit_delta_exponents(floors, settings).q:
        notes.append(
            "The powers of δ are not checked for δ below τ/2: fewer than two of deltas are."
        )
    if math.isnan(fit_arms_exponent(floors, settings)):
        notes.append(
            "The power of δ on two arms is not checked for δ of 3τ and more: fewer than two of "
            "deltas are."
        )
    return tuple(notes)


def make_tasks(settings: Settings) -> list[NoiseTask]:
    """Return the tasks, long ones first."""
    pairs = {(delta, share) for delta in settings.deltas for share in settings.shares}
    pairs |= {(settings.delta, share) for share in settings.swept}
    tasks = [
        NoiseTask(GARNET, kind, delta, share, number, settings)
        for delta, share in pairs
        for kind in KINDS
        for number in range(settings.models)
    ]
    tasks += [
        NoiseTask(ARMS, "adversarial", delta, settings.shares[0], 0, settings)
        for delta in settings.deltas
    ]
    return sorted(tasks, key=lambda task: (-count_iterations(task.share, settings), task[:-1]))


def _describe_task(task: NoiseTask) -> str:
    return (
        f"{task.problem}, {task.kind} errors of {task.delta:g}, {task.share:g} of the largest step"
    )


def exact_arms_floor(delta: float, discount: float, temperature: float) -> float:
    """Return the floor of Q on two arms, whose probabilities the adversary exchanges."""
    return discount / (1.0 - discount) * delta * math.tanh(0.5 * delta / temperature)


def _make_floor_table(floors: Floors, tracks: list[NoiseTrack]) -> dict[str, np.ndarray]:
    rows = []
    for key, one in sorted(floors.items()):
        earlier, improved = next(
            (t.earlier_floor, t.improved_floor) for t in tracks if t.task[:4] == key
        )
        rows += [
            (*key, number, q, log_policy, earlier, improved)
            for number, (q, log_policy) in enumerate(zip(one["q"], one["log_policy"], strict=True))
        ]
    names = (
        "problem",
        "kind",
        "delta",
        "share_of_largest_step",
        "run",
        "q_error",
        "tempered_log_policy_error",
    )
    columns = map(np.array, zip(*rows, strict=True))
    return dict(zip((*names, "earlier_bound", "improved_bound"), columns, strict=True))


def _make_error_table(tracks: list[NoiseTrack], settings: Settings) -> dict[str, np.ndarray]:
    """Return the drawn errors: those of the first run on the first model."""
    drawn = [figures.select_drawn_track(tracks, share, settings) for share in settings.swept]
    t = [np.arange(one.errors["q"].shape[0]) for one in drawn]
    return {
        "share_of_largest_step": np.concatenate(
            [np.full(n.size, one.task.share) for one, n in zip(drawn, t, strict=True)]
        ),
        "iteration": np.concatenate(t),
        "q_error": np.concatenate([one.errors["q"][:, 0] for one in drawn]),
        "earlier_bound": np.concatenate([one.earlier for one in drawn]),
        "improved_bound": np.concatenate([one.improved for one in drawn]),
    }


def _make_numbers(floors: Floors, settings: Settings) -> tuple[Number, ...]:
    numbers = []
    for kind in KINDS:
        for share in settings.shares:
            key = (GARNET, kind, share)
            q, log_policy = (
                fit_delta_exponent(floors, name, key, 0.0, 0.5 * settings.temperature)
                for name in ("q", "log_policy")
            )
            if not math.isnan(q + log_policy):
                numbers.append(
                    Number(
                        f"{kind} errors below τ/2, {share:g} of the largest step: floor of Q, and "
                        "of log π",
                        f"∝ δ^{{{q:.2f}}}, and δ^{{{log_policy:.2f}}}",
                        "∝ δ², and δ",
                    )
                )
    for kind in KINDS:
        floor = floors_by_step(floors, kind, settings)
        numbers.append(
            Number(
                f"{kind} errors of {settings.delta:g}: floor of Q from the largest step to "
                f"{settings.swept[-1]:g} of it",
                ", ".join(f"{one:.2g}" for one in floor),
            )
        )
    arms = fit_arms_exponent(floors, settings)
    if not math.isnan(arms):
        numbers.append(
            Number(
                "two arms, errors of 3τ and more: floor of Q",
                f"∝ δ^{{{arms:.2f}}}",
                "∝ δ",
            )
        )
    return tuple(numbers)


def _check_bounds(tracks: list[NoiseTrack]) -> list[Check]:
    total = sum(one.errors["q"][1:].size for one in tracks)
    checks = []
    for name in ("earlier", "improved"):
        shares = [one.errors["q"][1:] / getattr(one, name)[1:, None] for one in tracks]
        above = sum(int(np.count_nonzero(share > 1.0)) for share in shares)
        checks.append(
            Check(
                f"The {name} bound holds in every run, at every iteration from the first",
                f"the error is above it in {above} of {total:,} iterations; it is at most "
                f"{max(s.max() for s in shares):.2g} of it",
                "in none",
                above == 0,
            )
        )
        late = [one.late("q") / getattr(one, f"{name}_floor") for one in tracks]
        above, count = (
            sum(int(np.count_nonzero(share > 1.0)) for share in late),
            sum(share.size for share in late),
        )
        checks.append(
            Check(
                f"In the second half of every run the error is below the floor of the {name} bound",
                f"above in {above} of {count:,} iterations; at most "
                f"{max(s.max() for s in late):.2g} of it",
                "in none",
                above == 0,
            )
        )
    return checks


def _check_steps(floors: Floors, settings: Settings) -> list[Check]:
    first, last = settings.swept[0], settings.swept[-1]
    discount = 1.0 - 1.0 / settings.shape[2]
    growth = (1.0 + discount / ((1.0 - discount) * last)) / (
        1.0 + discount / ((1.0 - discount) * first)
    )
    checks = []
    for kind in KINDS:
        floor = floors_by_step(floors, kind, settings)
        checks.append(
            Check(
                f"With {kind} errors the floor does not grow as the step size shrinks",
                f"{floor[-1] / floor[0]:.2g} times as high with {last:g} of the largest step as "
                f"with {first:g}",
                f"at most 1.5 times; the earlier bound grows {growth:.0f}-fold",
                bool(floor[-1] <= 1.5 * floor[0]),
            )
        )
    # the variance of an average of independent numbers with weights s(1-s)^k
    variance = [share / (2.0 - share) for share in settings.swept]
    averaged = [
        fit_exponent(variance, floors_by_step(floors, kind, settings))
        for kind in ("uniform", "sign")
    ]
    checks.append(
        Check(
            "Independent errors are averaged: with a fraction s of the largest step the floor is "
            "proportional to s/(2−s)",
            "exponents " + " and ".join(f"{one:.2f}" for one in averaged),
            "1, within 0.2",
            all(abs(one - 1.0) <= 0.2 for one in averaged),
        )
    )
    return checks


def _check_exponents(floors: Floors, settings: Settings) -> list[Check]:
    checks = []
    found = fit_delta_exponents(floors, settings)
    for slopes, what, expected in ((found.q, "Q", 2.0), (found.log_policy, "log π", 1.0)):
        if slopes:
            checks.append(
                Check(
                    f"For δ below τ/2 the floor of {what} is proportional to "
                    f"{'δ²' if expected == 2.0 else 'δ'}",
                    f"exponents {min(slopes):.2f} to {max(slopes):.2f}",
                    f"{expected:g}, within 0.2",
                    all(abs(one - expected) <= 0.2 for one in slopes),
                )
            )
    discount, tau = 1.0 - 1.0 / settings.shape[2], settings.temperature
    ratio = [
        float(
            floors[ARMS, "adversarial", delta, settings.shares[0]]["q"][0]
            / exact_arms_floor(delta, discount, tau)
        )
        for delta in settings.deltas
    ]
    checks.append(
        Check(
            "On two arms the floor of Q is γ/(1−γ) δ tanh(δ/(2τ))",
            f"{min(ratio):.6f} to {max(ratio):.6f} of it",
            "1, within 10⁻⁶",
            all(abs(one - 1.0) <= 1e-6 for one in ratio),
        )
    )
    arms = fit_arms_exponent(floors, settings)
    if not math.isnan(arms):
        checks.append(
            Check(
                "For δ of 3τ and more the floor of Q on two arms is proportional to δ, like the "
                "first terms of the bounds",
                f"exponent {arms:.2f}",
                "1, within 0.1",
                abs(arms - 1.0) <= 0.1,
            )
        )
    return checks


EXPERIMENT = Experiment(
    name="noise",
    title="Natural policy gradient with inexact values",
    summary=(
        "The error floor of entropy NPG if its values have errors of δ, against δ and the step "
        "size, and two bounds on it."
    ),
    theory=(
        "Let every action value used by the method have an error of at most δ. Entropy-regularized "
        "natural policy gradient then converges to a neighbourhood of the optimum, at the same "
        "linear rate:",
        "    ‖Q* − Q_{t+1}‖ ≤ γ [ (1 − ητ)^t C_1 + C_2 ],   C_2 = 2δ/(1−γ) · (1 + γ/(ητ)).",
        "In this bound C_2 grows like 1/(ητ), so that small steps seem to be bad, but they are "
        "not. With an error δ a step of the method loses at most (1−α)δ²/(2τ), α = 1 − ητ/(1−γ), "
        "and therefore the floor γC_2 can be replaced by",
        "    γ/(1−γ) · ( 2δ + γδ²/(2τ(1−γ)) ),",
        (
            "which does not depend on the step size. It is the lower of the two if δ < 4(1−γ)/η, "
            "which is 4τ at the largest step."
        ),
        "Three kinds of errors: uniform in [−δ, δ]; −δ or δ at random; and adversarial, −δ for "
        "actions better than the average of the policy and δ for the others.",
        "The first term of both bounds is linear in δ. For δ well below τ the floor of Q is "
        "smaller: the error of log π is proportional to δ, and Q depends on an error of log π in "
        "second order, so that its floor is proportional to δ². But on two arms whose rewards "
        "differ by exactly δ the adversary exchanges the probabilities of the arms. Then the floor "
        "is",
        "    γ/(1−γ) · δ tanh(δ/(2τ)),",
        "which for δ well above τ is half the first term of the improved bound.",
    ),
    sources=(
        "Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Theorem 2",
        (
            "regmdp.theory.inexact_entropy_npg_bounds, for both bounds and the argument for "
            "the second"
        ),
    ),
    full=FULL,
    quick=QUICK,
    run=run,
)
