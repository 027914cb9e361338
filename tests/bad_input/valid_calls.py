"""One valid call of every public callable; the tests of bad input replace its arguments one by one.

A new public callable needs an entry in one of the tables of calls, or here in ``EXEMPT``.
"""

from bad_input import (
    data_calls,
    method_calls,
    model_calls,
    regularizer_calls,
    solving_calls,
    theory_calls,
)

__all__ = ["ACCEPTED", "CALLS", "EXEMPT"]

#: Arguments by the name of the callable; after "#", one of several calls of the same callable.
CALLS = (
    solving_calls.CALLS
    | regularizer_calls.CALLS
    | method_calls.CALLS
    | data_calls.CALLS
    | theory_calls.CALLS
    | model_calls.CALLS
)

_BASE = "an abstract class"
_PART = "a part for the layers above, which have checked its arguments"
_OWN = "its bad input is tested with the package that it belongs to"
_EXTRA = "it needs a package that may be missing, and takes at most a discount"
_RECORD = "what the library returns; users do not make one"

#: Public callables without a valid call, and why.
EXEMPT = {
    "regmdp.Certificate": _RECORD,
    "regmdp.Event": _RECORD,
    "regmdp.Frontier": _RECORD,
    "regmdp.GridLayout": _RECORD,
    "regmdp.LearningResult": _RECORD,
    "regmdp.LineLayout": _RECORD,
    "regmdp.PolicyEvaluation": _RECORD,
    "regmdp.Regularizer": _BASE,
    "regmdp.Solution": _RECORD,
    "regmdp.StatisticalCertificate": _RECORD,
    "regmdp.Status": _RECORD,
    "regmdp.algorithms.Tolerance": _PART,
    "regmdp.certificates.Bounds": _PART,
    "regmdp.certificates.backup_error": _PART,
    "regmdp.certificates.bound_values": _PART,
    "regmdp.certificates.rounding_gap": _PART,
    "regmdp.off_policy.OffPolicyValue": _RECORD,
    "regmdp.off_policy.WeightTest": _RECORD,
    "regmdp.regularizers.ProbabilityBounds": _PART,
    "regmdp.regularizers.SeparableRegularizer": _BASE,
    "regmdp.regularizers.diagonal_hessian_product": _PART,
    "regmdp.samples.Dataset": _RECORD,
    "regmdp.samples.EpisodicProcess": _BASE,
    "regmdp.samples.Outcome": _RECORD,
    "regmdp.samples.Rollout": _BASE,
    "regmdp.samples.SimulatedRollout": _PART,
    "regmdp.samples.Simulator": _BASE,
    "regmdp.samples.Step": _RECORD,
    "regmdp.samples.draw_categorical": _PART,
    "regmdp.theory.ComparedValues": _RECORD,
    "regmdp.theory.DualAveragingRun": _RECORD,
    "regmdp.theory.EntropyNPGBounds": _RECORD,
    "regmdp.theory.GPMDBounds": _RECORD,
    "regmdp.theory.Identity": _RECORD,
    "regmdp.theory.IterationCounts": _RECORD,
    "regmdp.theory.LinearSystem": _RECORD,
    "regmdp.theory.LocalRates": _RECORD,
    "regmdp.theory.NotApplicable": _RECORD,
    "regmdp.theory.Optimum": _RECORD,
    "regmdp.theory.Report": _RECORD,
    "regmdp.theory.SampleComplexity": _RECORD,
    "regmdp.theory.SimplexTrajectory": _RECORD,
    "regmdp.theory.Statement": _RECORD,
    "regmdp.theory.TDPMDBounds": _RECORD,
    "regmdp.theory.Trace": _RECORD,
    "regmdp.theory.UpperBound": _RECORD,
    "regmdp.theory.Comparison": _BASE,
    "regmdp.models.NamedModel": _RECORD,
    "regmdp.models.icu_sepsis": _EXTRA,
    "regmdp.models.icu_sepsis_expert": _EXTRA,
    "regmdp.gradients.Accuracy": _RECORD,
    "regmdp.gradients.Derivative": _RECORD,
    "regmdp.gradients.Gradient": _RECORD,
    "regmdp.gradients.GradientErrors": _RECORD,
    "regmdp.gradients.Linearization": _RECORD,
    "regmdp.gradients.LowRankGradient": _RECORD,
    "regmdp.gradients.ModelFunction": _OWN,
    "regmdp.gradients.ParametricModel": _BASE,
    "regmdp.gradients.Perturbation": _OWN,
    "regmdp.gradients.ValueAndGradient": _RECORD,
    "regmdp.irl.Demonstrations": _RECORD,
    "regmdp.irl.Identification": _RECORD,
    "regmdp.irl.RewardEstimate": _RECORD,
    "regmdp.irl.identify": _OWN,
    "regmdp.io.DiscreteDPArguments": _RECORD,
    "regmdp.io.Environment": _OWN,
    "regmdp.io.ModelWriter": _OWN,
    "regmdp.io.from_gymnasium": _OWN,
    "regmdp.io.from_vector_env": _OWN,
    "regmdp.io.load_model": _OWN,
    "regmdp.io.load_policy": _OWN,
    "regmdp.io.open_mapped": _OWN,
    "regmdp.io.read_model": _OWN,
    "regmdp.io.save_mapped": _OWN,
    "regmdp.io.save_model": _OWN,
    "regmdp.io.time_limit_note": _OWN,
    "regmdp.io.write_model": _OWN,
    "regmdp.theory.three_point_identity": _PART,
    "regmdp.algorithms.Algorithm": _BASE,
    "regmdp.algorithms.History": _RECORD,
    "regmdp.algorithms.Recorder": _PART,
    "regmdp.algorithms.Run": _RECORD,
    "regmdp.algorithms.Start": _RECORD,
    "regmdp.algorithms.State": _RECORD,
    "regmdp.algorithms.StepSize": _BASE,
    "regmdp.algorithms.check_and_certify": _PART,
    "regmdp.algorithms.choose": _PART,
    "regmdp.algorithms.iterate": _PART,
    "regmdp.algorithms.run_loop": _PART,
    "regmdp.evaluation.Chain": _PART,
    "regmdp.evaluation.EmpiricalModels": _RECORD,
    "regmdp.evaluation.Estimate": _RECORD,
    "regmdp.evaluation.Evaluation": _BASE,
    "regmdp.evaluation.LearningRate": _BASE,
    "regmdp.evaluation.LinearEvaluation": _BASE,
    "regmdp.evaluation.RunBatch": _PART,
    "regmdp.evaluation.SampledEvaluation": _BASE,
    "regmdp.evaluation.System": _BASE,
    "regmdp.evaluation.tile_regularizer": _PART,
    "regmdp.improvement.Candidate": _RECORD,
    "regmdp.improvement.Improvement": _BASE,
    "regmdp.improvement.ImprovementResult": _RECORD,
    "regmdp.improvement.StepSizeImprovement": _BASE,
    "regmdp.improvement.advantage": _PART,
}

