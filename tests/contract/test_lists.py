"""The lists are complete."""

import inspect

import numpy as np
from contract.lists import ALGORITHMS, MODELS, REGULARIZERS, SAMPLED, STORAGES, TRANSITIONS

import regmdp as rm
from regmdp.algorithms import Algorithm
from regmdp.evaluation import Evaluation
from regmdp.improvement import Improvement
from regmdp.mdp import Transitions


def find_public_classes(module, base):
    """Return the concrete subclasses of a class that a module exports."""
    found = (getattr(module, name) for name in module.__all__)
    return {
        item
        for item in found
        if inspect.isclass(item) and issubclass(item, base) and not inspect.isabstract(item)
    }


def find_concrete_subclasses(base):
    """Return all concrete subclasses in the library."""
    found, queue = set(), [base]
    while queue:
        for item in queue.pop().__subclasses__():
            queue.append(item)
            if item.__module__.startswith("regmdp.") and not inspect.isabstract(item):
                found.add(item)
    return found


def test_every_regularizer_is_listed():
    rng = np.random.default_rng(0)
    listed = {type(make((3, 2), rng)) for make in REGULARIZERS.values()}
    assert find_concrete_subclasses(rm.Regularizer) <= listed
    assert find_concrete_subclasses(rm.Regularizer) == find_public_classes(rm, rm.Regularizer)


def test_every_algorithm_is_listed():
    listed = [make() for make in (ALGORITHMS | SAMPLED).values()]
    assert find_concrete_subclasses(Algorithm) <= {type(algorithm) for algorithm in listed}
    # compositions are functions with the names of classes
    functions = [
        getattr(rm.algorithms, name) for name in rm.algorithms.__all__ if name[0].isupper()
    ]
    composed = [
        _make_composition(function) for function in functions if inspect.isroutine(function)
    ]
    assert composed
    assert {algorithm.name for algorithm in composed} <= {algorithm.name for algorithm in listed}


def _make_composition(function):
    """Call a composition with 0.1 for its required parameters."""
    required = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is inspect.Parameter.empty
    ]
    return function(**dict.fromkeys(required, 0.1))


def test_every_improvement_is_used_by_a_listed_algorithm():
    used = {type(getattr(make(), "improvement", None)) for make in (ALGORITHMS | SAMPLED).values()}
    assert find_concrete_subclasses(Improvement) <= used


def test_every_step_size_is_used_by_a_listed_algorithm():
    improvements = [getattr(make(), "improvement", None) for make in ALGORITHMS.values()]
    improvements = [
        getattr(improvement, "improvement", improvement) for improvement in improvements
    ]
    assert find_concrete_subclasses(rm.algorithms.StepSize) <= {
        type(getattr(improvement, "step_size", None)) for improvement in improvements
    }


def test_every_exact_evaluation_is_used_by_a_listed_algorithm():
    used = {type(getattr(make(), "evaluation", None)) for make in ALGORITHMS.values()}
    assert find_concrete_subclasses(Evaluation) <= used


def test_every_storage_is_listed():
    parts = MODELS["discounted"](np.random.default_rng(0))
    made = {type(store(parts).transitions) for store in STORAGES.values()}
    assert made == set(TRANSITIONS) == find_concrete_subclasses(Transitions)
