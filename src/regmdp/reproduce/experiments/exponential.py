"""Experiment 2: a chain on which softmax policy gradient takes exponential time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._solve import solve
from regmdp.reproduce.base import Check, Experiment, Number, ProgressFunction, Result
from regmdp.reproduce.experiments.exponential_figures import (
    describe_count,
    format_power,
    make_figures,
)
from regmdp.reproduce.experiments.exponential_runs import (
    FullChainErrors,
    Settings,
    compare_with_full_chain,
    run_other_methods,
)
from regmdp.reproduce.experiments.softmax_flow import Flow, find_crossings, find_watched_states
from regmdp.reproduce.settings import require

__all__ = ["EXPERIMENT", "FULL", "QUICK", "run"]

FULL = Settings()
QUICK = Settings(sizes=(10**5, 10**7, 10**8), small_size=120, small_step=2.0, points=150)

#: T_1 to T_6 with 10^8 states, H = 6 and γ = 0.97, from an independent implementation, to two
#: digits; and the range of all of them with 10^5 states.
KNOWN_SIZE, KNOWN_TIMES = 10**8, (1.4e8, 1.6e8, 1.7e9, 4.9e9, 4.4e10, 4.4e11)
SMALL_SIZE, SMALL_RANGE = 10**5, (1.4e5, 5.5e5)
#: Number of states from which on the exponents of the times differ clearly.
LARGE_SIZE = 10**7


@dataclass(frozen=True, eq=False)
class _Results:
    """Results of all runs.

    Attributes:
        settings: The settings.
        flows: Gradient flow of each size.
        others: (n + 1, S) values of other methods on the chain of the shown size, by name.
        errors: Differences between the lumped and the full chain.
        optimum: (S,) V* of the chain of the shown size.
    """

    settings: Settings
    flows: Mapping[int, Flow]
    others: Mapping[str, Float[np.ndarray, "n S"]]
    errors: FullChainErrors
    optimum: Float[np.ndarray, " S"]

    def count_iterations(self) -> dict[str, list[int]]:
        """Return the iterations at which the states reach their targets, by method."""
        chain = self.settings.chain(self.settings.shown_size)
        return {name: find_crossings(chain, values) for name, values in self.others.items()}

    @property
    def is_known_chain(self) -> bool:
        """Whether the known times are those of this chain."""
        chain = (self.settings.horizon, self.settings.discount)
        return chain == (FULL.horizon, FULL.discount)

    @property
    def has_full_limits(self) -> bool:
        """Whether the limits on iterations of other methods are those for these settings."""
        settings = self.settings
        return (
            self.is_known_chain
            and settings.temperature == FULL.temperature
            and settings.shown_size == FULL.shown_size
            and settings.iterations >= FULL.iterations
        )

    @property
    def is_large(self) -> bool:
        """Whether the exponents are fitted where they can differ."""
        return self.settings.sizes[-2] >= LARGE_SIZE

    def fit_exponents(self) -> Float[np.ndarray, " H"]:
        """Return the exponents of T_s in S between the two largest sizes."""
        before, last = self.settings.sizes[-2:]
        ratio = self.flows[last].crossings / self.flows[before].crossings
        return np.log(ratio) / np.log(last / before)


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run the experiment."""
    flows = {}
    for number, size in enumerate(settings.sizes):
        progress(0.8 * number / len(settings.sizes), f"gradient flow with {size:,} states")
        flows[size] = Flow.integrate(settings.chain(size), settings.points)
        missing = np.flatnonzero(~np.isfinite(flows[size].crossings)) + 1
        require(
            missing.size == 0,
            f"with {size:,} states, V({', '.join(map(str, missing))}) does not reach its target in "
            "the 10^28 units of scaled time that are computed; use smaller sizes or a smaller "
            "horizon",
        )
    progress(0.8, "other methods")
    others = run_other_methods(settings)
    progress(0.9, "softmax policy gradient on all states")
    errors = compare_with_full_chain(settings)
    optimum = solve(settings.chain(settings.shown_size).lumped()).value
    results = _Results(settings, flows, others, errors, optimum)
    return Result(
        _make_tables(results),
        make_figures(settings, flows, others, optimum),
        _make_numbers(results),
        (*_check_times(results), *_check_flow(results), *_check_other_methods(results)),
        _make_notes(results),
    )


