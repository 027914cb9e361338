"""One valid call of every public callable; the tests of bad input replace its arguments one by one.

A new public callable needs an entry in one of the tables of calls, or a reason in ``exempt``.
"""

from bad_input import (
    choice_calls,
    data_calls,
    deep_calls,
    environment_calls,
    function_calls,
    gradient_calls,
    method_calls,
    model_calls,
    object_calls,
    plot_calls,
    regularizer_calls,
    reproduce_calls,
    routes_calls,
    solving_calls,
    theory_calls,
)

__all__ = ["ACCEPTED", "CALLS", "accepts"]

#: Arguments by the name of the callable; after "#", one of several calls of the same callable.
CALLS = (
    solving_calls.CALLS
    | regularizer_calls.CALLS
    | method_calls.CALLS
    | data_calls.CALLS
    | theory_calls.CALLS
    | model_calls.CALLS
    | choice_calls.CALLS
    | object_calls.CALLS
    | plot_calls.CALLS
    | gradient_calls.CALLS
    | routes_calls.CALLS
    | deep_calls.CALLS
    | environment_calls.CALLS
    | function_calls.CALLS
    | reproduce_calls.CALLS
)

#: Labels of values that are good where any numbers are.
ANY = ("sevens", "negative", "zeros", "largest", "-1", "0", "2", "a column more")

