"""Off-policy evaluation: the value of a policy, estimated from the data of another."""

from regmdp.off_policy.evaluation import OffPolicyValue, estimate_value

__all__ = ["OffPolicyValue", "estimate_value"]