#: For "callable parameter": labels of values that look bad and are accepted, and why.
ACCEPTED = {
    "regmdp.theory.mirror_descent_on_simplex gradient": dict.fromkeys(
        ("sevens", "negative", "zeros"), "gradients are any numbers"
    ),
    "regmdp.theory.monotone_improvement policy": {"None": "the uniform policy"},
    "regmdp.frontier temperatures": dict.fromkeys(
        ("empty", "a row less", "shuffled frame"), "any number of temperatures, in any order"
    ),
    **{
        f"regmdp.{name} rewards": dict.fromkeys(("sevens", "negative", "zeros"), "rewards are any")
        for name in ("MDP", "MDP.from_action_matrices", "MDP.from_pairs")
    },
    **{
        f"regmdp.{name} discount": {"0": "only the first reward counts"}
        for name in ("MDP", "MDP.from_action_matrices", "MDP.from_pairs", "samples.OfflineMDP")
    },
    **{
        f"regmdp.{name} termination": {"zeros": "no episode ends"}
        for name in ("MDP", "MDP.from_action_matrices", "MDP.from_pairs")
    },
    **{
        f"regmdp.{place}": dict.fromkeys(
            ("sevens", "negative", "zeros", "-1", "0", "2", "a column more"), "any numbers"
        )
        for place in (
            "gradients.RewardFeatures features",
            "gradients.linearize solution",
            "gradients.value_and_gradient start",
            "gradients.value_and_gradient theta",
            "io.from_mdptoolbox R",
            "io.from_quantecon R",
            "io.from_quantecon#pairs R",
            "irl.expected_features action",
            "irl.expected_features known",
            "irl.expected_features pair",
            "irl.expected_features state",
            "irl.expected_features successor",
            "irl.match_features start",
            "irl.maximize_likelihood start",
            "irl.reward_with_value value",
        )
    },
    "regmdp.io.from_mdptoolbox discount": {"0": "only the first reward counts"},
    "regmdp.io.from_quantecon beta": {"0": "only the first reward counts"},
    "regmdp.io.from_quantecon#pairs beta": {"0": "only the first reward counts"},
    "regmdp.io.from_quantecon#pairs Q": {"sparse": "sparse arrays are accepted"},
    **{
        f"regmdp.theory.td_pmd_{name} value": dict.fromkeys(
            ("sevens", "negative", "zeros"), "values are any numbers"
        )
        for name in ("adaptive_bound", "geometric_bound", "linear_bounds", "sublinear_bounds")
    },
    **{
        f"regmdp.{name}": dict.fromkeys(("sevens", "negative", "zeros"), "values are any numbers")
        for name in ("certify value", "certify_from_samples value", "solve start")
    },
    "regmdp.certify_from_samples#data value": dict.fromkeys(
        ("sevens", "negative", "zeros"), "values are any numbers"
    ),
    "regmdp.KL reference": dict.fromkeys(
        ("a row more", "a row less", "zeros"),
        "the number of states is not known; rows of terminal states are 0",
    ),
    "regmdp.MDP.from_pairs transitions": {"sparse": "sparse arrays are accepted"},
    "regmdp.MDP.from_pairs action": {"zeros": "the first action in each state"},
    "regmdp.samples.UserSimulator discount": {"0": "only the first reward counts"},
    "regmdp.samples.UserSimulator reward_range": dict.fromkeys(
        ("sevens", "negative", "zeros"), "the function is not called yet"
    ),
}
