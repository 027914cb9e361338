"""Experiment 11: trade-off between value and divergence from a reference policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from regmdp._frontier import Frontier, frontier
from regmdp._internal import kinds
from regmdp._internal.arrays import Float
from regmdp._solve import solve
from regmdp.certificates import evaluate
from regmdp.evaluation import visits
from regmdp.mdp import MDP
from regmdp.models import garnet
from regmdp.regularizers import KL
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments.frontier_figures import describe_frontier, draw_frontier
from regmdp.reproduce.settings import check_fields, require

__all__ = ["EXPERIMENT", "Settings", "run"]


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        n_states: S of the random model.
        n_actions: A.
        branching: Successors of each pair.
        discount: γ.
        policies: Number of random policies for which the bounds are checked.
        tolerance: Certified gap of each solution.
        seed: Seed of the model, the reference and the random policies.
    """

    n_states: Annotated[int, kinds.Integer(2, 2000)] = 300
    n_actions: Annotated[int, kinds.Integer(2, 100)] = 6
    branching: Annotated[int, kinds.Integer(1, 2000)] = 8
    discount: Annotated[float, kinds.Number(0.0, 0.995)] = 0.95
    policies: Annotated[int, kinds.Integer(1, 100_000)] = 2000
    tolerance: Annotated[float, kinds.Number(1e-10, 1e-2)] = 1e-9
    seed: Annotated[int, kinds.Integer(0)] = 11

    def __post_init__(self) -> None:
        check_fields(self)
        require(
            self.branching <= self.n_states,
            f"branching must be at most the {self.n_states} states, not {self.branching}",
        )


FULL = Settings()
QUICK = Settings(n_states=60, policies=200)

#: Tolerance for rounding in the checks of bounds.
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
    computed = frontier(
        mdp,
        reference,
        absolute_tol=settings.tolerance,
        callback=lambda event: progress(
            0.5 * event.measures["points"] / (event.measures["total"] or 20), "solving"
        ),
    )
    progress(0.5, "random policies")
    excess = max(
        _excess_over_upper_bound(mdp, computed, policy)
        for policy in _draw_policies(settings, computed, rng)
    )
    progress(0.9, "mixtures")
    surplus = min(_surplus_of_mixture(mdp, computed, k) for k in range(len(computed) - 1))
    optimum = solve(mdp, absolute_tol=settings.tolerance).initial_value
    return Result(
        tables={"frontier": computed.columns()},
        figures={
            "frontier": FigureSpec(
                lambda: draw_frontier(computed, unit="nats, discounted"),
                *describe_frontier(computed),
            )
        },
        numbers=_make_numbers(computed),
        checks=_make_checks(settings, computed, excess=excess, surplus=surplus, optimum=optimum),
    )


def _make_numbers(computed: Frontier) -> tuple[Number, ...]:
    shares = [
        (share, *computed.divergence_for(share * computed.largest_gain))
        for share in (0.1, 0.5, 0.9)
    ]
    return (
        Number("value of the reference", f"{computed.value[0]:.6g}"),
        Number(
            "largest gain",
            f"{computed.largest_gain:.6g}, at {computed.divergence[-1]:.4g} nats",
        ),
        *(
            Number(f"nats for {100 * share:.0f} % of it", f"between {low:.4g} and {high:.4g}")
            for share, low, high in shares
        ),
    )


