"""Off-policy evaluation: what a policy is worth, from the data of another."""

from regmdp.off_policy.evaluation import OffPolicyValue, estimate_value

__all__ = ["OffPolicyValue", "estimate_value"]
