"""Runs of undiscounted models, which are made on what is left of the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from regmdp._internal.arrays import freeze
from regmdp.algorithms.loop import Run, Start, check_and_certify
from regmdp.certificates import Certificate
from regmdp.regularizers import Regularizer
from regmdp.undiscounted import Reduction

__all__ = ["expand_run", "reduce_start"]


def reduce_start(reduction: Reduction, start: Start) -> Start:
    """Return the start of a run on the reduced model: the value, and the policy if it fits."""
    value = None if start.value is None else reduction.reduce_value(start.value)
    policy = None if start.policy is None else reduction.reduce_policy(start.policy)
    return Start(value, policy)


def expand_run(reduction: Reduction, regularizer: Regularizer, run: Run) -> Run:
    """Return a run on the reduced model as one on the original model."""
    policy, certificate = run.policy, run.certificate
    settled = reduction.settle(policy)
    if not np.array_equal(settled, policy):
        policy, certificate = check_and_certify(reduction.reduced, regularizer, settled, run.value)
    return replace(
        run,
        policy=freeze(reduction.expand_policy(regularizer, policy)),
        value=freeze(reduction.expand_value(run.value)),
        certificate=Certificate.from_bounds(
            reduction.mdp.initial, certificate.bounds.map(reduction.expand_value)
        ),
    )
