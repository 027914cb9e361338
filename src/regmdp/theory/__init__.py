"""The theory as code: what is proved of a method, held against a run of it."""

from regmdp.theory.beginning import mirror_step
from regmdp.theory.checking import STATEMENTS, check
from regmdp.theory.dual_averaging import Averaging, averaging
from regmdp.theory.greedy import averaged_step, newton_constant, quadratic_constant
from regmdp.theory.homotopic import homotopic_gap, homotopic_policy_distance, maximum_entropy_policy
from regmdp.theory.identities import (
    gap_by_divergence,
    monotone_improvement,
    performance_difference,
    three_point,
)
from regmdp.theory.optima import Optimum, optimum, stationary_distribution
from regmdp.theory.rates import (
    EntropyRates,
    GeneralizedRates,
    entropy_natural_gradient,
    generalized_mirror_descent,
    inexact_entropy_natural_gradient,
    inexact_floor,
    sharp_inexact_floor,
)
from regmdp.theory.report import (
    AtMost,
    Comparison,
    Equal,
    Inapplicable,
    NotApplicable,
    Numbers,
    Report,
    Statement,
)
from regmdp.theory.runs import Trace, trace
from regmdp.theory.softmax import smoothness, softmax_gradient
from regmdp.theory.steps import LinearSystem, linear_system, mirror_descent_gap
from regmdp.theory.unregularized import (
    adaptive_mirror_descent,
    geometric_mirror_descent,
    natural_gradient,
    reward_range,
)

__all__ = [
    "STATEMENTS",
    "AtMost",
    "Averaging",
    "Comparison",
    "EntropyRates",
    "Equal",
    "GeneralizedRates",
    "Inapplicable",
    "LinearSystem",
    "NotApplicable",
    "Numbers",
    "Optimum",
    "Report",
    "Statement",
    "Trace",
    "adaptive_mirror_descent",
    "averaged_step",
    "averaging",
    "check",
    "entropy_natural_gradient",
    "gap_by_divergence",
    "generalized_mirror_descent",
    "geometric_mirror_descent",
    "homotopic_gap",
    "homotopic_policy_distance",
    "inexact_entropy_natural_gradient",
    "inexact_floor",
    "linear_system",
    "maximum_entropy_policy",
    "mirror_descent_gap",
    "mirror_step",
    "monotone_improvement",
    "natural_gradient",
    "newton_constant",
    "optimum",
    "performance_difference",
    "quadratic_constant",
    "reward_range",
    "sharp_inexact_floor",
    "smoothness",
    "softmax_gradient",
    "stationary_distribution",
    "three_point",
    "trace",
]
