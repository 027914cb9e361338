"""The experiments of the documentation, run by ``regmdp reproduce``.

An experiment is a module with an ``EXPERIMENT``; to add one, append it to ``EXPERIMENTS``.
"""

from __future__ import annotations

import difflib
from typing import Any

from regmdp._internal.errors import RegmdpError
from regmdp.reproduce.base import Experiment
from regmdp.reproduce.experiments import (
    bandit,
    exponential,
    frontier,
    gpmd,
    iteration_counts,
    learning_curves,
    natural_gradient,
    noise,
    regularization_path,
    sample_complexity,
    scaling,
    variance,
)

__all__ = ["EXPERIMENTS", "find_experiments"]

#: All experiments, in the order of running and of the report.
EXPERIMENTS: tuple[Experiment[Any], ...] = (
    bandit.EXPERIMENT,
    exponential.EXPERIMENT,
    natural_gradient.EXPERIMENT,
    iteration_counts.EXPERIMENT,
    scaling.EXPERIMENT,
    gpmd.EXPERIMENT,
    regularization_path.EXPERIMENT,
    frontier.EXPERIMENT,
    noise.EXPERIMENT,
    sample_complexity.EXPERIMENT,
    variance.EXPERIMENT,
    learning_curves.EXPERIMENT,
)


def find_experiments(names: list[str]) -> list[Experiment[Any]]:
    """Return the experiments with these names, without repetition, in the order of the list.

    Args:
        names: Names of experiments, or ``all``.

    Raises:
        RegmdpError: if a name is unknown; the message lists the known ones.

    Examples:
        >>> [experiment.name for experiment in find_experiments(["bandit", "bandit"])]
        ['bandit']
        >>> find_experiments(["bandid"])
        Traceback (most recent call last):
        ...
        regmdp.RegmdpError: there is no experiment named 'bandid'; did you mean bandit? ...
    """
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    for name in names:
        if name not in known and name != "all":
            near = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=2, cutoff=0.6)
            hint = f"; did you mean {' or '.join(near)}? " if near else ". "
            raise RegmdpError(
                f"there is no experiment named {name!r}{hint}The experiments are "
                f"{', '.join(known)}, or all of them: all"
            )
    return (
        list(EXPERIMENTS)
        if "all" in names
        else [experiment for experiment in EXPERIMENTS if experiment.name in names]
    )
