"""Experiment 2: a chain on which softmax policy gradient takes exponential time, and nothing else does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._solve import solve
from regmdp.algorithms import NPG, Algorithm, Recorder, SoftmaxPG, SoftPolicyIteration
from regmdp.certificates import evaluate
from regmdp.models import ExponentialChain
from regmdp.regularizers import Regularizer, Shannon
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments.softmax_flow import Flow, LumpedGradient, crossed, watched

__all__ = ["EXPERIMENT", "Settings", "run"]


@dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        sizes: S, from small to large; what is compared with other methods is the chain of
            ``shown_size``.
        shown_size: One of them.
        horizon: H.
        discount: γ.
        temperature: τ of soft policy iteration.
        iterations: Of the other methods.
        small_size: S of the chain that is run in full, state by state, to check the lumped one.
        small_step: η of softmax policy gradient there.
        points: Points in time at which values are recorded.
    """

    sizes: tuple[int, ...] = tuple(round(10 ** (exponent / 2)) for exponent in range(6, 19))
    shown_size: int = 10**8
    horizon: int = 6
    discount: float = 0.97
    temperature: float = 0.01
    iterations: int = 70
    small_size: int = 200
    small_step: float = 1.0
    points: int = 400

    @property
    def step_size(self) -> float:
        """The largest step size with which softmax policy gradient is proved to converge, (1-γ)³/8."""
        return (1.0 - self.discount) ** 3 / 8.0

    def chain(self, size: int) -> ExponentialChain:
        """Return the chain with this number of states."""
        return ExponentialChain(size, self.horizon, self.discount)


FULL = Settings()
QUICK = Settings(sizes=(10**5, 10**7, 10**8), small_size=120, small_step=2.0, points=150)

