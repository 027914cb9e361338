"""Inverse reinforcement learning: rewards that explain demonstrations, and their identification.

The demonstrator is taken to be optimal for an unknown reward and a known regularizer: with
Shannon's entropy that is the maximum causal entropy model of Ziebart, Bagnell and Dey.
"""

from regmdp.applications.irl.demonstrations import Demonstrations
from regmdp.applications.irl.estimates import RewardEstimate
from regmdp.applications.irl.features import expected_features
from regmdp.applications.irl.fit import match_features, maximize_likelihood
from regmdp.applications.irl.identification import Identification, identify, reward_with_value

__all__ = [
    "Demonstrations",
    "Identification",
    "RewardEstimate",
    "expected_features",
    "identify",
    "match_features",
    "maximize_likelihood",
    "reward_with_value",
]
