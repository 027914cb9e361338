"""The methods: compositions of an evaluation and an improvement, run by one loop."""

from regmdp.algorithms.choose import choose
from regmdp.algorithms.iterate import Algorithm, Event, History, Run, Start, State, iterate
from regmdp.algorithms.iteration import ModifiedPolicyIteration, PolicyIteration, PolicyOptimization, ValueIteration

__all__ = [
    "Algorithm",
    "Event",
    "History",
    "ModifiedPolicyIteration",
    "PolicyIteration",
    "PolicyOptimization",
    "Run",
    "Start",
    "State",
    "ValueIteration",
    "choose",
    "iterate",
]
