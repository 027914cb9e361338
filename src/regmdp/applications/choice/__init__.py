"""Dynamic discrete choice: estimation of utilities from observed choices, and counterfactuals.

The model is an entropy-regularized Markov decision process, in the words of economics: states,
choices, flow utilities, a discount factor, a scale, conditional choice probabilities and inclusive
values. See :class:`ChoiceModel` for the correspondence.
"""

from regmdp.applications.choice.conditional_choices import (
    choice_frequencies,
    hotz_miller,
    nested_pseudo_likelihood,
)
from regmdp.applications.choice.counterfactuals import (
    Counterfactual,
    counterfactual,
    delta_method,
    long_run_shares,
)
from regmdp.applications.choice.estimates import Estimates, LikelihoodRatio, likelihood_ratio_test
from regmdp.applications.choice.figures import draw_counterfactual
from regmdp.applications.choice.likelihood import Likelihood
from regmdp.applications.choice.maximum_likelihood import (
    full_maximum_likelihood,
    nested_fixed_point,
)
from regmdp.applications.choice.model import ChoiceModel, ChoiceSolution
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.resampling import Bootstrap, bootstrap
from regmdp.applications.choice.rust import bus_engine_model, read_buses
from regmdp.applications.choice.simulation import simulate
from regmdp.applications.choice.transitions import (
    ExogenousTransitions,
    Increments,
    KnownTransitions,
    transition_frequencies,
)
from regmdp.applications.choice.utilities import LinearUtilities, Utilities, UtilityFunction

__all__ = [
    "Bootstrap",
    "ChoiceModel",
    "ChoiceSolution",
    "Counterfactual",
    "Estimates",
    "ExogenousTransitions",
    "Increments",
    "KnownTransitions",
    "Likelihood",
    "LikelihoodRatio",
    "LinearUtilities",
    "Panel",
    "Utilities",
    "UtilityFunction",
    "bootstrap",
    "bus_engine_model",
    "choice_frequencies",
    "counterfactual",
    "delta_method",
    "draw_counterfactual",
    "full_maximum_likelihood",
    "hotz_miller",
    "likelihood_ratio_test",
    "long_run_shares",
    "nested_fixed_point",
    "nested_pseudo_likelihood",
    "read_buses",
    "simulate",
    "transition_frequencies",
]
