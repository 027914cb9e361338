"""Valid calls of methods, evaluations, improvements and Bellman operators."""

from collections.abc import Callable

from bad_input.fixtures import POLICY, VALUE, Q, model

import regmdp as rm

__all__ = ["CALLS"]

CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.algorithms.GPMD": lambda: {
        "step_size": 1.0,
        "accuracy": 0.1,
        "evaluation": rm.evaluation.Exact(),
    },
    "regmdp.algorithms.NPG": lambda: {"step_size": 1.0, "evaluation": rm.evaluation.Exact()},
    "regmdp.algorithms.PMD": lambda: {
        "step_size": 1.0,
        "mirror": rm.Shannon(1.0),
        "lookahead": 2,
        "evaluation": rm.evaluation.Exact(),
    },
    "regmdp.algorithms.TDPMD": lambda: {"step_size": 1.0, "mirror": rm.Shannon(1.0)},
    "regmdp.algorithms.Adaptive": lambda: {"initial": 0.5},
    "regmdp.algorithms.Constant": lambda: {"value": 0.5},
    "regmdp.algorithms.FisherNPG": lambda: {"step_size": 1.0, "evaluation": rm.evaluation.Exact()},
    "regmdp.algorithms.Geometric": lambda: {"initial": 0.5, "ratio": 1.5},
    "regmdp.algorithms.GeometricSteps": lambda: {},
    "regmdp.algorithms.Homotopic": lambda: {"initial": 0.5},
    "regmdp.algorithms.HomotopicPMD": lambda: {
        "step_size": 1.0,
        "evaluation": rm.evaluation.Exact(),
    },
    "regmdp.algorithms.Maximum": lambda: {},
    "regmdp.algorithms.ModifiedPolicyIteration": lambda: {"sweeps": 3},
    "regmdp.algorithms.PolicyIteration": lambda: {"evaluation": rm.evaluation.Exact()},
    "regmdp.algorithms.PolicyOptimization": lambda: {
        "evaluation": rm.evaluation.Exact(),
        "improvement": rm.improvement.Greedy(),
        "name": "policy iteration",
    },
    "regmdp.algorithms.SoftActorCritic": lambda: {
        "steps": 5,
        "updates": 5,
        "batch_size": 2,
        "buffer_size": 10,
        "step_size": 0.5,
        "actor_step_size": 0.5,
        "n_envs": 1,
        "exploration": 0.5,
    },
    "regmdp.algorithms.SoftPolicyIteration": lambda: {
        "step_size": 0.5,
        "evaluation": rm.evaluation.Exact(),
    },
    "regmdp.algorithms.SoftQLearning": lambda: {
        "steps": 5,
        "step_size": 0.5,
        "exploration": 0.5,
        "n_envs": 1,
    },
    "regmdp.algorithms.SoftmaxPG": lambda: {"step_size": 1.0, "evaluation": rm.evaluation.Exact()},
    "regmdp.algorithms.StochasticAPMD": lambda: {
        "samples": 3,
        "temperature": 0.5,
        "evaluation": rm.evaluation.GenerativeModel(3),
    },
    "regmdp.algorithms.StochasticPMD": lambda: {
        "samples": 3,
        "evaluation": rm.evaluation.GenerativeModel(3),
    },
    "regmdp.algorithms.StochasticVMD": lambda: {
        "samples": 3,
        "inner_samples": 2,
        "step_size": 0.5,
        "mirror": rm.Shannon(1.0),
    },
    "regmdp.algorithms.ValueIteration": lambda: {},
    "regmdp.algorithms.ValueMirrorDescent": lambda: {
        "step_size": 0.5,
        "mirror": rm.Shannon(1.0),
        "evaluation": rm.evaluation.Sweeps(2),
    },
    "regmdp.bellman.backup": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "value": VALUE,
    },
    "regmdp.bellman.backup_of_zero": lambda: {"mdp": model(), "regularizer": rm.Shannon(0.1)},
    "regmdp.bellman.improve_zero": lambda: {"mdp": model(), "regularizer": rm.Shannon(0.1)},
    "regmdp.bellman.expected_rewards": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "policy": POLICY,
    },
    "regmdp.bellman.expected_values": lambda: {"mdp": model(), "value": VALUE},
    "regmdp.bellman.greedy": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "value": VALUE,
    },
    "regmdp.bellman.improve": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "value": VALUE,
    },
    "regmdp.bellman.next_state_weights": lambda: {"mdp": model(), "weights": POLICY},
    "regmdp.bellman.policy_backup": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "policy": POLICY,
        "value": VALUE,
    },
    "regmdp.bellman.q_backup": lambda: {"mdp": model(), "regularizer": rm.Shannon(0.1), "q": Q},
    "regmdp.bellman.q_policy_backup": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "policy": POLICY,
        "q": Q,
    },
    "regmdp.bellman.q_values": lambda: {"mdp": model(), "value": VALUE},
    "regmdp.bellman.residual": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "value": VALUE,
    },
    "regmdp.evaluation.TD": lambda: {
        "steps": 5,
        "step_size": 0.5,
        "target": "expected",
        "trace_decay": 0.5,
        "n_envs": 1,
        "exploration": 0.0,
    },
    "regmdp.evaluation.CertaintyEquivalence": lambda: {},
    "regmdp.evaluation.DecayingEntropy": lambda: {"initial": 0.5},
    "regmdp.evaluation.Direct": lambda: {},
    "regmdp.evaluation.Exact": lambda: {},
    "regmdp.evaluation.GenerativeModel": lambda: {
        "samples": 3,
        "reuse": False,
        "confidence": 0.5,
    },
    "regmdp.evaluation.GeometricSamples": lambda: {"initial": 3, "factor": 2.0, "period": 2},
    "regmdp.evaluation.Krylov": lambda: {"max_iterations": 5},
    "regmdp.evaluation.StackedDirect": lambda: {},
    "regmdp.evaluation.MonteCarlo": lambda: {"episodes": 3, "horizon": 3},
    "regmdp.evaluation.Noisy": lambda: {"delta": 0.5, "kind": "uniform"},
    "regmdp.evaluation.OfflineTD": lambda: {
        "updates": 5,
        "batch_size": 2,
        "step_size": 0.5,
        "target": "expected",
    },
    "regmdp.evaluation.PerturbedEvaluation": lambda: {
        "evaluation": rm.evaluation.GenerativeModel(3),
        "perturbation": rm.evaluation.DecayingEntropy(0.5),
    },
    "regmdp.evaluation.PolynomialRate": lambda: {"power": 0.5},
    "regmdp.evaluation.ReplayTD": lambda: {
        "steps": 5,
        "updates": 5,
        "batch_size": 2,
        "buffer_size": 10,
        "step_size": 0.5,
        "target": "expected",
        "n_envs": 1,
        "exploration": 0.5,
    },
    "regmdp.evaluation.RescaledLinearRate": lambda: {},
    "regmdp.evaluation.Rollouts": lambda: {"episodes": 3, "horizon": 3, "baseline": True},
    "regmdp.evaluation.Sweeps": lambda: {"count": 3},
    "regmdp.evaluation.SynchronousTD": lambda: {
        "sweeps": 3,
        "step_size": 0.5,
        "target": "expected",
    },
    "regmdp.evaluation.VarianceReducedSweep": lambda: {
        "samples": 3,
        "inner_samples": 2,
        "period": 2,
    },
    "regmdp.improvement.DualAveraging": lambda: {"step_size": 0.5, "accuracy": 0.1},
    "regmdp.improvement.FisherNaturalGradient": lambda: {"step_size": 0.5},
    "regmdp.improvement.Greedy": lambda: {},
    "regmdp.improvement.HomotopicMirrorDescent": lambda: {"step_size": 0.5},
    "regmdp.improvement.Lookahead": lambda: {"improvement": rm.improvement.Greedy(), "depth": 2},
    "regmdp.improvement.MirrorDescent": lambda: {
        "step_size": 0.5,
        "potential": rm.Shannon(1.0),
    },
    "regmdp.improvement.Mixture": lambda: {"share": 0.5},
    "regmdp.improvement.NaturalGradient": lambda: {"step_size": 0.5},
    "regmdp.improvement.PerturbedDescent": lambda: {
        "perturbation": rm.evaluation.DecayingEntropy(0.5)
    },
    "regmdp.improvement.SoftmaxGradient": lambda: {"step_size": 0.5},
    "regmdp.improvement.greedy_policy": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "value": VALUE,
        "previous": None,
    },
}
