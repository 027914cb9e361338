"""Off-policy evaluation: what a policy is worth, from the data of another."""

from regmdp.off_policy.evaluation import OffPolicyValue, evaluate

__all__ = ["OffPolicyValue", "evaluate"]
