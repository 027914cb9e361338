"""Certificates: valid bounds from a model, a regularizer and any candidate."""

from regmdp.certificates.certificate import BOUNDS, Bounds, Certificate
from regmdp.certificates.certification import (
    PolicyEvaluation,
    bound_values,
    certify,
    evaluate,
)
from regmdp.certificates.concentration import (
    check_confidence,
    empirical_bernstein_radius,
    enough_samples,
    hoeffding_radius,
)
from regmdp.certificates.discounted import rounding_gap
from regmdp.certificates.statistical import StatisticalCertificate, certify_from_samples
from regmdp.rounding import backup_error

__all__ = [
    "BOUNDS",
    "Bounds",
    "Certificate",
    "PolicyEvaluation",
    "StatisticalCertificate",
    "backup_error",
    "bound_values",
    "certify",
    "certify_from_samples",
    "check_confidence",
    "empirical_bernstein_radius",
    "enough_samples",
    "evaluate",
    "hoeffding_radius",
    "rounding_gap",
]
