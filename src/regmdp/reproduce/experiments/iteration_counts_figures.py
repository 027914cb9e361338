"""Figure of the experiment on numbers of iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from regmdp.reproduce.experiments.iteration_counts_runs import AccuracyCurve, Settings, StepCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ALT", "draw_counts", "make_caption"]

ALT = (
    "Four panels of iterations on logarithmic axes. In the first two, against the step size, the "
    "measured curve falls like 1/η, far below two counts. The count by the sup norm falls like "
    "1/η, too; that by the potential is lower for short steps, and level for steps of more than "
    "1−γ of the largest. Near the largest step the two counts cross, earlier in the second panel. "
    "In the third, against 1/ε, soft policy iteration hardly needs more iterations while its count "
    "rises like a logarithm. In the fourth both curves are straight lines of slope 1."
)


def make_caption(settings: Settings) -> str:
    """Return the caption."""
    n_states, n_actions, horizon = settings.shape
    return (
        "Iterations of natural policy gradient with entropy until V*(ρ) − V(ρ) ≤ "
        f"{settings.accuracy:g}, against the step size as a fraction of the largest, (1−γ)/τ: "
        "measured, and as two theorems count them. The area below the smaller count is shaded. "
        f"(a) A random model with S = {n_states}, A = {n_actions}, 1/(1−γ) = {horizon}, "
        f"τ = {settings.temperature:g}, uniform ρ. The count by the potential is smaller for short "
        "steps by about the factor 1−γ. (b) The same model with a start that is returned to with "
        f"probability {settings.rare:g}, so that ‖ρ/ν*‖ is large: near the largest step the "
        "count by the sup norm is smaller. (c) Soft policy iteration on the random model until the "
        "error of Q is ε; its convergence is quadratic, faster than the count. (d) Natural policy "
        "gradient without entropy on a ladder of actions, whose gap falls like 1/t, as the count "
        "says."
    )


def draw_counts(
    by_step: list[StepCurve], by_accuracy: AccuracyCurve, unregularized: AccuracyCurve
) -> Figure:
    """Draw measured iterations and their counts.

    Args:
        by_step: The two problems whose step size varies.
        by_accuracy: Soft policy iteration.
        unregularized: Natural policy gradient without entropy.
    """
    from regmdp import plots

    figure, axes = plots.subplots(2, 2, height=8.0)
    low = min(float(one.measured.min()) for one in by_step)
    high = max(float(max(one.by_sup_norm.max(), one.by_potential.max())) for one in by_step)
    for panel, one in zip(axes[0], by_step, strict=True):
        plots.set_logarithmic(panel, x=True, y=True, limits=(low / 2.0, 2.0 * high))
        count = one.shares.size
        panel.fill_between(one.shares, low / 2.0, one.smaller, color=plots.GREY, alpha=0.15)
        plots.draw_curve(panel, one.shares, one.measured, 0, "measured", markers=count)
        label = "count by the sup norm"
        plots.draw_curve(panel, one.shares, one.by_sup_norm, 1, label, markers=count)
        label = "count by the potential"
        plots.draw_curve(panel, one.shares, one.by_potential, 2, label, markers=count)
        panel.set_xlabel("step size η, as a fraction of the largest")
        _add_legend(panel)
    for panel, one, label in zip(
        axes[1], (by_accuracy, unregularized), ("‖Q* − Q‖ ≤ ε", "V*(ρ) − V(ρ) ≤ ε"), strict=True
    ):
        limits = (max(0.5, float(one.measured.min()) / 2.0), 2.0 * float(one.counted.max()))
        plots.set_logarithmic(panel, x=True, y=True, limits=limits)
        x, count = 1.0 / one.accuracies, one.accuracies.size
        plots.draw_curve(panel, x, one.measured, 0, f"measured, until {label}", markers=count)
        plots.draw_curve(panel, x, one.counted, 3, "count", markers=count)
        panel.set_xlabel("1/ε")
        _add_legend(panel)
    for panel in axes[:, 0]:
        panel.set_ylabel("iterations")
    titles = [
        "random model",
        "rare start",
        "soft policy iteration",
        "without entropy, on a ladder",
    ]
    plots.add_panel_titles(axes, titles)
    return figure


def _add_legend(panel: Any) -> None:
    """Add the legend below a panel."""
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, fontsize=8.5)
