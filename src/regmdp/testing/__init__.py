"""Checks of user-defined models, regularizers and algorithms, with a counterexample on failure.

The library's own pass the same checks. :mod:`regmdp.testing.strategies` draws models,
policies, values, scores and regularizers for Hypothesis.
"""

from regmdp.testing import strategies
from regmdp.testing.algorithms import check_algorithm
from regmdp.testing.models import check_mdp
from regmdp.testing.regularizers import check_regularizer

__all__ = ["check_algorithm", "check_mdp", "check_regularizer", "strategies"]
