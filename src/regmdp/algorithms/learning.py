"""Methods that learn from samples: soft Q-learning, soft actor-critic, stochastic policy mirror descent."""

from __future__ import annotations

from regmdp.algorithms.iteration import PolicyOptimization
from regmdp.evaluation import (
    TD,
    DecayingEntropy,
    GenerativeModel,
    GeometricSamples,
    LearningRate,
    Perturbed,
    ReplayTD,
    SampledEvaluation,
)
from regmdp.improvement import (
    DualAveraging,
    GeometricSteps,
    Greedy,
    MirrorDescent,
    PerturbedDescent,
    StepSize,
)
from regmdp.improvement.step_size_improvement import as_step_size

__all__ = ["SoftActorCritic", "SoftQLearning", "StochasticAPMD", "StochasticPMD"]


def SoftQLearning(
    steps: int = 100,
    step_size: float | LearningRate | None = None,
    exploration: float = 0.1,
    n_envs: int = 1,
) -> PolicyOptimization:
    r"""Soft Q-learning, for any regularizer; without one it is Q-learning.

    .. math::
        Q(s, a) \leftarrow (1-\alpha) Q(s, a) + \alpha \bigl( r + \gamma \max_p ( \langle p, Q(s') \rangle - \tau h(p) ) \bigr)

    It follows the regularized greedy policy, mixed with the uniform one.

    Args:
        steps: Steps that each walker makes between two changes of the policy that is followed,
            which are the iterations.
        step_size: α, a number in (0, 1], ``RescaledLinearRate()`` or ``PolynomialRate(power)``; see
            :class:`regmdp.evaluation.TD`.
        exploration: Share of the uniform policy. With 0 the regularizer has to see to it that
            everything is tried.
        n_envs: Walks side by side in each run.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.garnet(5, 2, 2, discount=0.9, rng=0), np.random.default_rng(0)
        >>> algorithm = rm.algorithms.SoftQLearning(steps=50, n_envs=10)
        >>> learned = rm.learn(mdp, rm.SquaredL2(0.5), algorithm, max_iterations=20, rng=rng)
        >>> rm.certify(mdp, rm.SquaredL2(0.5), policy=learned.policy[0]).gap < 0.1
        True

    References:
        Watkins & Dayan 1992, Machine Learning 8; Haarnoja, Tang, Abbeel & Levine 2017, ICML,
        "Reinforcement learning with deep energy-based policies", Theorem 3.
    """
    evaluation = TD(steps, step_size, target="optimal", n_envs=n_envs, exploration=exploration)
    return PolicyOptimization(evaluation, Greedy(), "soft Q-learning")


def SoftActorCritic(
    steps: int = 100,
    updates: int = 100,
    batch_size: int = 32,
    buffer_size: int = 10_000,
    step_size: float | LearningRate | None = 0.1,
    actor_step_size: float | StepSize | None = None,
    n_envs: int = 1,
    exploration: float = 0.0,
) -> PolicyOptimization:
    """Soft actor-critic with tables, for any regularizer: expected soft temporal differences from a replay buffer, and a soft step.

    The policy collects transitions in a buffer; the critic learns the policy's action values from
    minibatches of the buffer; the actor becomes the regularized greedy policy, or moves towards it.

    Args:
        steps: Steps that each walker makes in an iteration.
        updates: Minibatches of an iteration.
        batch_size: Transitions of a minibatch.
        buffer_size: Transitions kept in each run.
        step_size: α of the critic, a number in (0, 1], ``RescaledLinearRate()`` or
            ``PolynomialRate(power)``.
        actor_step_size: η of the actor, which then makes steps of generalized policy mirror
            descent; None for the greedy policy itself, to which the projection of the paper comes
            down where policies are tables.
        n_envs: Walks side by side in each run.
        exploration: Share of the uniform policy in the one that is followed. With 0 the regularizer
            has to see to it that everything is tried.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.garnet(5, 2, 2, discount=0.9, rng=0), np.random.default_rng(0)
        >>> algorithm = rm.algorithms.SoftActorCritic(steps=20, updates=50, n_envs=10)
        >>> learned = rm.learn(mdp, rm.Shannon(0.5), algorithm, max_iterations=20, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.5), policy=learned.policy[0]).gap < 0.1
        True

    References:
        Haarnoja, Zhou, Abbeel & Levine 2018, ICML, "Soft actor-critic: off-policy maximum entropy
        deep reinforcement learning with a stochastic actor".
    """
    evaluation = ReplayTD(
        steps, updates, batch_size, buffer_size, step_size, n_envs=n_envs, exploration=exploration
    )
    improvement = (
        Greedy() if actor_step_size is None else DualAveraging(as_step_size(actor_step_size))
    )
    return PolicyOptimization(evaluation, improvement, "soft actor-critic")


