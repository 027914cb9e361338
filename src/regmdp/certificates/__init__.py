"""Certificates: valid bounds from a model, a regularizer and any candidate."""

from regmdp.certificates.certificate import (
    BOUNDS,
    NUMBERS,
    Bounds,
    Certificate,
    summarize_stack,
)
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
from regmdp.certificates.stacked import stacked_bounds
from regmdp.certificates.statistical import StatisticalCertificate, certify_from_samples
from regmdp.rounding import backup_error

__all__ = [
    "BOUNDS",
    "NUMBERS",
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
    "stacked_bounds",
    "summarize_stack",
]
