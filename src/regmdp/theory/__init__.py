"""Theorems and identities as functions, and their comparison with runs of the methods."""

from regmdp.theory.checking import STATEMENTS, check
from regmdp.theory.dual_averaging import DualAveragingRun, as_dual_averaging
from regmdp.theory.fisher import fisher_matrix, softmax_gradient
from regmdp.theory.greedy import (
    averaged_policy_iteration_bound,
    newton_constant,
    quadratic_constant,
)
from regmdp.theory.homotopic import (
    homotopic_pmd_gap_bound,
    homotopic_pmd_policy_bound,
    maximum_entropy_policy,
)
from regmdp.theory.identities import (
    gap_by_divergence,
    monotone_improvement,
    performance_difference,
    three_point_identity,
)
from regmdp.theory.inexact import admissible_evaluation_error
from regmdp.theory.initial_policy import mirror_descent_step
from regmdp.theory.iteration_counts import (
    IterationCounts,
    entropy_npg_iterations,
    gap_iterations,
    mirror_descent_iterations,
    npg_iterations,
    soft_policy_iterations,
)
from regmdp.theory.local_convergence import LocalRates, local_rates
from regmdp.theory.optima import Optimum, compute_optimum, stationary_distribution
from regmdp.theory.potential_proof import occupancy_ratio
from regmdp.theory.rates import (
    EntropyNPGBounds,
    GPMDBounds,
    entropy_npg_bounds,
    gpmd_bounds,
    inexact_entropy_npg_bounds,
    inexact_floor,
    sharp_inexact_floor,
)
from regmdp.theory.report import (
    ComparedValues,
    Comparison,
    Identity,
    NotApplicable,
    NotApplicableError,
    Report,
    UpperBound,
)
from regmdp.theory.runs import Trace, trace
from regmdp.theory.sample_complexity import (
    SampleComplexity,
    inexact_npg_samples,
    temperature_for_accuracy,
)
from regmdp.theory.simplex_descent import (
    SimplexTrajectory,
    mirror_descent_on_simplex,
    mirror_descent_regret,
    mirror_descent_regret_bound,
)
from regmdp.theory.softmax import smoothness_constant, softmax_pg_bound
from regmdp.theory.softmax_convergence import (
    gradient_dominance_constant,
    softmax_pg_asymptotic_bound,
)
from regmdp.theory.statements import Statement
from regmdp.theory.steps import LinearSystem, linear_system, mirror_descent_gap_bound
from regmdp.theory.td_pmd import (
    TDPMDBounds,
    td_pmd_adaptive_bound,
    td_pmd_geometric_bound,
    td_pmd_linear_bounds,
    td_pmd_sublinear_bounds,
)
from regmdp.theory.unregularized import (
    adaptive_pmd_bound,
    geometric_pmd_bound,
    npg_bound,
    reward_range,
)

__all__ = [
    "STATEMENTS",
    "ComparedValues",
    "Comparison",
    "DualAveragingRun",
    "EntropyNPGBounds",
    "GPMDBounds",
    "Identity",
    "IterationCounts",
    "LinearSystem",
    "LocalRates",
    "NotApplicable",
    "NotApplicableError",
    "Optimum",
    "Report",
    "SampleComplexity",
    "SimplexTrajectory",
    "Statement",
    "TDPMDBounds",
    "Trace",
    "UpperBound",
    "adaptive_pmd_bound",
    "admissible_evaluation_error",
    "as_dual_averaging",
    "averaged_policy_iteration_bound",
    "check",
    "compute_optimum",
    "entropy_npg_bounds",
    "entropy_npg_iterations",
    "fisher_matrix",
    "gap_by_divergence",
    "gap_iterations",
    "geometric_pmd_bound",
    "gpmd_bounds",
    "gradient_dominance_constant",
    "homotopic_pmd_gap_bound",
    "homotopic_pmd_policy_bound",
    "inexact_entropy_npg_bounds",
    "inexact_floor",
    "inexact_npg_samples",
    "linear_system",
    "local_rates",
    "maximum_entropy_policy",
    "mirror_descent_gap_bound",
    "mirror_descent_iterations",
    "mirror_descent_on_simplex",
    "mirror_descent_regret",
    "mirror_descent_regret_bound",
    "mirror_descent_step",
    "monotone_improvement",
    "newton_constant",
    "npg_bound",
    "npg_iterations",
    "occupancy_ratio",
    "performance_difference",
    "quadratic_constant",
    "reward_range",
    "sharp_inexact_floor",
    "smoothness_constant",
    "soft_policy_iterations",
    "softmax_gradient",
    "softmax_pg_asymptotic_bound",
    "softmax_pg_bound",
    "stationary_distribution",
    "td_pmd_adaptive_bound",
    "td_pmd_geometric_bound",
    "td_pmd_linear_bounds",
    "td_pmd_sublinear_bounds",
    "temperature_for_accuracy",
    "three_point_identity",
    "trace",
]
