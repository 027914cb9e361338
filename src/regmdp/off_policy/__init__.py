"""Off-policy evaluation: what a policy is worth, from the data of another."""

from regmdp.off_policy.evaluate import OffPolicyValue, evaluate

__all__ = ["OffPolicyValue", "evaluate"]
