"""Inverse reinforcement learning: which reward makes sense of what somebody does, and which rewards the data cannot tell apart.

The demonstrator is taken to be optimal for an unknown reward and a known regularizer: with
Shannon's entropy that is the maximum causal entropy model of Ziebart, Bagnell and Dey.
"""

from regmdp.applications.irl.demonstrations import Demonstrations
from regmdp.applications.irl.features import expected_features
from regmdp.applications.irl.fit import RewardEstimate, match_features, maximize_likelihood
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