#: For "callable parameter": labels of values that look bad and are accepted, and why.
ACCEPTED = {
    **{
        f"regmdp.{name}.at#array states": {"boolean": "a mask of states"}
        for name in ("Convex", "Sum", "Regularizer")
    },
    "regmdp.io.ModelWriter.write rows": {"sparse": "sparse arrays are accepted"},
    "regmdp.io.ModelWriter.write rewards": dict.fromkeys(ANY, "rewards are any numbers"),
    "regmdp.learn max_iterations": {"0": "no iteration is made, so values are NaN"},
    "regmdp.deep.Learner.predict observation": dict.fromkeys(ANY, "any numbers"),
    "regmdp.deep.Learner.policy observations": dict.fromkeys(
        ("a row more", "a row less", "sevens", "negative", "zeros", "largest"),
        "any number of observations, which are any numbers",
    ),
    "regmdp.deep.Environments.encode observations": dict.fromkeys(
        ("a row more", "a row less", "sevens", "negative", "zeros", "largest"),
        "any number of observations, which are any numbers",
    ),
    "regmdp.deep.Environments.step actions": {"zeros": "all copies take the first action"},
    "regmdp.deep.mlp hidden": {"shuffled frame": "its items, in their order"},
    **{
        f"regmdp.io.{name} R": dict.fromkeys((*ANY, "sparse"), "any numbers, sparse or not")
        for name in ("from_mdptoolbox", "from_quantecon")
    },
    **{
        f"regmdp.choice.Panel {name}": dict.fromkeys(
            ("doubles", "sevens", "zeros", "negative"), "whole numbers, and any states and choices"
        )
        for name in ("individual", "period", "state", "choice", "increment")
    },
    **{
        f"regmdp.plots.{place}": {"nan": "a gap"}
        for place in ("draw_band runs", "draw_bound y", "draw_curve y", "draw_grid_value value")
    },
    "regmdp.plots.draw_grid_value limits": {"shuffled frame": "the values are what counts"},
    "regmdp.plots.set_logarithmic limits": {"shuffled frame": "the values are what counts"},
    "regmdp.MDP.from_reachable discount": {"0": "only the first reward counts"},
    "regmdp.MDP.from_reachable initial": dict.fromkeys(
        ("2.5", "2.0", "huge", "-1", "0", "-huge"), "anything hashable is a state"
    ),
    "regmdp.MDP.from_reachable actions": dict.fromkeys(
        (
            "complex",
            "text entries",
            "a row less",
            "shuffled frame",
            "missing entry",
            "object entry",
            "huge entry",
            "inf",
            "halves",
            "doubles",
        ),
        "anything hashable is an action",
    ),
    "regmdp.MDP.from_function discount": {"0": "only the first reward counts"},
    "regmdp.DimensionLayout positions": dict.fromkeys(
        ("a row more", "a row less"), "any number of states"
    ),
    "regmdp.MDP.with_available available": {"None": "all actions that the model has"},
    "regmdp.MDP.with_discount discount": {"0": "only the first reward counts"},
    "regmdp.MDP.with_rewards rewards": dict.fromkeys(ANY, "rewards are any"),
    "regmdp.MDP.to_columns numbers": dict.fromkeys((*ANY, "nan", "inf", "sparse"), "any numbers"),
    "regmdp.MDP.to_sparse table": dict.fromkeys((*ANY, "nan", "inf"), "any numbers"),
    "regmdp.GridLayout.spread values": dict.fromkeys((*ANY, "nan", "inf"), "NaN at walls"),
    "regmdp.io.ModelWriter discount": {"0": "only the first reward counts"},
    "regmdp.samples.Dataset.subset rows": dict.fromkeys(
        ("empty", "a row more", "a row less", "sevens", "negative", "zeros"), "any rows"
    ),
    "regmdp.routes.RoadNetwork start": {"zeros": "all links may begin at one node"},
    "regmdp.routes.RoadNetwork end": {"zeros": "all links may end at one node"},
    "regmdp.routes.RoadNetwork coordinates": dict.fromkeys(ANY, "any numbers"),
    "regmdp.routes.RoadNetwork.link name": {"3": "a number is the name of a link, too"},
    "regmdp.choice.Panel.subset individuals": dict.fromkeys(
        ("no dimension", "a row more", "a row less", "sevens", "zeros"), "any individuals"
    ),
    "regmdp.choice.KnownTransitions probabilities": {"zeros": "there is no such choice"},
    "regmdp.theory.mirror_descent_on_simplex gradient": dict.fromkeys(
        ("sevens", "negative", "zeros", "largest"), "gradients are any numbers"
    ),
    "regmdp.theory.monotone_improvement policy": {"None": "the uniform policy"},
    "regmdp.frontier temperatures": dict.fromkeys(
        ("empty", "a row less", "shuffled frame"), "any number of temperatures, in any order"
    ),
    **{
        f"regmdp.{name} rewards": dict.fromkeys(
            ("sevens", "negative", "zeros", "largest"), "rewards are any"
        )
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
        f"regmdp.{place}": dict.fromkeys(ANY, "any numbers")
        for place in (
            "gradients.RewardFeatures features",
            "gradients.linearize solution",
            "gradients.value_and_gradient start",
            "gradients.value_and_gradient theta",
            "gradients.ParametricModel.check_parameters theta",
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
            ("sevens", "negative", "zeros", "largest"), "values are any numbers"
        )
        for name in ("adaptive_bound", "geometric_bound", "linear_bounds", "sublinear_bounds")
    },
    **{
        f"regmdp.{name}": dict.fromkeys(
            ("sevens", "negative", "zeros", "largest"), "values are any numbers"
        )
        for name in ("certify value", "certify_from_samples value", "solve start")
    },
    "regmdp.certify_from_samples#data value": dict.fromkeys(
        ("sevens", "negative", "zeros", "largest"), "values are any numbers"
    ),
    "regmdp.KL reference": dict.fromkeys(
        ("a row more", "a row less", "zeros"),
        "the number of states is not known; rows of terminal states are 0",
    ),
    "regmdp.MDP.with_goal goal": {
        "no dimension": "one state",
        "a row more": "a state may be repeated",
        "zeros": "state 0",
    },
    "regmdp.MDP.with_goal avoid": {
        "empty": "no state to avoid",
        "no dimension": "one state",
        "a row more": "a state may be repeated",
        "a row less": "no state to avoid",
        "zeros": "state 0",
    },
    "regmdp.MDP.from_pairs transitions": {"sparse": "sparse arrays are accepted"},
    "regmdp.MDP.from_pairs action": {"zeros": "the first action in each state"},
    "regmdp.samples.UserSimulator discount": {"0": "only the first reward counts"},
    "regmdp.samples.UserSimulator reward_range": dict.fromkeys(
        ("sevens", "negative", "zeros", "largest"), "the function is not called yet"
    ),
}

#: Parameters that are policies, which may be sparse.
POLICIES = ("policy", "start", "other")


def accepts(name: str, parameter: str, label: str) -> bool:
    """Whether a value that looks bad is accepted."""
    if label == "sparse" and parameter in POLICIES:
        return True
    return label in ACCEPTED.get(f"{name} {parameter}", ())
