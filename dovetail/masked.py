"""torch.masked's names.

This file is a door, written by tools/doors.py; run it after adding or renaming an op.
"""

# ruff: noqa: A004, E501, I001, F401
from dovetail.ops.masked import (
    masked_amax as amax, masked_amin as amin, masked_argmax as argmax, masked_argmin as argmin,
    masked_cumprod as cumprod, masked_cumsum as cumsum, masked_log_softmax as log_softmax,
    masked_logaddexp as logaddexp, masked_logsumexp as logsumexp, masked_mean as mean, masked_median as median,
    masked_norm as norm, masked_normalize as normalize, masked_prod as prod, masked_softmax as softmax,
    masked_softmin as softmin, masked_std as std, masked_sum as sum, masked_var as var,
)

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]
