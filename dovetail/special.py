"""torch.special's names.

This file is a door, written by tools/doors.py; run it after adding or renaming an op.
"""

# ruff: noqa: A004, E501, I001, F401
from dovetail.ops.activation import log_softmax, softmax
from dovetail.ops.elementwise import (
    digamma, erf, erfc, erfinv, exp, exp2, sigmoid as expit, expm1, lgamma as gammaln, log1p, logit, digamma as psi,
    round, sinc, xlog1py, xlogy,
)
from dovetail.ops.reduce import logsumexp

__all__ = [
    "digamma", "erf", "erfc", "erfinv", "exp", "exp2", "expit", "expm1", "gammaln", "log1p", "log_softmax", "logit",
    "logsumexp", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]