def _check_times(results: _Results) -> list[Check]:
    """Compare the times with known ones, where there are any, and check their growth."""
    settings, flows = results.settings, results.flows
    checks = []
    if results.is_known_chain and KNOWN_SIZE in flows:
        known = flows[KNOWN_SIZE].crossings
        checks.append(
            Check(
                f"T_{{1}}, …, T_{{{settings.horizon}}} with {format_power(KNOWN_SIZE)} states",
                ", ".join(f"{time:.1e}" for time in known),
                ", ".join(f"{time:.1e}" for time in KNOWN_TIMES) + ", within 5%",
                bool(np.allclose(known, KNOWN_TIMES, rtol=0.05)),
            )
        )
    if results.is_known_chain and SMALL_SIZE in flows:
        small = flows[SMALL_SIZE].crossings
        checks.append(
            Check(
                f"With {format_power(SMALL_SIZE)} states the effect is not visible: the smallest "
                "and the largest T_{s}",
                f"{min(small):.1e}, {max(small):.1e}",
                f"{SMALL_RANGE[0]:.1e}, {SMALL_RANGE[1]:.1e}, within 5%",
                bool(np.allclose([min(small), max(small)], SMALL_RANGE, rtol=0.05)),
            )
        )
    if results.is_large:
        before, last = settings.sizes[-2:]
        exponents = results.fit_exponents()
        checks.append(
            Check(
                f"The exponent of T_{{s}} in S, from {format_power(before)} to "
                f"{format_power(last)} states, rises with every second s",
                ", ".join(f"{exponent:.2f}" for exponent in exponents),
                "1, 1, then higher by at least a third every second state",
                bool(
                    np.all(np.abs(exponents[:2] - 1.0) < 0.01)
                    and np.all(exponents[2:] > exponents[:-2] + 1 / 3)
                ),
            )
        )
    return checks


def _make_notes(results: _Results) -> tuple[str, ...]:
    """Return the comparisons that do not apply to the settings."""
    settings = results.settings
    known = results.is_known_chain and {KNOWN_SIZE, SMALL_SIZE} <= set(settings.sizes)
    conditions = (
        (known, "Times T_{s} are known for other chains only, and are not compared."),
        (
            results.is_large,
            "The exponents of T_{s} in S are not checked: they differ clearly from "
            f"{format_power(LARGE_SIZE)} states on.",
        ),
        (
            np.isfinite(results.errors.crossing_time),
            "The times of the flow are not compared with iterations on the full chain, which "
            "would need too many of them.",
        ),
        (
            results.has_full_limits,
            "The numbers of iterations of other methods are checked for the full settings only.",
        ),
    )
    return tuple(note for applies, note in conditions if not applies)


def _check_flow(results: _Results) -> list[Check]:
    settings, errors = results.settings, results.errors
    return [
        Check(
            "The lumped gradient equals the exact gradient of the library on the full chain of "
            f"{settings.small_size} states",
            f"up to {errors.gradient:.1e} of its largest entry",
            "up to rounding, 1e-9",
            errors.gradient < 1e-9,
        ),
        *(
            [
                Check(
                    "On that chain, step size times iterations of SoftmaxPG, η = "
                    f"{settings.small_step:g}, equal the times of the flow",
                    f"up to {errors.crossing_time:.2%}",
                    f"up to 3%, and {errors.rounding:.2%} for one iteration",
                    errors.crossing_time < 0.03 + errors.rounding,
                )
            ]
            if np.isfinite(errors.crossing_time)
            else []
        ),
    ]


def _check_other_methods(results: _Results) -> list[Check]:
    settings = results.settings
    counts = results.count_iterations()
    names = {
        "natural policy gradient": "Natural policy gradient with η = 1 − γ",
        "soft policy iteration": f"Soft policy iteration with τ = {settings.temperature:g}",
    }
    if not results.has_full_limits:
        slow = results.flows[settings.shown_size].crossings[-1] / settings.step_size
        return [
            Check(
                f"{names[name]} brings all V(s) to τ_{{s}} earlier than softmax policy gradient",
                describe_count(counts[name], settings),
                f"fewer than {slow:.1e} iterations",
                -1 not in counts[name] and max(counts[name]) < slow,
            )
            for name in names
            if -1 not in counts[name]
        ]
    limits = {"natural policy gradient": 40, "soft policy iteration": 10}
    gap = np.max(results.optimum - results.others["natural policy gradient"][-1])
    return [
        *(
            Check(
                f"{names[name]} brings all V(s) to τ_{{s}}",
                describe_count(counts[name], settings),
                f"at most {limit} iterations",
                -1 not in counts[name] and max(counts[name]) <= limit,
            )
            for name, limit in limits.items()
        ),
        Check(
            "Natural policy gradient reaches the optimum",
            f"gap {gap:.1e}",
            "at most 1e-3",
            bool(gap <= 1e-3),
        ),
    ]


