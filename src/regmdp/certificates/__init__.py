"""Certificates: valid bounds from a model, a regularizer and any candidate."""

from regmdp.certificates.certificate import Bounds, Certificate
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
from regmdp.certificates.gain import require_bounded
from regmdp.certificates.rounding import backup_error
from regmdp.certificates.statistical import StatisticalCertificate, certify_from_samples

__all__ = [
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
    "require_bounded",
    "rounding_gap",
]
