"""keras.ops: functions of tensors by Keras's and NumPy's names. Works on tensors, arrays and keras.Input alike."""

from dovetail.keras.ops import image, linalg, nn
from dovetail.keras.ops import math as numpy
from dovetail.keras.ops.activation import (
    celu, elu, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_swish, hard_tanh, leaky_relu, log_sigmoid, log_softmax, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign, sparse_plus, sparse_sigmoid, sparsemax, squareplus, swish, tanh, tanh_shrink, threshold,
)  # fmt: skip
from dovetail.keras.ops.convolution import (
    adaptive_average_pool, adaptive_max_pool, average_pool, conv, conv_transpose, depthwise_conv, max_pool, separable_conv,
)  # fmt: skip
from dovetail.keras.ops.core import (
    associative_scan, cast, cond, convert_to_numpy, convert_to_tensor, custom_gradient, dtype, fori_loop, is_tensor, map, ndim, scan,
    scatter, scatter_update, select, shape, size, slice, slice_update, switch, vectorized_map, view, while_loop,
)  # fmt: skip
from dovetail.keras.ops.linalg import (
    cholesky, cholesky_inverse, det, eig, eigh, inv, jvp, logdet, lstsq, lu_factor, matrix_rank, norm, pinv, qr, slogdet, solve,
    solve_triangular, svd,
)  # fmt: skip
from dovetail.keras.ops.math import (
    abs, absolute, add, all, allclose, amax, amin, angle, any, append, arange, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh,
    argmax, argmin, argpartition, argsort, array, array_split, average, bartlett, bincount, bitwise_and, bitwise_invert, bitwise_left_shift,
    bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor, blackman, broadcast_to, cbrt, ceil, clip, concatenate, conj, conjugate, copy,
    corrcoef, correlate, cos, cosh, count_nonzero, cross, cumprod, cumsum, deg2rad, diag, diagflat, diagonal, diff, digitize, divide,
    divide_no_nan, dot, dsplit, dstack, einsum, empty, empty_like, equal, erf, erfc, erfinv, exp, exp2, expand_dims, expm1,
    extract_sequences, eye, fabs, fft, fft2, flip, fliplr, flipud, floor, floor_divide, fmax, fmin, fmod, full, full_like, gcd, geomspace,
    get_item, greater, greater_equal, hamming, hanning, heaviside, histogram, hsplit, hstack, hypot, i0, identity, ifft2, imag, in_top_k,
    inner, irfft, isclose, isfinite, isin, isinf, isnan, isneginf, isposinf, isreal, istft, kaiser, kron, lcm, ldexp, left_shift, less,
    less_equal, linspace, log, log1p, log2, log10, logaddexp, logaddexp2, logical_and, logical_not, logical_or, logical_xor, logspace,
    logsumexp, matmul, max, maximum, mean, median, meshgrid, min, minimum, mod, moveaxis, multiply, nan_to_num, nanargmax, nanargmin,
    nancumprod, nancumsum, nanmax, nanmean, nanmedian, nanmin, nanpercentile, nanprod, nanquantile, nanstd, nansum, nanvar, negative,
    nextafter, nonzero, not_equal, ones, ones_like, outer, pad, percentile, polar, power, prod, ptp, quantile, rad2deg, ravel, real,
    rearrange, reciprocal, repeat, reshape, rfft, right_shift, roll, rot90, round, rsqrt, saturate_cast, searchsorted, segment_max,
    segment_min, segment_prod, segment_sum, sign, signbit, sin, sinc, sinh, sort, split, sqrt, square, squeeze, stack, std, stft,
    stop_gradient, subtract, sum, swapaxes, take, take_along_axis, tan, tensordot, tile, top_k, trace, transpose, trapezoid, tri, tril,
    triu, true_divide, trunc, unique, unravel_index, unstack, vander, var, vdot, vectorize, view_as_complex, view_as_real, vsplit, vstack, where,
    zeros, zeros_like,
)  # fmt: skip
from dovetail.keras.ops.nn import (
    batch_normalization, binary_crossentropy, categorical_crossentropy, ctc_decode, ctc_loss, depth_to_space, dot_product_attention, fold,
    layer_normalization, moments, multi_hot, normalize, one_hot, psnr, rms_normalization, space_to_depth, sparse_categorical_crossentropy,
    unfold,
)  # fmt: skip
