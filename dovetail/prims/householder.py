"""Householder's form of a QR factorisation: R above, reflections below. LAPACK through NumPy, without gradient."""

from __future__ import annotations

import numpy as np

from dovetail.prims.linalg import check_matrix, on_host


def geqrf_meaning(x):
    """NumPy gives the transpose of LAPACK's matrix."""
    packed, tau = np.linalg.qr(x, mode="raw")
    return np.ascontiguousarray(np.swapaxes(packed, -1, -2)), np.ascontiguousarray(tau)


geqrf = on_host("geqrf", geqrf_meaning)
geqrf.differentiable = False


@geqrf.shape
def geqrf_shape(x):
    """Two results: R in the upper triangle with the vectors v below it (their first element is 1), and each tau."""
    check_matrix("geqrf", x)
    return [(x.shape, x.dtype), ((*x.shape[:-2], min(x.shape[-2:])), x.dtype)]
