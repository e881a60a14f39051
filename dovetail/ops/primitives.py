"""Every primitive under one short name: op files say `import dovetail.ops.primitives as p` and write p.exp(x)."""

# ruff: noqa: F401
import dovetail.prims.sugar as sugar
from dovetail.prims.bits import bitcast, reduce_xor
from dovetail.prims.contract import contract
from dovetail.prims.conv import conv, conv_input_grad
from dovetail.prims.elementwise import abs_ as abs
from dovetail.prims.elementwise import (
    acos,
    acosh,
    add,
    angle,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    ceil,
    conj,
    convert,
    copysign,
    cos,
    cosh,
    detach,
    digamma,
    div,
    eq,
    erf,
    erfc,
    erfinv,
    exp,
    exp2,
    expm1,
    floor,
    floor_divide,
    fmod,
    ge,
    gt,
    hypot,
    identity,
    imag,
    is_finite,
    is_inf,
    is_nan,
    le,
    lgamma,
    log,
    log1p,
    log2,
    log10,
    logical_not,
    lt,
    make_complex,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    nextafter,
    polygamma,
    real,
    reciprocal,
    remainder,
    rsqrt,
    shift_left,
    shift_right,
    sigmoid,
    sign,
    sin,
    sinh,
    sqrt,
    sub,
    tan,
    tanh,
    trunc,
    where,
)
from dovetail.prims.elementwise import pow_ as pow
from dovetail.prims.elementwise import round_ as round
from dovetail.prims.fft import fft, irfft, rfft
from dovetail.prims.householder import geqrf
from dovetail.prims.indefinite import ldl_factor, ldl_solve
from dovetail.prims.index import gather, gather_nd, index_add, scatter, scatter_add, scatter_nd, take
from dovetail.prims.linalg import (
    cholesky,
    det,
    eig,
    eigh,
    inv,
    lstsq,
    lu_factor,
    matrix_exp,
    pinv,
    qr,
    slogdet,
    solve,
    svd,
    triangular_solve,
)
from dovetail.prims.make import full, iota, literal, random_bits
from dovetail.prims.rare import (
    airy_ai,
    erfcx,
    frexp,
    gcd,
    i0,
    i0e,
    i1,
    i1e,
    igamma,
    igammac,
    j0,
    j1,
    k0,
    k0e,
    k1,
    k1e,
    log_ndtr,
    ndtri,
    polynomial,
    y0,
    y1,
    zeta,
)
from dovetail.prims.reduce import (
    argmax,
    argmin,
    reduce_all,
    reduce_any,
    reduce_max,
    reduce_min,
    reduce_prod,
    reduce_sum,
)
from dovetail.prims.scan import cummax, cummin, cumprod, cumsum, latest_hit, logcumsumexp
from dovetail.prims.shape import broadcast, concat, diagonal, pad, reshape, transpose, update_slice
from dovetail.prims.shape import slice_ as slice
from dovetail.prims.sort import argsort
from dovetail.prims.window import window_max, window_max_grad, window_sum, windows, windows_grad
