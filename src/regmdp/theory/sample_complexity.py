r"""Samples with which inexact natural policy gradient reaches an accuracy without a regularizer."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Number, checked
from regmdp.mdp import MDP
from regmdp.theory.inexact import admissible_evaluation_error
from regmdp.theory.unregularized import reward_range

__all__ = ["SampleComplexity", "inexact_npg_samples", "temperature_for_accuracy"]


class SampleComplexity(NamedTuple):
    """Parameters and samples with which inexact natural policy gradient reaches an accuracy.

    Attributes:
        temperature: τ.
        evaluation_error: δ that each evaluation may have.
        samples_per_pair: Samples of each pair in one evaluation.
        iterations: Number of evaluations, each with fresh samples.
        pairs: Number of available pairs.
    """

    temperature: float
    evaluation_error: float
    samples_per_pair: int
    iterations: int
    pairs: int

    @property
    def total_per_pair(self) -> int:
        """Samples of each pair in all iterations."""
        return self.samples_per_pair * self.iterations

    @property
    def total(self) -> int:
        """Samples of all pairs in all iterations."""
        return self.pairs * self.total_per_pair


@checked(mdp=Instance(MDP), accuracy=Number(above=0.0, maximum=LARGE_ROOT))
def temperature_for_accuracy(mdp: MDP, accuracy: float) -> float:
    r"""Return the temperature τ = (1-γ)ε/log A with which Shannon entropy costs at most ε.

    .. math::
        V^*_0 - V^{\pi}_0 \le (V^*_\tau - V^\pi_\tau) + \frac{\tau \log A}{1-\gamma}

    Args:
        mdp: The model, γ < 1. A is the largest number of actions that are available in a state.
        accuracy: ε > 0, in the unit of the rewards.

    Raises:
        SolverError: if γ = 1, the accuracy is not positive, or no state has two actions.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.chain(5, discount=0.9)
        >>> tau = rm.theory.temperature_for_accuracy(mdp, 0.1)
        >>> optimal = rm.solve(mdp).initial_value
        >>> soft = rm.solve(mdp, rm.Shannon(tau)).policy
        >>> bool(optimal - rm.evaluate(mdp, soft).initial_value <= 0.1)
        True

    References:
        Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), equation 12 and
        section 3.1.2.
    """
    n_actions = int(np.max(np.sum(mdp.available, axis=1)))
    if not (mdp.discount < 1.0 and accuracy > 0.0 and n_actions > 1):
        raise SolverError(
            "this needs a discount below 1, a positive accuracy and a state with two actions; here "
            f"are {mdp.discount:g}, {accuracy:g} and at most {n_actions}"
        )
    return (1.0 - mdp.discount) * accuracy / math.log(n_actions)


@checked(mdp=Instance(MDP), accuracy=Number(above=0.0, maximum=LARGE_ROOT))
def inexact_npg_samples(mdp: MDP, accuracy: float) -> SampleComplexity:
    r"""Return the number of samples of entropy-regularized NPG for an accuracy, up to logarithms.

    .. math::
        \tau = \frac{(1-\gamma) \epsilon}{\log A}, \quad
        \delta = \frac{1-\gamma}{\gamma}
        \min\left\{ \frac{\epsilon}{4}, \frac{\sqrt{\tau\epsilon}}{2} \right\}, \quad
        N = \frac{R^2}{(1-\gamma)^3 \delta^2}, \quad
        T = 1 + \frac{1}{1-\gamma}
        \log \frac{8 \gamma (R + \tau \log A)}{3 (1-\gamma) \epsilon}

    Soft policy iteration, the largest step, draws N next states of every pair in each of T
    iterations. Then Q is within ε of the optimum with entropy, and entropy costs at most ε. As δ ~
    (1-γ)^{3/2} ε, N is of the order of (1-γ)^{-6} ε^{-2}, and S·A·N·T of the order of
    S·A·(1-γ)^{-7} ε^{-2}.

    The error of an estimated model is taken to be R (1-γ)^{-3/2} N^{-1/2}; its constant and the
    logarithm of the confidence are not included. All other constants are: with evaluations of error
    δ the iteration is within ε after T iterations.

    Args:
        mdp: The model, 0 < γ < 1; R is the range of its rewards.
        accuracy: ε > 0, in the unit of the rewards.

    Raises:
        SolverError: if γ is 0 or 1, the accuracy is not positive, all rewards are equal, or no
            state has two actions.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.chain(5, discount=0.9)
        >>> needed = rm.theory.inexact_npg_samples(mdp, accuracy=0.1)
        >>> needed.iterations
        56
        >>> half = rm.theory.inexact_npg_samples(mdp, accuracy=0.05)
        >>> round(half.samples_per_pair / needed.samples_per_pair, 4)
        4.0

    References:
        Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Remark 1, with a
        smaller δ. Here it is that of :func:`admissible_evaluation_error`. The number of
        samples of an evaluation: Gheshlaghi Azar, Munos & Kappen 2013, Machine Learning 91(3).
    """
    tau = temperature_for_accuracy(mdp, accuracy)
    low, high = reward_range(mdp)
    spread, horizon = high - low, 1.0 / (1.0 - mdp.discount)
    if not (mdp.discount > 0.0 and spread > 0.0):
        raise SolverError(
            "no samples are needed without a future, or if all rewards are equal: the discount is "
            f"{mdp.discount:g}, and the rewards have a range of {spread:g}"
        )
    delta = admissible_evaluation_error(mdp.discount, tau, accuracy)
    samples = math.ceil(spread**2 * horizon**3 / delta**2)
    # the start is within the range of the values, with entropy of at most ε(1-γ) a step
    distance = mdp.discount * horizon * (spread + (1.0 - mdp.discount) * accuracy)
    iterations = 1 + max(0, math.ceil(horizon * math.log(8.0 * distance / (3.0 * accuracy))))
    return SampleComplexity(tau, delta, samples, iterations, int(np.sum(mdp.available)))
