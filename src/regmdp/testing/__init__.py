"""Checks for one's own models, regularizers and algorithms: each says what is wrong, where, by how much, with a witness.

The same checks run over everything in this library. :mod:`regmdp.testing.strategies` draws models,
policies, values, scores and regularizers for Hypothesis.
"""

from regmdp.testing import strategies
from regmdp.testing.algorithms import check_algorithm
from regmdp.testing.models import check_mdp
from regmdp.testing.regularizers import check_regularizer

__all__ = ["check_algorithm", "check_mdp", "check_regularizer", "strategies"]
