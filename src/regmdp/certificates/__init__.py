"""Certificates: from a model, a regularizer and any candidate to bounds that hold."""

from regmdp.certificates.certificate import Bounds, Certificate
from regmdp.certificates.certify import Evaluated, certify, checked_regularizer, checked_value, evaluate, judge
from regmdp.certificates.gain import require_bounded
from regmdp.certificates.rounding import backup_error

__all__ = [
    "Bounds",
    "Certificate",
    "Evaluated",
    "backup_error",
    "certify",
    "checked_regularizer",
    "checked_value",
    "evaluate",
    "judge",
    "require_bounded",
]
