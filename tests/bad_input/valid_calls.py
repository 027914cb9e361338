"""One valid call of every public callable; the tests of bad input replace its arguments one by one.

A new public callable needs an entry in one of the tables of calls, or here in ``EXEMPT``.
"""

from bad_input import method_calls

__all__ = ["ACCEPTED", "CALLS", "EXEMPT"]

#: Arguments by the name of the callable; after "#", one of several calls of the same callable.
CALLS = method_calls.CALLS

_BASE = "an abstract class"
_PART = "a part for the layers above, which have checked its arguments"
_RECORD = "what the library returns; users do not make one"

#: Public callables without a valid call, and why.
EXEMPT = {
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
ACCEPTED: dict[str, dict[str, str]] = {}
