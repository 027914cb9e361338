"""Dynamic discrete choice: estimating what people want from what they choose, and what they would choose elsewhere.

The model is an entropy-regularized Markov decision process, in the words of economics: states, choices, flow utilities, a discount
factor, a scale, conditional choice probabilities and inclusive values. See :class:`ChoiceModel` for which word is which.
"""

from regmdp.choice.bootstrap import Bootstrap, bootstrap
from regmdp.choice.conditional_choices import choice_frequencies, hotz_miller, nested_pseudo_likelihood
from regmdp.choice.counterfactuals import Counterfactual, counterfactual, delta_method, long_run_shares
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
    "Bootstrap",
    "ChoiceModel",
    "Counterfactual",
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
    "bootstrap",
    "bus_engine_model",
    "choice_frequencies",
    "counterfactual",
    "delta_method",
    "frequencies",
    "full_maximum_likelihood",
    "hotz_miller",
    "likelihood_ratio_test",
    "long_run_shares",
    "nested_fixed_point",
    "nested_pseudo_likelihood",
    "read_buses",
    "simulate",
]