def _make_numbers(results: _Results) -> tuple[Number, ...]:
    settings = results.settings
    shown = results.flows[settings.shown_size]
    pg_iterations = shown.crossings[-1] / settings.step_size
    others = "; ".join(
        f"of {name}: {describe_count(counts, settings)}"
        for name, counts in results.count_iterations().items()
    )
    return (
        Number(
            f"Iterations of softmax policy gradient until V({settings.horizon}) ≥ "
            f"τ_{{{settings.horizon}}}, {format_power(settings.shown_size)} states, "
            "η = (1−γ)^{3}/8",
            f"{pg_iterations:.1e}",
            others,
        ),
        *(
            Number(f"Exponent of T_{{{s}}} in S", f"{exponent:.2f}", "1 for linear growth")
            for s, exponent in enumerate(results.fit_exponents(), start=1)
        ),
    )


def _make_tables(results: _Results) -> dict[str, dict[str, np.ndarray]]:
    settings, optimum = results.settings, results.optimum
    shown, chain = results.flows[settings.shown_size], settings.chain(settings.shown_size)
    states = range(1, settings.horizon + 1)
    return {
        "crossings": {
            "size": np.repeat(settings.sizes, settings.horizon),
            "s": np.tile(np.array(states), len(settings.sizes)),
            "time": np.concatenate([results.flows[size].crossings for size in settings.sizes]),
        },
        "values": {
            "time": shown.times,
            **{
                f"value_{s}": shown.values[:, place]
                for s, place in zip(states, find_watched_states(chain), strict=True)
            },
            "gap": (optimum - shown.values).max(axis=1),
        },
        "others": {
            "iteration": np.arange(settings.iterations + 1),
            **{
                f"gap_of_{name.replace(' ', '_')}": (optimum - values).max(axis=1)
                for name, values in results.others.items()
            },
        },
    }


EXPERIMENT = Experiment(
    name="exponential",
    title="A chain with exponential time for softmax policy gradient",
    summary=(
        "With exact gradients, softmax policy gradient needs more iterations than any computer can "
        "make."
    ),
    theory=(
        "Softmax policy gradient with exact gradients converges to the optimum of any discounted "
        "model. But there are models on which it needs, from the uniform policy, a number of "
        "iterations that is exponential in the effective horizon, with the number of states as its "
        "base:",
        "    iterations ≥ (1/η) S^{2^{Ω(1/(1−γ))}}",
        "The model is a chain of states s = 1, …, H. In each state action 1, which leads to state "
        "s − 1, is optimal. Until the policy in state s − 1 has improved, a safe action has a "
        "larger value in state s, and the probability of action 1 shrinks. The gradient contains "
        "that probability as a factor. So the longer state s waits for state s − 1, the longer it "
        "then takes to recover: each waiting time is a power of the previous one.",
        "T_{s} is the first scaled time, step size times iterations, at which V(s) reaches its "
        "target τ_{s} = ½ γ^{2s/3}. Most states of the model are copies, whose only purpose is to "
        "spread the initial distribution. Copies have equal policies, so the gradient flow is "
        "computed with one representative of each class, whose gradient is divided by the number "
        "of copies, and in logarithmic time. Natural policy gradient, which divides by the "
        "probability, and soft policy iteration solve the same chain in a few iterations.",
    ),
    caveat=(
        "The numerical constants of the paper could not be read in the available copy. The chain "
        "follows the construction of the paper, and its consistency has been checked (action 1 is "
        "optimal everywhere, V*(s) = γ^{2s}), but its constants are a reconstruction, and so are "
        "the times T_{s}."
    ),
    sources=(
        "Li, Wei, Chi and Chen, Softmax policy gradient methods can take exponential time to "
        "converge, Mathematical Programming 201, 2023.",
        "Agarwal, Kakade, Lee and Mahajan, On the theory of policy gradient methods, Journal of "
        "Machine Learning Research 22(98), 2021.",
    ),
    full=FULL,
    quick=QUICK,
    run=run,
)
