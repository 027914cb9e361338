"""Figure of a certified frontier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp._frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["describe_frontier", "draw_frontier"]

#: Smallest distance between two labels, as a fraction of the axes.
MIN_LABEL_DISTANCE = 0.075


def describe_frontier(frontier: Frontier) -> tuple[str, str]:
    """Return the caption and the alternative text of the figure of a frontier."""
    first, last = float(frontier.value[0]), float(frontier.value[-1])
    end = "the optimum" if frontier.temperature[-1] == 0.0 else "the last policy"
    findings = _describe_findings(frontier)
    return (
        "Value of policies against their divergence from the reference. Each mark is a computed "
        "policy; temperatures are beside marks with enough room. No policy is above the upper "
        "curve, and mixtures of the marks attain the lower one, so the best policy within a given "
        f"divergence is in the band between them. (a) From the reference to {end}. (b) The same "
        "with the divergence on a logarithmic axis, which shows the gain at small divergences. "
        f"{findings}",
        "Two plots of value, vertical, against divergence from the reference in nats, horizontal, "
        f"linear on the left and logarithmic on the right. A band with {len(frontier)} points goes "
        f"from the value of the reference, {first:.4g}, to that of {end}, {last:.4g}, at a "
        f"divergence of {float(frontier.divergence[-1]):.4g}. {findings}",
    )


def _describe_findings(frontier: Frontier) -> str:
    """Return the width of the band and the divergence for half of the gain, in sentences."""
    far = float(frontier.divergence.max())
    nats = np.linspace(0.0, far, 600)
    width = frontier.upper(nats) - frontier.lower(nats)
    width = width[np.isfinite(width)]
    gain = frontier.largest_gain
    parts = []
    if width.size and gain > 0.0:
        parts.append(
            "The height of the band is at most "
            f"{100.0 * max(float(width.max()), 0.0) / gain:.2g} % of the largest gain."
        )
    if len(frontier) > 1 and gain > 0.0:
        low, high = frontier.divergence_for(0.5 * gain)
        parts.append(f"Half of that gain takes a divergence between {low:.3g} and {high:.3g}.")
    return " ".join(parts)


def draw_frontier(frontier: Frontier, *, unit: str = "nats") -> Figure:
    """Return the figure of a frontier: a band between attained values and their upper bound.

    Args:
        frontier: The frontier.
        unit: Unit of the divergence on the axis, such as "nats per episode".
    """
    from regmdp import plots

    figure, (linear, logarithmic) = plots.subplots(1, 2, height=4.3, sharey=True)
    far = float(frontier.divergence.max())
    low, high = float(frontier.value_lower[0]), float(frontier.value_upper.max())
    room = (high - low) or max(abs(high), 1.0) * 0.1
    linear.set(
        xlim=(-0.03 * far, 1.06 * far) if far > 0 else (-0.1, 1.0),
        ylim=(low - 0.08 * room, high + 0.12 * room),
    )
    positive = frontier.divergence[frontier.divergence > 0]
    nearest = max(float(positive.min()) if positive.size else 1e-3, 1e-4 * far, 1e-12)
    plots.set_logarithmic(logarithmic, x=True)
    logarithmic.set_xlim(nearest / 2, max(far, nearest) * 2.5)
    _draw_band(
        linear,
        frontier,
        np.linspace(0.0, 1.06 * far, 600) ** 2 / max(1.06 * far, 1e-300),
        above=False,
    )
    _draw_band(
        logarithmic, frontier, np.geomspace(nearest / 2, max(far, nearest) * 2.5, 600), above=True
    )
    for axes in (linear, logarithmic):
        axes.set_xlabel(f"divergence from the reference, {unit}")
        plots.draw_level(axes, float(frontier.value[0]), "reference")
    if frontier.temperature[-1] == 0.0 and len(frontier) > 1:
        plots.draw_level(linear, float(frontier.value[-1]), "optimum (τ = 0)")
        plots.draw_level(logarithmic, float(frontier.value[-1]), "optimum (τ = 0)", right_end=0.45)
    linear.set_ylabel("value, in the unit of the rewards")
    plots.add_panel_titles([linear, logarithmic], ["all the way", "the first steps"])
    handles, names = linear.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure


def _draw_band(axes: Any, frontier: Frontier, nats: np.ndarray, *, above: bool) -> None:
    """Draw the band and the points on one pair of axes."""
    from regmdp import plots

    lower, upper = frontier.lower(nats), frontier.upper(nats)
    upper = np.where(
        np.isfinite(upper), upper, np.nan
    )  # there is no bound before the first solution
    axes.fill_between(
        nats,
        lower,
        upper,
        color=plots.COLORS[0],
        alpha=0.4,
        linewidth=0,
        label="where the best policy lies",
    )
    plots.draw_bound(axes, nats, upper, "no policy is above", color=plots.COLORS[4], zorder=2.1)
    axes.plot(nats, lower, color=plots.COLORS[0], linewidth=1.2, zorder=2.2)
    axes.plot(
        frontier.divergence,
        frontier.value,
        linestyle="none",
        marker="o",
        color=plots.COLORS[0],
        label="policies found, with their τ",
    )
    _label_temperatures(axes, frontier, above=above)


def _label_temperatures(axes: Any, frontier: Frontier, *, above: bool) -> None:
    """Write τ beside the points with enough room: above to the left, or below to the right."""
    from regmdp import plots

    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    scale = np.log if axes.get_xscale() == "log" else np.asarray
    last: np.ndarray | None = None
    for temperature, nats, value in zip(
        frontier.temperature[1:], frontier.divergence[1:], frontier.value[1:], strict=True
    ):
        if temperature == 0.0 or not left < nats < right:
            continue
        across = (scale(nats) - scale(left)) / (scale(right) - scale(left))
        place = np.array([float(across), (value - bottom) / (top - bottom)])
        if (place[0] < 0.1 or place[1] > 0.85) if above else place[0] > 0.86:
            continue
        if (
            last is not None
            and np.max(np.abs(place - last) / (2.2 * MIN_LABEL_DISTANCE, MIN_LABEL_DISTANCE)) < 1.0
        ):
            continue
        last = place
        offset, across_from, up_from = (
            ((-6, 3), "right", "bottom") if above else ((6, -4), "left", "top")
        )
        axes.annotate(
            f"{temperature:.2g}", (nats, value), xytext=offset, textcoords="offset points",
            ha=across_from, va=up_from, fontsize=8.5, color=plots.BLACK,
        )  # fmt: skip
