"""Valid calls of dynamic discrete choice: models, panels, estimators, counterfactuals."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from bad_input.fixtures import listen, rng

from regmdp import choice

__all__ = ["CALLS"]

FEATURES = np.zeros((4, 2, 2))
FEATURES[:, 1, 0], FEATURES[:, 0, 1] = -1.0, -np.arange(4)
START = np.array([[s, 0] for s in range(4)])
MASK = np.ones((4, 2), bool)
THETA = np.array([2.0, 0.5])
PHI = np.array([0.3])
PARAMETERS = np.array([2.0, 0.5, 0.3])
CHANCES = np.array([[0.5, 0.5]] * 4)


@cache
def utilities() -> choice.LinearUtilities:
    """Return utilities of two parameters."""
    return choice.LinearUtilities(FEATURES, ["cost", "wear"])


@cache
def transitions() -> choice.Increments:
    """Return transitions of one parameter."""
    return choice.Increments(START, 2)


@cache
def known() -> choice.KnownTransitions:
    """Return transitions without a parameter."""
    return choice.KnownTransitions(np.full((4, 2, 4), 0.25))


@cache
def model() -> choice.ChoiceModel:
    """Return a model of three parameters."""
    return choice.ChoiceModel(utilities(), transitions(), 0.9, choices=["keep", "replace"])


@cache
def solution() -> choice.ChoiceSolution:
    """Return the model, solved."""
    return model().solve(PARAMETERS)


@cache
def panel() -> choice.Panel:
    """Return a panel of the model."""
    return choice.simulate(solution(), individuals=20, periods=10, rng=rng())


@cache
def estimates() -> choice.Estimates:
    """Return estimates of all parameters."""
    return choice.hotz_miller(model(), panel(), probabilities=CHANCES)


@cache
def restricted() -> choice.Estimates:
    """Return estimates of a model with a parameter less."""
    smaller = choice.LinearUtilities(FEATURES[:, :, :1], ["cost"])
    return choice.hotz_miller(
        choice.ChoiceModel(smaller, transitions(), 0.9), panel(), probabilities=CHANCES
    )


def counterfactual() -> choice.Counterfactual:
    """Return a counterfactual."""
    return choice.Counterfactual(solution(), solution())


def function() -> choice.UtilityFunction:
    """Return utilities that are a function of one parameter."""
    return choice.UtilityFunction(spread_utility, spread_slope, ["cost"])


def spread_utility(theta: np.ndarray) -> np.ndarray:
    """(1,) parameter -> (4, 2) utilities."""
    return FEATURES[:, :, 0] * theta[0]


def spread_slope(theta: np.ndarray) -> np.ndarray:
    """(1,) parameter -> (4, 2, 1) derivatives."""
    return FEATURES[:, :, :1]


def share(solution: choice.ChoiceSolution) -> float:
    """Return a probability."""
    return float(solution.probabilities[0, 1])


def estimate_again(panel: choice.Panel) -> choice.Estimates:
    """Return the same estimates whatever the panel."""
    return estimates()


def write_buses() -> Path:
    """Write a folder with a file of group 2, and return it."""
    folder = Path("buses")
    folder.mkdir(exist_ok=True)
    columns = [[bus, 1, 75, *[0] * 8, *range(0, 49000, 1000)] for bus in range(4)]
    (folder / "rt50.asc").write_text("\n".join(str(n) for column in columns for n in column))
    return folder


def of_transitions(owner: str, make: Callable[[], object], phi: np.ndarray) -> dict:
    """Return the calls of the methods of transitions."""
    options = {
        "rows": ("phi",),
        "derivatives": ("phi",),
        "estimate": ("panel",),
        "log_likelihoods": ("panel", "phi"),
        "scores": ("panel", "phi"),
        "hessian": ("panel", "phi"),
        "from_free": ("free",),
        "to_free": ("phi",),
    }
    values = {"phi": lambda: phi, "free": lambda: phi, "panel": panel}
    return {
        f"regmdp.choice.{owner}.{method}": lambda names=names: {
            "self": make(),
            **{name: values[name]() for name in names},
        }
        for method, names in options.items()
    }


CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.choice.LinearUtilities": lambda: {
        "features": FEATURES,
        "names": ["cost", "wear"],
        "base": np.zeros((4, 2)),
    },
    "regmdp.choice.LinearUtilities.values": lambda: {"self": utilities(), "theta": THETA},
    "regmdp.choice.LinearUtilities.derivative": lambda: {"self": utilities(), "theta": THETA},
    "regmdp.choice.UtilityFunction": lambda: {
        "function": spread_utility,
        "jacobian": spread_slope,
        "names": ["cost"],
    },
    "regmdp.choice.UtilityFunction.values": lambda: {"self": function(), "theta": THETA[:1]},
    "regmdp.choice.UtilityFunction.derivative": lambda: {"self": function(), "theta": THETA[:1]},
    "regmdp.choice.Increments": lambda: {"start": START, "n_increments": 2},
    "regmdp.choice.KnownTransitions": lambda: {"probabilities": np.full((4, 2, 4), 0.25)},
    **of_transitions("Increments", transitions, PHI),
    **of_transitions("KnownTransitions", known, np.zeros(0)),
    "regmdp.choice.ChoiceModel": lambda: {
        "utilities": utilities(),
        "transitions": transitions(),
        "discount": 0.9,
        "scale": 0.5,
        "available": MASK,
        "choices": ["keep", "replace"],
    },
    "regmdp.choice.ChoiceModel.mdp": lambda: {"self": model(), "parameters": PARAMETERS},
    "regmdp.choice.ChoiceModel.perturbations": lambda: {
        "self": model(),
        "parameters": {"cost": 2.0, "wear": 0.5, "increment 0": 0.3},
    },
    "regmdp.choice.ChoiceModel.utility_perturbations": lambda: {
        "self": model(),
        "parameters": {"cost": 2.0, "wear": 0.5, "increment 0": 0.3},
    },
    "regmdp.choice.ChoiceModel.require_fit": lambda: {"self": model(), "panel": panel()},
    "regmdp.choice.ChoiceModel.solve": lambda: {
        "self": model(),
        "parameters": PARAMETERS,
        "start": solution().mdp_solution,
    },
    "regmdp.choice.ChoiceModel.split": lambda: {"self": model(), "parameters": PARAMETERS},
    "regmdp.choice.ChoiceModel.vector": lambda: {"self": model(), "parameters": PARAMETERS},
    "regmdp.choice.Panel": lambda: {
        "individual": np.array([7, 7, 8]),
        "period": np.array([0, 1, 0]),
        "state": np.array([0, 1, 0]),
        "choice": np.array([0, 1, 0]),
        "counted": np.array([True, True, False]),
        "increment": np.array([0, 1, 0]),
    },
    "regmdp.choice.Panel.count_choices": lambda: {"self": panel(), "n_states": 4, "n_choices": 2},
    "regmdp.choice.Panel.require_fit": lambda: {"self": panel(), "available": MASK},
    "regmdp.choice.Panel.subset": lambda: {"self": panel(), "individuals": np.array([0, 3])},
    "regmdp.choice.Likelihood": lambda: {"solution": solution(), "panel": panel()},
    "regmdp.choice.Likelihood.from_parameters": lambda: {
        "model": model(),
        "panel": panel(),
        "parameters": PARAMETERS,
        "start": solution().mdp_solution,
    },
    "regmdp.choice.Counterfactual": lambda: {"before": solution(), "after": solution()},
    "regmdp.choice.Bootstrap.intervals": lambda: {
        "self": choice.Bootstrap(("cost",), np.arange(10.0)[:, None], 0),
        "confidence": 0.5,
    },
    **{
        f"regmdp.choice.Estimates.{method}": lambda: {"self": estimates(), "kind": "opg"}
        for method in ("covariance", "standard_errors", "summary")
    },
    "regmdp.choice.bootstrap": lambda: {
        "estimator": estimate_again,
        "panel": panel(),
        "replications": 2,
        "rng": rng(),
    },
    "regmdp.choice.bus_engine_model": lambda: {
        "n_bins": 10,
        "discount": 0.5,
        "n_increments": 3,
        "unit": 0.5,
    },
    "regmdp.choice.choice_frequencies": lambda: {
        "model": model(),
        "panel": panel(),
        "smoothing": 0.5,
    },
    "regmdp.choice.counterfactual": lambda: {
        "estimates": estimates(),
        "change": {"cost": 1.0},
        "model": model(),
    },
    "regmdp.choice.delta_method": lambda: {
        "function": share,
        "estimates": estimates(),
        "kind": "opg",
    },
    "regmdp.choice.draw_counterfactual": lambda: {
        "counterfactual": counterfactual(),
        "choice": "keep",
        "states": np.array([0.0, 1.0, 2.0, 3.0]),
        "label": "mileage",
        "names": ["before", "after"],
    },
    **{
        f"regmdp.choice.{estimator}": lambda: {
            "model": model(),
            "panel": panel(),
            "start": THETA,
            "callback": listen,
        }
        for estimator in ("nested_fixed_point", "full_maximum_likelihood")
    },
    "regmdp.choice.hotz_miller": lambda: {
        "model": model(),
        "panel": panel(),
        "probabilities": CHANCES,
    },
    "regmdp.choice.nested_pseudo_likelihood": lambda: {
        "model": model(),
        "panel": panel(),
        "probabilities": CHANCES,
        "max_iterations": 2,
    },
    "regmdp.choice.likelihood_ratio_test": lambda: {
        "restricted": restricted(),
        "general": estimates(),
    },
    "regmdp.choice.long_run_shares": lambda: {"solution": solution()},
    "regmdp.choice.read_buses": lambda: {"folder": write_buses(), "groups": [2], "n_bins": 90},
    "regmdp.choice.simulate": lambda: {
        "solution": solution(),
        "individuals": 3,
        "periods": 2,
        "rng": rng(),
        "start": np.full(4, 0.25),
    },
    "regmdp.choice.transition_frequencies": lambda: {"panel": full_panel(), "available": MASK},
}


@cache
def full_panel() -> choice.Panel:
    """Return a panel with every pair."""
    pairs = np.array([(s, a) for s in range(4) for a in range(2)] + [(0, 0)])
    return choice.Panel(np.zeros(9, int), np.arange(9), pairs[:, 0], pairs[:, 1])
