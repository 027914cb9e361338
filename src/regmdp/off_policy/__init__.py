"""Off-policy evaluation: the value of a policy, estimated from the data of another."""

from regmdp.off_policy.evaluation import estimate_value
from regmdp.off_policy.result import OffPolicyValue
from regmdp.off_policy.weight_checks import WeightTest

__all__ = ["OffPolicyValue", "WeightTest", "estimate_value"]