def StochasticPMD(
    samples: int | GeometricSamples = 10, evaluation: SampledEvaluation | None = None
) -> PolicyOptimization:
    r"""Stochastic policy mirror descent with the schedules of its theorem, for problems with a regularizer.

    The step size has \(1 + \eta\tau = 1/\gamma\). The samples of a pair become four times as many
    every \(l = \lceil \log_\gamma \tfrac14 \rceil\) iterations, in which the method gains a factor
    4 and the errors of the action values become half as large.

    Args:
        samples: Samples of each pair in the first iteration, or another schedule.
        evaluation: How policies are evaluated in place of by a generative model. We evaluate them
            in the empirical model, where the paper averages independent trajectories;
            :class:`regmdp.evaluation.MonteCarlo` does that.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.garnet(5, 2, 2, discount=0.9, rng=0), np.random.default_rng(0)
        >>> algorithm = rm.algorithms.StochasticPMD(samples=10)
        >>> learned = rm.learn(mdp, rm.Shannon(0.5), algorithm, max_iterations=20, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.5), policy=learned.policy[0]).gap < 0.1
        True

    References:
        Lan 2023, Mathematical Programming 198, "Policy mirror descent for reinforcement learning:
        linear convergence, new sampling complexity, and generalized problem classes": the
        stochastic method (SPMD).
    """
    return PolicyOptimization(
        _generative(samples) if evaluation is None else evaluation,
        MirrorDescent(GeometricSteps()),
        "stochastic policy mirror descent",
    )


def StochasticAPMD(
    samples: int | GeometricSamples = 10,
    temperature: float = 0.5,
    evaluation: SampledEvaluation | None = None,
) -> PolicyOptimization:
    r"""Stochastic approximate policy mirror descent with its theorem's schedules, for problems without a regularizer.

    The problem is perturbed: Shannon entropy is added, with a temperature
    \(\tau_k = \tau_0 2^{-\lfloor k/l \rfloor}\) that is halved every
    \(l = \lceil \log_\gamma \tfrac14 \rceil\) iterations. The step size has
    \(1 + \eta_k \tau_k = 1/\gamma\), and the samples of a pair become four times as many in each
    period. The values that are learned are those of the perturbed problem.

    Args:
        samples: Samples of each pair in the first iteration, or another schedule.
        temperature: τ_0, in the unit of the rewards; the paper's ½ is for rewards between 0 and 1.
        evaluation: How policies are evaluated in place of by a generative model. We evaluate them
            in the empirical model, where the paper averages independent trajectories;
            :class:`regmdp.evaluation.MonteCarlo` does that.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.garnet(5, 2, 2, discount=0.9, rng=0), np.random.default_rng(0)
        >>> algorithm = rm.algorithms.StochasticAPMD(samples=10)
        >>> learned = rm.learn(mdp, None, algorithm, max_iterations=84, rng=rng)
        >>> rm.certify(mdp, None, policy=learned.policy[0]).gap < 0.1
        True

    References:
        Lan 2023, Mathematical Programming 198, "Policy mirror descent for reinforcement learning:
        linear convergence, new sampling complexity, and generalized problem classes": the
        stochastic approximate method (SAPMD).
    """
    perturbation = DecayingEntropy(temperature)
    inner = _generative(samples) if evaluation is None else evaluation
    return PolicyOptimization(
        Perturbed(inner, perturbation),
        PerturbedDescent(perturbation),
        "stochastic approximate policy mirror descent",
    )


def _generative(samples: int | GeometricSamples) -> GenerativeModel:
    return GenerativeModel(
        samples if isinstance(samples, GeometricSamples) else GeometricSamples(samples)
    )
