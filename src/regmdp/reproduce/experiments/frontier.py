"""Experiment 11: how far from a reference policy one must go for how much value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._frontier import Frontier, frontier
from regmdp._internal.arrays import Float
from regmdp._solve import solve
from regmdp.certificates import evaluate
from regmdp.evaluation import visits
from regmdp.mdp import MDP
from regmdp.models import garnet
from regmdp.regularizers import KL
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments.frontier_figures import ALT, CAPTION, draw

__all__ = ["EXPERIMENT", "Settings", "run"]


@dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        n_states: S of the random model.
        n_actions: A.
        branching: Successors of each pair.
        discount: γ.
        policies: How many random policies the bounds are checked for.
        tolerance: Certified gap to which each problem is solved.
        seed: Of the model, the reference and the random policies.
    """

    n_states: int = 300
    n_actions: int = 6
    branching: int = 8
    discount: float = 0.95
    policies: int = 2000
    tolerance: float = 1e-9
    seed: int = 11


FULL = Settings()
QUICK = Settings(n_states=60, policies=200)

#: Rounding that is allowed where bounds are checked with computed numbers.
ROUNDING = 1e-9


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run the experiment."""
    mdp = garnet(
        settings.n_states,
        settings.n_actions,
        settings.branching,
        rng=settings.seed,
        discount=settings.discount,
    )
    rng = np.random.default_rng([settings.seed, 1])
    reference = rng.dirichlet(np.ones(settings.n_actions), size=settings.n_states)
    found = frontier(
        mdp,
        reference,
        tol=settings.tolerance,
        callback=lambda event: progress(
            0.5 * event.measures["points"] / (event.measures["total"] or 20), "solving"
        ),
    )
    progress(0.5, "random policies")
    above = max(_excess(mdp, found, policy) for policy in _random(settings, found, rng))
    progress(0.9, "mixtures")
    below = min(_mixture(mdp, found, k) for k in range(len(found) - 1))
    optimum = solve(mdp, tol=settings.tolerance)
    shares = [
        (share, *found.divergence_for(share * found.largest_gain)) for share in (0.1, 0.5, 0.9)
    ]
    width = float(np.max(found.ceiling - found.value_lower))
    return Result(
        tables={"frontier": found.columns()},
        figures={
            "frontier": FigureSpec(lambda: draw(found, unit="nats, discounted"), CAPTION, ALT)
        },
        numbers=(
            Number("value of the reference", f"{found.value[0]:.6g}"),
            Number("largest gain", f"{found.largest_gain:.6g}, at {found.divergence[-1]:.4g} nats"),
            *(
                Number(f"nats for {100 * share:.0f} % of it", f"between {low:.4g} and {high:.4g}")
                for share, low, high in shares
            ),
        ),
        checks=(
            Check(
                f"no policy is above the bound: {settings.policies:,} random ones, between the "
                "points and far from them",
                f"largest excess {above:.3g}",
                "at most 0",
                above <= ROUNDING,
            ),
            Check(
                "between two points, a stationary policy is worth what their mixture is, at no "
                "larger divergence",
                f"smallest surplus over the lower curve {below:.3g}",
                "at least 0, up to rounding",
                below >= -ROUNDING,
            ),
            Check(
                "at every point the bound for all policies is within the tolerance of what the "
                "policy is worth",
                f"at most {width:.3g}",
                f"at most {settings.tolerance:g}, and what the divergence's own bounds add",
                width <= 10 * settings.tolerance,
            ),
            Check(
                "with a reference that takes every action now and then, the last point is the "
                "optimum",
                f"{found.value[-1]:.9g}",
                f"{optimum.initial_value:.9g}",
                abs(found.value[-1] - optimum.initial_value) <= 2 * settings.tolerance,
            ),
        ),
    )


def _measured(
    mdp: MDP, reference: Float[np.ndarray, "S A"], policy: Float[np.ndarray, "S A"]
) -> tuple[float, float]:
    """Return a policy's value from ρ and its divergence from the reference."""
    moved = KL(reference, temperature=1.0).value(policy, mdp.available)
    return evaluate(mdp, policy).initial_value, float(visits(mdp, policy) @ moved)


def _random(
    settings: Settings, found: Frontier, rng: np.random.Generator
) -> list[Float[np.ndarray, "S A"]]:
    """Return random policies: mixtures of those of the points with a little, more or only noise."""
    policies = []
    for _ in range(settings.policies):
        noise = rng.dirichlet(np.ones(settings.n_actions), size=settings.n_states)
        amount = rng.choice([0.001, 0.03, 0.3, 1.0])
        policies.append((1 - amount) * found.policies[rng.integers(len(found))] + amount * noise)
    return policies


def _excess(mdp: MDP, found: Frontier, policy: Float[np.ndarray, "S A"]) -> float:
    value, nats = _measured(mdp, found.reference, policy)
    return value - float(found.upper(nats))


def _mixture(mdp: MDP, found: Frontier, k: int) -> float:
    """Return how far the stationary policy that mixes the points k and k + 1 half and half lies above the lower curve."""
    mixed = sum(0.5 * visits(mdp, policy)[:, None] * policy for policy in found.policies[k : k + 2])
    value, nats = _measured(mdp, found.reference, mixed / np.sum(mixed, axis=1, keepdims=True))
    return value - float(found.lower(nats))


EXPERIMENT = Experiment(
    name="frontier",
    title="The frontier: how far from a reference policy for how much value",
    summary=(
        "Policies from a reference to the optimum, and a bound on what any policy within so many "
        "nats can be worth."
    ),
    theory=(
        "Let V be the value of a policy from the initial distribution, and D its divergence from a "
        "reference policy: the expected discounted sum of Kullback-Leibler divergences over the "
        "states that it visits. Solving with the divergence as the regularizer, at the temperature "
        "τ, gives a policy that maximises V − τD, and a certified bound U_{τ} on that maximum. "
        "Whatever policy is no further than D from the reference is then worth no more than",
        "    min_{τ} (U_{τ} + τD)",
        "over all temperatures that were solved. The policies found attain their own values, and "
        "mixtures what lies between: value is linear in how often each action is taken in each "
        "state, and the divergence is convex in it, so one stationary policy has the value of a "
        "mixture at no larger divergence. The true frontier lies between the two curves.",
    ),
    sources=(
        (
            "Altman, Constrained Markov decision processes, Chapman and Hall 1999: policies as "
            "occupation measures."
        ),
        (
            "Geist, Scherrer and Pietquin, A theory of regularized Markov decision processes, ICML "
            "2019."
        ),
    ),
    full=FULL,
    quick=QUICK,
    run=run,
)