#: T_1 to T_6 with 10^8 states, H = 6 and γ = 0.97, from an independent implementation, to two
#: digits; and between which two numbers all of them are with 10^5.
KNOWN_SIZE, KNOWN = 10**8, (1.4e8, 1.6e8, 1.7e9, 4.9e9, 4.4e10, 4.4e11)
SMALL_SIZE, SMALL_RANGE = 10**5, (1.4e5, 5.5e5)


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run the experiment."""
    flows = {}
    for number, size in enumerate(settings.sizes):
        progress(0.8 * number / len(settings.sizes), f"gradient flow with {size:,} states")
        flows[size] = Flow.of(settings.chain(size), settings.points)
    progress(0.8, "the other methods")
    others = _others(settings)
    progress(0.9, "softmax policy gradient state by state")
    return _result(settings, flows, others, *_in_full(settings))


def _others(settings: Settings) -> dict[str, np.ndarray]:
    """Return the (n + 1, S) values without regularizer of the policies of other methods, on the lumped chain."""
    mdp = settings.chain(settings.shown_size).lumped()
    methods: dict[str, tuple[Regularizer | None, Algorithm]] = {
        "natural policy gradient": (None, NPG(1.0 - settings.discount)),
        "soft policy iteration": (Shannon(temperature=settings.temperature), SoftPolicyIteration()),
    }
    values = {}
    for name, (regularizer, algorithm) in methods.items():
        recorder = Recorder()
        solve(
            mdp,
            regularizer,
            algorithm,
            tol=0,
            max_iterations=settings.iterations,
            callback=recorder,
        )
        policies = [state.policy for state in recorder.states if state.policy is not None]
        values[name] = np.array([evaluate(mdp, policy).value for policy in policies])
    return values


def _in_full(settings: Settings) -> tuple[float, float]:
    """Run the library's softmax policy gradient on a chain of all states, and compare.

    Returns:
        The largest difference between its gradient at a random policy and the lumped one, relative
        to the largest entry; and the largest relative difference between its crossing times and
        those of the flow.
    """
    chain = settings.chain(settings.small_size)
    mdp, gradient = chain.full(), LumpedGradient(chain)
    logits = np.random.default_rng(0).normal(size=gradient.n)
    policy = gradient.policy(logits)
    of = np.repeat(np.arange(chain.copies.size), chain.copies)
    recorder = Recorder()
    solve(
        mdp,
        algorithm=SoftmaxPG(1.0),
        tol=0,
        max_iterations=0,
        start=policy[of],
        callback=recorder,
    )
    stepped = recorder.states[0].next_policy
    assert stepped is not None
    # a step of size 1 adds the gradient to log π, up to a constant for each state
    lumped = gradient(logits)
    expected = np.zeros(policy.shape)
    several = chain.lumped().available & (chain.lumped().available.sum(axis=1) > 1)[:, None]
    expected[several] = lumped
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.log(stepped) - np.log(policy[of]) - expected[of]
    spread = [np.ptp(row[allowed]) for row, allowed in zip(moved, mdp.available, strict=True)]
    agreement = float(np.max(spread) / np.max(np.abs(lumped)))

    flow = Flow.of(chain, 2)
    iterations = int(1.1 * flow.crossings[-1] / settings.small_step)
    recorder = Recorder()
    solve(
        mdp,
        algorithm=SoftmaxPG(settings.small_step),
        tol=0,
        max_iterations=iterations,
        callback=recorder,
    )
    firsts = np.concatenate([[0], np.cumsum(chain.copies)[:-1]])
    counted = crossed(chain, np.array([state.value[firsts] for state in recorder.states]))
    return agreement, float(
        np.max(np.abs(np.array(counted) * settings.small_step / flow.crossings - 1.0))
    )


def _result(
    settings: Settings,
    flows: dict[int, Flow],
    others: dict[str, np.ndarray],
    agreement: float,
    discretization: float,
) -> Result:
    steps = range(1, settings.horizon + 1)
    shown, chain = flows[settings.shown_size], settings.chain(settings.shown_size)
    optimum = solve(chain.lumped()).value
    before, last = settings.sizes[-2:]
    exponents = np.log(flows[last].crossings / flows[before].crossings) / np.log(last / before)
    counts = {name: crossed(chain, values) for name, values in others.items()}
    pg_iterations = shown.crossings[-1] / settings.step_size
    known, small = flows[KNOWN_SIZE].crossings, flows[SMALL_SIZE].crossings
    checks = [
        Check(
            f"T_{{1}}, …, T_{{{settings.horizon}}} with {_power(KNOWN_SIZE)} states",
            ", ".join(f"{time:.1e}" for time in known),
            ", ".join(f"{time:.1e}" for time in KNOWN) + ", within 5%",
            bool(np.allclose(known, KNOWN, rtol=0.05)),
        ),
        Check(
            f"With {_power(SMALL_SIZE)} states nothing of it is to be seen: the smallest and the "
            "largest T_{s}",
            f"{min(small):.1e}, {max(small):.1e}",
            f"{SMALL_RANGE[0]:.1e}, {SMALL_RANGE[1]:.1e}, within 5%",
            bool(np.allclose([min(small), max(small)], SMALL_RANGE, rtol=0.05)),
        ),
    ]
    checks += [
        Check(
            f"The exponent of T_{{s}} in S, from {_power(before)} to {_power(last)} states, rises "
            "with every second s",
            ", ".join(f"{exponent:.2f}" for exponent in exponents),
            "1, 1, then higher by at least a third every second state",
            bool(
                np.all(np.abs(exponents[:2] - 1.0) < 0.01)
                and np.all(exponents[2:] > exponents[:-2] + 1 / 3)
            ),
        ),
        Check(
            "The lumped gradient is the library's exact gradient on the chain of "
            f"{settings.small_size} states in full",
            f"up to {agreement:.1e} of its largest entry",
            "up to rounding, 1e-9",
            agreement < 1e-9,
        ),
        Check(
            "There, step size times iterations of the library's SoftmaxPG, η = "
            f"{settings.small_step:g}, are the times of the flow",
            f"up to {discretization:.2%}",
            "up to 3%",
            discretization < 0.03,
        ),
        Check(
            "Natural policy gradient with η = 1 − γ brings all V(s) to τ_{s}",
            f"{max(counts['natural policy gradient'])} iterations",
            "at most 40 iterations",
            -1 not in counts["natural policy gradient"]
            and max(counts["natural policy gradient"]) <= 40,
        ),
        Check(
            f"Soft policy iteration with τ = {settings.temperature:g} brings all V(s) to τ_{{s}}",
            f"{max(counts['soft policy iteration'])} iterations",
            "at most 10 iterations",
            -1 not in counts["soft policy iteration"]
            and max(counts["soft policy iteration"]) <= 10,
        ),
        Check(
            "Natural policy gradient ends at the optimum",
            f"gap {np.max(optimum - others['natural policy gradient'][-1]):.1e}",
            "at most 1e-3",
            bool(np.max(optimum - others["natural policy gradient"][-1]) <= 1e-3),
        ),
    ]
    numbers = [
        Number(
            f"Iterations of softmax policy gradient until V({settings.horizon}) ≥ "
            f"τ_{{{settings.horizon}}}, {_power(settings.shown_size)} states, η = (1−γ)^{{3}}/8",
            f"{pg_iterations:.1e}",
            "of natural policy gradient: " + str(max(counts["natural policy gradient"])),
        ),
        *(
            Number(f"Exponent of T_{{{s}}} in S", f"{exponent:.2f}", "1 for a linear growth")
            for s, exponent in zip(steps, exponents, strict=True)
        ),
    ]
    tables = {
        "crossings": {
            "size": np.repeat(settings.sizes, settings.horizon),
            "s": np.tile(np.array(steps), len(settings.sizes)),
            "time": np.concatenate([flows[size].crossings for size in settings.sizes]),
        },
        "values": {
            "time": shown.times,
            **{
                f"value_{s}": shown.values[:, place]
                for s, place in zip(steps, watched(chain), strict=True)
            },
            "gap": (optimum - shown.values).max(axis=1),
        },
        "others": {
            "iteration": np.arange(settings.iterations + 1),
            **{
                f"gap_of_{name.replace(' ', '_')}": (optimum - values).max(axis=1)
                for name, values in others.items()
            },
        },
    }
    figures = {
        "crossings": FigureSpec(
            lambda: _draw_crossings(settings, flows),
            "Scaled time (step size times iterations) until the value of state s reaches its "
            "target, against the number of states. Every second state multiplies the slope; "
            "dashed: a slope of 1. With fewer than a million states nothing of it is to be seen.",
            "Curves of time against number of states, both axes logarithmic. They run together "
            f"along slope 1 up to a million states and then fan out: with {_power(last)} states "
            f"the curve of state 1 is at {flows[last].crossings[0]:.0e}, that of state "
            f"{settings.horizon} at {flows[last].crossings[-1]:.0e}.",
        ),
        "waiting": FigureSpec(
            lambda: _draw_waiting(settings, shown, others, optimum),
            f"A chain of {_power(settings.shown_size)} states. (a) Values during softmax policy "
            "gradient against scaled time, with a dot where a state reaches its target: every "
            "state waits for those before it, and the waits grow. (b) Largest distance from the "
            "optimum over all states against iterations; for softmax policy gradient with the step "
            "size (1−γ)^{3}/8 with which it is proved to converge. The other two need tens of "
            "iterations.",
            "Two plots. Left: six values that rise one after the other between scaled times 10^8 "
            "and 10^12. Right: the gap of soft policy iteration and of natural policy gradient "
            "falls within 5 and 60 iterations, that of softmax policy gradient after more than "
            "10^17.",
        ),
    }
    return Result(tables, figures, tuple(numbers), tuple(checks))


def _power(number: int) -> str:
    """Return a power of ten, or of its root, as text.

    >>> _power(10**8), _power(316_227_766)
    ('10^{8}', '3.2·10^{8}')
    """
    mantissa, exponent = f"{number:.1e}".split("e")
    return ("" if mantissa == "1.0" else f"{mantissa}·") + f"10^{{{int(exponent)}}}"


def _draw_crossings(settings: Settings, flows: dict[int, Flow]) -> Any:
    from regmdp import plots

    figure, axes = plots.subplots(width=7.0, height=4.6)
    plots.set_logarithmic(axes, x=True, y=True)
    sizes = np.array(settings.sizes, dtype=np.float64)
    for s in range(settings.horizon, 0, -1):
        plots.draw_curve(
            axes,
            sizes,
            [flows[size].crossings[s - 1] for size in settings.sizes],
            s - 1,
            f"s = {s}",
        )
    plots.draw_bound(axes, sizes, sizes, "S")
    axes.set_xlabel("number of states S")
    axes.set_ylabel("step size × iterations until V(s) ≥ τ$_s$")
    plots.add_legend(axes)
    return figure


def _draw_waiting(
    settings: Settings, flow: Flow, others: dict[str, np.ndarray], optimum: np.ndarray
) -> Any:
    from regmdp import plots

    chain = settings.chain(settings.shown_size)
    figure, (left, right) = plots.subplots(1, 2, height=4.4)
    plots.set_logarithmic(left, x=True)
    for s, place in enumerate(watched(chain), start=1):
        plots.draw_curve(left, flow.times, flow.values[:, place], s - 1, f"s = {s}", markers=0)
        left.plot(
            flow.crossings[s - 1],
            chain.target(s),
            "o",
            markersize=5.5,
            color=plots.COLORS[s - 1],
            zorder=3,
        )
    left.set_xlabel("step size × iterations")
    left.set_ylabel("V(s)")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
    plots.set_logarithmic(right, x=True, y=True, limits=(1e-6, 3.0))
    names = {"soft policy iteration": 2, "natural policy gradient": 4}
    for name, number in names.items():
        gap = (optimum - others[name]).max(axis=1)
        plots.draw_curve(right, np.arange(1, gap.size + 1), np.maximum(gap, 1e-12), number, name)
    gap = (optimum - flow.values).max(axis=1)
    # before the first time that is recorded nothing has moved
    times = np.concatenate([[1.0], flow.times / settings.step_size])
    plots.draw_curve(right, times, np.concatenate([gap[:1], gap]), 0, "softmax policy gradient")
    right.set_xlabel("iterations + 1")
    right.set_ylabel("largest gap to the optimum")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1)
    plots.add_panel_titles(
        [left, right], ["values under softmax policy gradient", "against the others"]
    )
    return figure


EXPERIMENT = Experiment(
    name="exponential",
    title="A chain that softmax policy gradient does not climb",
    summary=(
        "Exact gradients, an optimal first action everywhere, and still a number of iterations "
        "beyond any computer."
    ),
    theory=(
        "Softmax policy gradient with exact gradients converges to the optimum of any discounted "
        "model. But how fast? There are models on which it needs, from the uniform policy, a "
        "number of iterations that is exponential in the effective horizon, with the number of "
        "states as its base:",
        "    iterations ≥ (1/η) S^{2^{Ω(1/(1−γ))}}",
        "The model is a chain of states s = 1, …, H, in each of which action 1, which leads on to "
        "state s − 1, is the best. As long as state s − 1 has not learned this, a safe action "
        "looks better in state s, and the probability of action 1 shrinks. The gradient carries "
        "that probability as a factor. So when state s − 1 is through, state s has to climb out of "
        "a hole, and the hole is the deeper the longer it waited: each wait is a power of the one "
        "before.",
        "T_{s} is the first scaled time, step size times iterations, at which V(s) reaches its "
        "target τ_{s} = ½ γ^{2s/3}. Most states of the model are copies, whose only purpose is to "
        "spread the initial distribution. Copies behave alike, so the gradient flow is computed "
        "with one representative of each class, whose gradient is divided by the number of copies, "
        "and in logarithmic time. Natural policy gradient, which divides the probability out, and "
        "soft policy iteration pass the same chain in a few iterations.",
    ),
    caveat=(
        "The numerical constants of the paper could not be read in the copy at hand. The chain "
        "follows the paper's plan, and its consistency has been checked (action 1 is optimal "
        "everywhere, V*(s) = γ^{2s}), but its constants are a reconstruction, and so are the times "
        "T_{s}."
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
