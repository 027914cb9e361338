"""Every function of the theory is compared with an independent computation in a quick test.

The last column of the table is the error in the function that the test was seen to detect.
"""

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest

import regmdp as rm

FOLDER = Path(__file__).parent

FORMULAS = {
    "adaptive_pmd_bound": ("test_bounds", "adaptive_mirror_descent", "c_0/(1-γ)"),
    "admissible_evaluation_error": ("test_inexact", "the_admissible_error", "ε/2 for ε/4"),
    "as_dual_averaging": ("test_bounds", "a_run_as_dual_averaging", "the step of NPG for η_MD"),
    "averaged_policy_iteration_bound": ("test_bounds", "averaged_step", "β(1-γ)/2"),
    "check": ("test_mutations", "wrong_averages", "iterates of another method"),
    "compute_optimum": ("test_loops", "optimum", "another temperature"),
    "entropy_npg_bounds": ("test_bounds", "entropy_natural_gradient", "2 C_1 for 3 C_1"),
    "entropy_npg_iterations": ("test_iteration_counts", "entropy_npg", "one iteration fewer"),
    "fisher_matrix": (
        "test_softmax_convergence",
        "the_fisher_matrix_is_the_expected_outer_product",
        "visits for the occupancy",
    ),
    "gap_by_divergence": ("test_bounds", "gap_by_divergence_written_out", "without τ"),
    "gap_iterations": ("test_iteration_counts", "both_counts_of_a_gap", "γ C_1 for 3 C_1"),
    "geometric_pmd_bound": ("test_bounds", "geometric_mirror_descent", "ϑ for ϑ-1"),
    "gpmd_bounds": ("test_inexact", "the_published_floor_written_out", "without (1-α) e_2"),
    "gradient_dominance_constant": (
        "test_softmax_convergence",
        "the_constant_written_out",
        "without 1/√S",
    ),
    "homotopic_pmd_gap_bound": ("test_bounds", "homotopic_gap_by_its_recursion", "1-γ for 2-γ"),
    "homotopic_pmd_policy_bound": (
        "test_bounds",
        "homotopic_limit_is_the_policy_of_maximal_entropy",
        "λ that is not discounted",
    ),
    "inexact_entropy_npg_bounds": (
        "test_inexact",
        "both_bounds_of_natural_policy_gradient_written_out",
        "C_2 for γ C_2",
    ),
    "inexact_floor": ("test_inexact", "the_published_floor_written_out", "e_2 once less"),
    "inexact_npg_samples": ("test_iteration_counts", "the_samples_written_out", "(1-γ)⁻² for N"),
    "linear_system": ("test_bounds", "linear_system_written_out", "α^t for α^(t+1)"),
    "local_rates": ("test_local_convergence", "the_curvature_of_two_arms", "k without D"),
    "maximum_entropy_policy": (
        "test_bounds",
        "homotopic_limit_is_the_policy_of_maximal_entropy",
        "one of the best actions",
    ),
    "mirror_descent_gap_bound": ("test_bounds", "mirror_descent_gap", "1/η for 1/η + τ"),
    "mirror_descent_iterations": (
        "test_iteration_counts",
        "mirror_descent",
        "the smaller of the two horizons",
    ),
    "mirror_descent_on_simplex": ("test_simplex_descent", "entropy_multiplies", "another sign"),
    "mirror_descent_regret": (
        "test_simplex_descent",
        "the_regret_is_within_its_bound",
        "points of the next step",
    ),
    "mirror_descent_regret_bound": (
        "test_simplex_descent",
        "no_constant_of_the_bound_can_be_smaller",
        "1/(4μ) for 1/(2μ)",
    ),
    "mirror_descent_step": ("test_bounds", "mirror_descent_gap", "1/η for (1-γ)/η"),
    "monotone_improvement": ("test_bounds", "monotone_improvement_written_out", "KL exchanged"),
    "newton_constant": ("test_bounds", "quadratic_constant", "4μτ for 8μτ"),
    "npg_bound": ("test_bounds", "natural_gradient", "1/(1-γ) for 1/(1-γ)²"),
    "npg_iterations": ("test_iteration_counts", "npg", "η of 1-γ for (1-γ)²"),
    "occupancy_ratio": ("test_potential_proof", "the_ratio_is_the_smallest", "the largest ratio"),
    "performance_difference": (
        "test_bounds",
        "performance_difference_written_out",
        "visits of the other policy",
    ),
    "quadratic_constant": ("test_bounds", "quadratic_constant", "2γ² for 4γ²"),
    "reward_range": ("test_bounds", "the_range_of_rewards", "without the 0 of ended episodes"),
    "sharp_inexact_floor": (
        "test_inexact",
        "the_floors_are_related_by_the_linear_system",
        "δ for 2δ, or without μ",
    ),
    "smoothness_constant": ("test_bounds", "softmax_gradient", "4 log A for 8 log A"),
    "soft_policy_iterations": ("test_iteration_counts", "soft_policy_iteration", "without γ"),
    "softmax_gradient": (
        "test_softmax_convergence",
        "the_gradient_by_differences",
        "occupancy for visits",
    ),
    "softmax_pg_asymptotic_bound": (
        "test_softmax_convergence",
        "the_bound_written_out_and_the_limit",
        "η for η/2",
    ),
    "softmax_pg_bound": ("test_bounds", "softmax_gradient", "inf min π, not squared"),
    "stationary_distribution": ("test_bounds", "stationary_distribution", "P for its transpose"),
    "td_pmd_adaptive_bound": ("test_td_pmd", "adaptive_bound_from_its_recursion", "without γ"),
    "td_pmd_geometric_bound": (
        "test_td_pmd",
        "geometric_bound_from_its_formula",
        "η_0 for γη_0",
    ),
    "td_pmd_linear_bounds": ("test_td_pmd", "linear_constant_from_its_formula", "without E"),
    "td_pmd_sublinear_bounds": (
        "test_td_pmd",
        "sublinear_constant_from_its_formula",
        "D_0 for D_0/η",
    ),
    "temperature_for_accuracy": (
        "test_iteration_counts",
        "the_cost_of_entropy_is_attained",
        "without 1-γ",
    ),
    "three_point_identity": ("test_bounds", "three_points_written_out", "1/η for 1/η + τ"),
    "trace": ("test_loops", "npg", "another step"),
}


@cache
def read_tests(file):
    """Return the source of the tests of a file that are not marked slow, and of its helpers."""
    text = (FOLDER / f"{file}.py").read_text(encoding="utf-8")
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and "slow" not in map(
            ast.unparse, node.decorator_list
        ):
            found[node.name] = ast.get_source_segment(text, node)
    return found


def test_every_function_is_in_the_table():
    public = {name for name in rm.theory.__all__ if inspect.isfunction(getattr(rm.theory, name))}
    assert set(FORMULAS) == public


@pytest.mark.parametrize("name", FORMULAS)
def test_the_test_of_a_function_calls_it(name):
    file, test, error = FORMULAS[name]
    tests = read_tests(file)
    source = tests[f"test_{test}"]
    # directly, or by a helper of its file
    called = [source, *(body for helper, body in tests.items() if f"{helper}(" in source)]
    assert any(f"{name}(" in body for body in called)
    assert error