def _make_checks(
    settings: Settings, computed: Frontier, *, excess: float, surplus: float, optimum: float
) -> tuple[Check, ...]:
    """Return the checks.

    Args:
        settings: The settings.
        computed: The frontier.
        excess: Largest value of a random policy minus the upper bound.
        surplus: Smallest value of a mixture minus the lower curve.
        optimum: Optimal value from the initial distribution.
    """
    width = computed.ceiling - computed.value_lower
    temperature = np.where(np.isfinite(computed.temperature), computed.temperature, 0.0)
    allowed = (
        settings.tolerance
        + (computed.value_upper - computed.value_lower)
        + temperature * (computed.divergence_upper - computed.divergence_lower)
    )
    return (
        Check(
            f"the upper bound holds for {settings.policies:,} random policies, near the points and "
            "far from them",
            f"largest excess {excess:.3g}",
            "at most 0",
            excess <= ROUNDING,
        ),
        Check(
            "between two points, a stationary policy has the value of their mixture at no larger "
            "divergence",
            f"smallest surplus over the lower curve {surplus:.3g}",
            "at least 0, up to rounding",
            surplus >= -ROUNDING,
        ),
        Check(
            "at every point the upper bound is within the tolerance of the value of the policy",
            f"at most {np.max(width):.3g}",
            f"at most {settings.tolerance:g}, plus the width of the bounds on value and divergence",
            bool(np.all(width <= allowed + ROUNDING)),
        ),
        Check(
            "with a reference that is positive everywhere, the last point is the optimum",
            f"{computed.value[-1]:.9g}",
            f"{optimum:.9g}",
            abs(computed.value[-1] - optimum) <= 2 * settings.tolerance,
        ),
    )


def _measure_policy(
    mdp: MDP, reference: Float[np.ndarray, "S A"], policy: Float[np.ndarray, "S A"]
) -> tuple[float, float]:
    """Return the value of a policy from ρ and its divergence from the reference."""
    divergence = KL(reference, temperature=1.0).value(policy, mdp.available)
    return evaluate(mdp, policy).initial_value, float(visits(mdp, policy) @ divergence)


def _draw_policies(
    settings: Settings, computed: Frontier, rng: np.random.Generator
) -> list[Float[np.ndarray, "S A"]]:
    """Draw random policies: mixtures of policies of the frontier with small to large noise."""
    policies = []
    for _ in range(settings.policies):
        noise = rng.dirichlet(np.ones(settings.n_actions), size=settings.n_states)
        amount = rng.choice([0.001, 0.03, 0.3, 1.0])
        policies.append(
            (1 - amount) * computed.policies[rng.integers(len(computed))] + amount * noise
        )
    return policies


def _excess_over_upper_bound(
    mdp: MDP, computed: Frontier, policy: Float[np.ndarray, "S A"]
) -> float:
    """Return the value of a policy minus the upper bound at its divergence."""
    value, nats = _measure_policy(mdp, computed.reference, policy)
    return value - float(computed.upper(nats))


def _surplus_of_mixture(mdp: MDP, computed: Frontier, k: int) -> float:
    """Return the value of the equal mixture of points k and k + 1 minus the lower curve."""
    mixed = sum(
        0.5 * visits(mdp, policy)[:, None] * policy for policy in computed.policies[k : k + 2]
    )
    value, nats = _measure_policy(
        mdp, computed.reference, mixed / np.sum(mixed, axis=1, keepdims=True)
    )
    return value - float(computed.lower(nats))


EXPERIMENT = Experiment(
    name="frontier",
    title="The frontier of value and divergence from a reference policy",
    summary=(
        "Policies between a reference and the optimum, and an upper bound on the value of any "
        "policy within a given divergence."
    ),
    theory=(
        "Let V be the value of a policy from the initial distribution, and D its divergence from a "
        "reference policy: the expected discounted sum of Kullback-Leibler divergences over the "
        "visited states. Solving with the divergence as the regularizer, at the temperature τ, "
        "gives a policy that maximises V − τD, and a certified bound U_{τ} on that maximum. The "
        "value of any policy with a divergence of at most D is therefore at most",
        "    min_{τ} (U_{τ} + τD)",
        "over all solved temperatures. The computed policies attain their values, and mixtures the "
        "values between them: the value is linear in the occupancy of states and actions, and the "
        "divergence is convex in it, so one stationary policy has the value of a mixture at no "
        "larger divergence. The exact frontier is between the two curves.",
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
