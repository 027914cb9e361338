"""Nothing is left out of the lists."""

import inspect

import numpy as np
from contract.lists import ALGORITHMS, MODELS, REGULARIZERS, SAMPLED, STORAGES, TRANSITIONS

import regmdp as rm
from regmdp.algorithms import Algorithm
from regmdp.evaluation import Evaluation
from regmdp.improvement import Improvement
from regmdp.mdp import Transitions


def public(module, base):
    """The concrete classes of a kind that a module exports."""
    found = (getattr(module, name) for name in module.__all__)
    return {
        item
        for item in found
        if inspect.isclass(item) and issubclass(item, base) and not inspect.isabstract(item)
    }


def concrete(base):
    """All concrete subclasses in the library."""
    found, ahead = set(), [base]
    while ahead:
        for item in ahead.pop().__subclasses__():
            ahead.append(item)
            if item.__module__.startswith("regmdp.") and not inspect.isabstract(item):
                found.add(item)
    return found


def test_every_regularizer_is_listed():
    rng = np.random.default_rng(0)
    listed = {type(make((3, 2), rng)) for make in REGULARIZERS.values()}
    assert concrete(rm.Regularizer) <= listed
    assert concrete(rm.Regularizer) == public(rm, rm.Regularizer)


def test_every_algorithm_is_listed():
    listed = [make() for make in (ALGORITHMS | SAMPLED).values()]
    assert concrete(Algorithm) <= {type(algorithm) for algorithm in listed}
    # methods that are compositions are functions: the names tell which are there
    functions = [
        getattr(rm.algorithms, name) for name in rm.algorithms.__all__ if name[0].isupper()
    ]
    composed = [_composed(function) for function in functions if inspect.isroutine(function)]
    assert composed
    assert {algorithm.name for algorithm in composed} <= {algorithm.name for algorithm in listed}


def _composed(function):
    """Call a method with the step size that it may ask for."""
    required = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is inspect.Parameter.empty
    ]
    return function(**dict.fromkeys(required, 0.1))


def test_every_improvement_is_used_by_a_listed_algorithm():
    used = {type(getattr(make(), "improvement", None)) for make in (ALGORITHMS | SAMPLED).values()}
    assert concrete(Improvement) <= used


def test_every_step_size_is_used_by_a_listed_algorithm():
    improvements = [getattr(make(), "improvement", None) for make in ALGORITHMS.values()]
    improvements = [
        getattr(improvement, "improvement", improvement) for improvement in improvements
    ]
    assert concrete(rm.algorithms.StepSize) <= {
        type(getattr(improvement, "step_size", None)) for improvement in improvements
    }


def test_every_exact_evaluation_is_used_by_a_listed_algorithm():
    used = {type(getattr(make(), "evaluation", None)) for make in ALGORITHMS.values()}
    assert concrete(Evaluation) <= used


def test_every_storage_is_listed():
    parts = MODELS["discounted"](np.random.default_rng(0))
    made = {type(store(parts).transitions) for store in STORAGES.values()}
    assert made == set(TRANSITIONS) == concrete(Transitions)
