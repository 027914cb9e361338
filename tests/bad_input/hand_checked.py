"""Parameters that are checked in the body of a function and not by a declaration, and why.

A declaration sees one argument, and the model if there is one. It cannot say what depends on other
arguments, and its messages cannot say which other function takes what was given.
"""

import re

__all__ = ["REASONS", "why_hand_checked"]

_TOGETHER = "the shapes depend on one another, and errors name states and actions"
_ADVICE = "the error says which function takes what was given, or how to convert it"
_POLICY = "a policy that must fit the regularizer or the data too, which are checked with it"
_NAMES = "what is a name or a number depends on the data"
_FUNCTIONS = "functions are called on trial, with what depends on the other arguments"
_ANY = "numbers, names or objects of several classes, of which a function makes the same thing"

#: Patterns of "callable parameter", and why these are checked by hand; the first that fits counts.
REASONS: tuple[tuple[str, str], ...] = (
    (r"MDP\.(from_function|from_reachable) ", _FUNCTIONS),
    (r"MDP(\.\w+)? ", _TOGETHER),
    (
        r"(Environment|ModelWriter|from_vector_env|OfflineMDP|UserSimulator|write) (?!env)",
        _TOGETHER,
    ),
    (r"(from_mdptoolbox|from_quantecon) ", _TOGETHER),
    (r"(DimensionLayout|KL|RewardFeatures|KnownTransitions|Panel) ", _TOGETHER),
    (r"(expected_features|exponential_chain|Environments\.\w+|Learner\.p\w+) ", _TOGETHER),
    (r"(RoadNetwork|LinkFeatures|Dataset\.from_columns|Dataset\.from_labels)[. ]", _NAMES),
    (r"(RoadNetwork\.\w+|Trips\.from_sequences|Demonstrations\.from_trajectories) ", _NAMES),
    (r" (policy|start|reference|comparator|probabilities|other|value)$", _POLICY),
    (r" (mdp|regularizer|algorithm|source|data|solution|env|rng|demonstrations)$", _ADVICE),
    (r" (callback|gradient|sample|function|parameters|generators|parts|layout|axes)$", _ANY),
    (r" (name|names|individuals|walls|statements|temperatures|columns|ignore|count)$", _ANY),
    (r" (theta|initial|reward_range|confidence|discount|boundary)$", _ANY),
)


def why_hand_checked(name: str, parameter: str) -> str | None:
    """Return why a parameter of a callable has no declaration; None if no reason is known."""
    place = f"{name} {parameter}"
    return next((reason for pattern, reason in REASONS if re.search(pattern, place)), None)
