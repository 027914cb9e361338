"""Dynamic discrete choice: estimating what people want from what they choose, and what they would choose elsewhere.

The model is an entropy-regularized Markov decision process, in the words of economics: states, choices, flow utilities, a discount
factor, a scale, conditional choice probabilities and inclusive values. See :class:`ChoiceModel` for which word is which.
"""

from regmdp.choice.estimates import Estimates, LikelihoodRatio, likelihood_ratio_test
from regmdp.choice.likelihood import Likelihood
from regmdp.choice.maximum_likelihood import full_maximum_likelihood, nested_fixed_point
from regmdp.choice.model import ChoiceModel, Solved
from regmdp.choice.panel import Panel
from regmdp.choice.rust import bus_engine_model, read_buses
from regmdp.choice.simulation import simulate
from regmdp.choice.transitions import ExogenousTransitions, Increments, KnownTransitions, frequencies
from regmdp.choice.utilities import LinearUtilities, Utilities, UtilityFunction

__all__ = [
    "ChoiceModel",
    "Estimates",
    "ExogenousTransitions",
    "Increments",
    "KnownTransitions",
    "Likelihood",
    "LikelihoodRatio",
    "LinearUtilities",
    "Panel",
    "Solved",
    "Utilities",
    "UtilityFunction",
    "bus_engine_model",
    "frequencies",
    "full_maximum_likelihood",
    "likelihood_ratio_test",
    "nested_fixed_point",
    "read_buses",
    "simulate",
]
