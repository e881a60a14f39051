"""Dovetail: PyTorch's and Keras's dialects over one compiled engine.

    import dovetail                     # tensors and functions, by torch's names
    import dovetail.nn as nn            # modules, layers, losses
    from dovetail import keras          # the Keras dialect

This file is a door, written by tools/doors.py; run it after adding or renaming an op.
"""

# ruff: noqa: A004, E501, I001, F401
from dovetail.ops import methods  # gives Tensor its methods
from dovetail.ops import subscript  # and its x[i]
from dovetail.tensor import printing, state  # and its text, backward() and detach()
from dovetail.base.config import (
    config, get_num_interop_threads, get_num_threads, set_flush_denormal, set_num_interop_threads, set_num_threads,
)
from dovetail.base.device import device, get_default_device, set_default_device
from dovetail.base.dtypes import (
    DType as dtype, float16, float16 as half, bfloat16, float32, float32 as float, float64, float64 as double, uint8,
    uint16, uint32, uint64, int8, int16, int16 as short, int32, int32 as int, int64, int64 as long, bool_ as bool,
    complex64, complex64 as cfloat, complex128, complex128 as cdouble, promote_types,
    default_dtype as get_default_dtype, set_default_dtype,
)
from dovetail.base.errors import (
    ArgumentError, DeviceError, DimError, DovetailError, DovetailWarning, DTypeError, FileError, GradientError,
    MissingExtra, NotCovered, NotCoveredImport, ShapeError,
)
from dovetail.base.layout import (
    channels_last, channels_last_3d, contiguous_format, jagged, layout, memory_format, preserve_format, sparse_coo,
    sparse_csr, strided,
)
from dovetail.base.limits import e, finfo, iinfo, inf, nan, newaxis, pi
from dovetail.base.numerics import (
    are_deterministic_algorithms_enabled, get_deterministic_debug_mode, get_float32_matmul_precision,
    is_deterministic_algorithms_warn_only_enabled, set_deterministic_debug_mode, set_float32_matmul_precision,
    use_deterministic_algorithms,
)
from dovetail.base.version import __version__
from dovetail.runtime.memory import OutOfMemory as OutOfMemoryError
from dovetail.ops.autocast import (
    autocast, clear_autocast_cache, get_autocast_cpu_dtype, get_autocast_dtype, get_autocast_gpu_dtype,
    is_autocast_cache_enabled, is_autocast_cpu_enabled, is_autocast_enabled, set_autocast_cache_enabled,
    set_autocast_dtype, set_autocast_enabled,
)
from dovetail.ops.control import associative_scan, cond, scan, while_loop
from dovetail.tensor.create import (
    tensor, as_tensor, asarray, empty, empty_like, empty_strided, frombuffer, from_numpy, is_tensor,
)
from dovetail.tensor.detect import is_anomaly_check_nan_enabled, is_anomaly_enabled
from dovetail.tensor.dlpack import from_dlpack
from dovetail.tensor.explain import explain, last_graph
from dovetail.tensor.printing import set_printoptions
from dovetail.tensor.modes import (
    enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled,
)
from dovetail.tensor.random import (
    Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state,
)
from dovetail.tensor.storage import TypedStorage, UntypedStorage
from dovetail.tensor.tensor import Size, Tensor
from dovetail.tensor.typed import (
    BFloat16Tensor, BoolTensor, ByteTensor, CharTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor, LongTensor,
    ShortTensor, set_default_tensor_type,
)
from dovetail.ops import activation as activation_ops
from dovetail.ops import calculus as calculus_ops
from dovetail.ops import compare as compare_ops
from dovetail.ops import counting as counting_ops
from dovetail.ops import elementwise as elementwise_ops
from dovetail.ops import index as index_ops
from dovetail.ops import matmul as matmul_ops
from dovetail.ops import shape as shape_ops
from dovetail.ops import sort as sort_ops
from dovetail.ops.activation import celu, elu, hardshrink, log_softmax, prelu, relu, selu, softmax, threshold
from dovetail.ops.calculus import cumulative_trapezoid, gradient, renorm, trapezoid, trapezoid as trapz
from dovetail.ops.compare import (
    allclose, eq, equal, ge, gt as greater, ge as greater_equal, gt, is_nonzero, is_same_size, isclose, isfinite, isin,
    isinf, isnan, isneginf, isposinf, isreal, le, lt as less, le as less_equal, logical_and, logical_not, logical_or,
    logical_xor, lt, ne, ne as not_equal,
)
from dovetail.ops.conv import (
    channel_shuffle, conv1d, conv2d, conv3d, conv_tbc, conv_transpose1d, conv_transpose2d, conv_transpose3d,
    convolution, channel_shuffle as native_channel_shuffle, pixel_shuffle, pixel_unshuffle,
)
from dovetail.ops.copies import (
    alias_copy, as_strided, as_strided_, as_strided_copy, as_strided_scatter, detach_copy, diagonal_copy, expand_copy,
    narrow_copy, permute_copy, select_copy, slice_copy, split_copy, split_with_sizes_copy, squeeze_copy, t_copy,
    transpose_copy, unbind_copy, unfold_copy, unsqueeze_copy, view_as_complex_copy, view_as_real_copy, view_copy,
)
from dovetail.ops.counting import (
    bincount, broadcast_shapes, combinations, gcd, histc, histogram, histogramdd, lcm, nonzero_static, unique,
    unique_consecutive, unravel_index,
)
from dovetail.ops.create import (
    arange, bartlett_window, blackman_window, empty_permuted, eye, full, full_like, hamming_window, hann_window,
    kaiser_window, linspace, logspace, ones, ones_like, range_ as range, scalar_tensor, tril_indices, triu_indices,
    vander, zeros, zeros_like,
)
from dovetail.ops.elementwise import (
    abs, abs as absolute, acos, acosh, add, addcdiv, addcmul, angle, acos as arccos, acosh as arccosh, asin as arcsin,
    asinh as arcsinh, atan as arctan, atan2 as arctan2, atanh as arctanh, asin, asinh, atan, atan2, atanh, bitwise_and,
    bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor, ceil, clamp, clamp_max, clamp_min,
    clamp as clip, clone, complex, conj, conj_physical, copy, copysign, cos, cosh, deg2rad, digamma, div, div as divide,
    erf, erfc, erfinv, exp, exp2, expm1, fill, trunc as fix, float_power, floor, floor_divide, fmax, fmin, fmod, frac,
    frexp, heaviside, hypot, i0, igamma, igammac, imag, ldexp, lerp, lgamma, log, log10, log1p, log2, logaddexp,
    logaddexp2, logit, maximum, minimum, mul, mul as multiply, mvlgamma, nan_to_num, neg, neg as negative, nextafter,
    polar, positive, pow, rad2deg, real, reciprocal, remainder, resolve_conj, resolve_neg, round, rsqrt, rsub, sgn,
    sigmoid, sign, signbit, sin, sinc, sinh, sqrt, square, sub, sub as subtract, tan, tanh, true_divide, trunc, type_as,
    xlogy, zero_,
)
from dovetail.ops.facts import (
    can_cast, get_device, is_complex, is_conj, is_distributed, is_floating_point, is_inference, is_neg, is_signed,
    is_storage, numel, result_type, typename,
)
from dovetail.ops.fourier import istft, stft
from dovetail.ops.image import (
    constant_pad_nd, grid_sample, grid_sample as grid_sampler, grid_sample as grid_sampler_2d,
    grid_sample as grid_sampler_3d,
)
from dovetail.ops.index import (
    argwhere, gather, index_add, index_copy, index_fill, index_put, index_put_, index_reduce, index_select, masked_fill,
    masked_scatter, masked_select, narrow, nonzero, put, repeat_interleave, scatter, scatter_add, scatter_reduce, take,
    take_along_dim, tensor_split, where,
)
from dovetail.ops.inplace import detach_, resize_as_
from dovetail.ops.linalg import (
    cholesky, cholesky_inverse, cholesky_solve, corrcoef, cov, cross, det, frobenius_norm, geqrf, householder_product,
    inverse, logdet, lu, lu_solve, lu_unpack, matrix_exp, matrix_power, norm, nuclear_norm,
    householder_product as orgqr, ormqr, pinverse, qr, slogdet, svd, triangular_solve,
)
from dovetail.ops.loss import (
    binary_cross_entropy_with_logits, cdist, cosine_embedding_loss, cosine_similarity, hinge_embedding_loss, kl_div,
    margin_ranking_loss, pairwise_distance, pdist, poisson_nll_loss, triplet_margin_loss,
)
from dovetail.ops.lowrank import pca_lowrank, svd_lowrank
from dovetail.ops.matmul import (
    addbmm, addmm, addmv, addr, baddbmm, bilinear, bmm, chain_matmul, dot, einsum, outer as ger, inner, kron, matmul,
    mm, mv, outer, tensordot, vdot, vecdot,
)
from dovetail.ops.normalization import (
    batch_norm, group_norm, instance_norm, layer_norm, native_batch_norm, native_group_norm, native_layer_norm,
    rms_norm,
)
from dovetail.ops.pool import (
    adaptive_avg_pool1d, avg_pool1d, max_pool1d, max_pool1d_with_indices, max_pool2d, max_pool3d,
)
from dovetail.ops.random import (
    alpha_dropout, bernoulli, binomial, dropout, feature_alpha_dropout, multinomial, normal, poisson, rand, rand_like,
    randint, randint_like, randn, randn_like, randperm, rrelu,
)
from dovetail.ops.reduce import (
    all, amax, amin, aminmax, any, argmax, argmin, count_nonzero, dist, hash_tensor, logsumexp, max, mean, min, nanmean,
    nansum, prod, std, std_mean, sum, var, var_mean,
)
from dovetail.ops.sequence_loss import ctc_loss
from dovetail.ops.shape import (
    adjoint, atleast_1d, atleast_2d, atleast_3d, block_diag, broadcast_tensors, broadcast_to, cartesian_prod, cat,
    chunk, column_stack, cat as concat, cat as concatenate, detach, diag, diag_embed, diagflat, diagonal,
    diagonal_scatter, dsplit, dstack, expand, expand_as, flatten, flip, fliplr, flipud, hsplit, hstack, meshgrid,
    movedim as moveaxis, movedim, permute, ravel, repeat, reshape, reshape_as, roll, rot90, vstack as row_stack, select,
    select_scatter, slice_scatter, split, split_with_sizes, squeeze, stack, transpose as swapaxes,
    transpose as swapdims, t, tile, trace, transpose, tril, triu, unbind, unflatten, unfold, unsafe_chunk, unsafe_split,
    unsafe_split_with_sizes, unsqueeze, view_as, view_as_complex, view_as_real, vsplit, vstack,
)
from dovetail.ops.sort import (
    argsort, bucketize, cummax, cummin, cumprod, cumsum, diff, kthvalue, logcumsumexp, median, mode, msort, nanmedian,
    nanquantile, quantile, searchsorted, sort, topk,
)
from dovetail.ops.sparse import sparse_coo_tensor, spmm
from dovetail.ops.special import polygamma
celu_ = activation_ops.celu.inplace
elu_ = activation_ops.elu.inplace
relu_ = activation_ops.relu.inplace
selu_ = activation_ops.selu.inplace
threshold_ = activation_ops.threshold.inplace
renorm_ = calculus_ops.renorm.inplace
eq_ = compare_ops.eq.inplace
ge_ = compare_ops.ge.inplace
greater_ = compare_ops.gt.inplace
greater_equal_ = compare_ops.ge.inplace
gt_ = compare_ops.gt.inplace
le_ = compare_ops.le.inplace
less_ = compare_ops.lt.inplace
less_equal_ = compare_ops.le.inplace
logical_and_ = compare_ops.logical_and.inplace
logical_not_ = compare_ops.logical_not.inplace
logical_or_ = compare_ops.logical_or.inplace
logical_xor_ = compare_ops.logical_xor.inplace
lt_ = compare_ops.lt.inplace
ne_ = compare_ops.ne.inplace
not_equal_ = compare_ops.ne.inplace
gcd_ = counting_ops.gcd.inplace
lcm_ = counting_ops.lcm.inplace
abs_ = elementwise_ops.abs.inplace
absolute_ = elementwise_ops.abs.inplace
acos_ = elementwise_ops.acos.inplace
acosh_ = elementwise_ops.acosh.inplace
add_ = elementwise_ops.add.inplace
addcdiv_ = elementwise_ops.addcdiv.inplace
addcmul_ = elementwise_ops.addcmul.inplace
arccos_ = elementwise_ops.acos.inplace
arccosh_ = elementwise_ops.acosh.inplace
arcsin_ = elementwise_ops.asin.inplace
arcsinh_ = elementwise_ops.asinh.inplace
arctan2_ = elementwise_ops.atan2.inplace
arctan_ = elementwise_ops.atan.inplace
arctanh_ = elementwise_ops.atanh.inplace
asin_ = elementwise_ops.asin.inplace
asinh_ = elementwise_ops.asinh.inplace
atan2_ = elementwise_ops.atan2.inplace
atan_ = elementwise_ops.atan.inplace
atanh_ = elementwise_ops.atanh.inplace
bitwise_and_ = elementwise_ops.bitwise_and.inplace
bitwise_left_shift_ = elementwise_ops.bitwise_left_shift.inplace
bitwise_not_ = elementwise_ops.bitwise_not.inplace
bitwise_or_ = elementwise_ops.bitwise_or.inplace
bitwise_right_shift_ = elementwise_ops.bitwise_right_shift.inplace
bitwise_xor_ = elementwise_ops.bitwise_xor.inplace
ceil_ = elementwise_ops.ceil.inplace
clamp_ = elementwise_ops.clamp.inplace
clamp_max_ = elementwise_ops.clamp_max.inplace
clamp_min_ = elementwise_ops.clamp_min.inplace
clip_ = elementwise_ops.clamp.inplace
conj_physical_ = elementwise_ops.conj_physical.inplace
copy_ = elementwise_ops.copy.inplace
copysign_ = elementwise_ops.copysign.inplace
cos_ = elementwise_ops.cos.inplace
cosh_ = elementwise_ops.cosh.inplace
deg2rad_ = elementwise_ops.deg2rad.inplace
digamma_ = elementwise_ops.digamma.inplace
div_ = elementwise_ops.div.inplace
divide_ = elementwise_ops.div.inplace
erf_ = elementwise_ops.erf.inplace
erfc_ = elementwise_ops.erfc.inplace
erfinv_ = elementwise_ops.erfinv.inplace
exp2_ = elementwise_ops.exp2.inplace
exp_ = elementwise_ops.exp.inplace
expm1_ = elementwise_ops.expm1.inplace
fill_ = elementwise_ops.fill.inplace
fix_ = elementwise_ops.trunc.inplace
float_power_ = elementwise_ops.float_power.inplace
floor_ = elementwise_ops.floor.inplace
floor_divide_ = elementwise_ops.floor_divide.inplace
fmod_ = elementwise_ops.fmod.inplace
frac_ = elementwise_ops.frac.inplace
heaviside_ = elementwise_ops.heaviside.inplace
hypot_ = elementwise_ops.hypot.inplace
i0_ = elementwise_ops.i0.inplace
igamma_ = elementwise_ops.igamma.inplace
igammac_ = elementwise_ops.igammac.inplace
ldexp_ = elementwise_ops.ldexp.inplace
lerp_ = elementwise_ops.lerp.inplace
lgamma_ = elementwise_ops.lgamma.inplace
log10_ = elementwise_ops.log10.inplace
log1p_ = elementwise_ops.log1p.inplace
log2_ = elementwise_ops.log2.inplace
log_ = elementwise_ops.log.inplace
logit_ = elementwise_ops.logit.inplace
mul_ = elementwise_ops.mul.inplace
multiply_ = elementwise_ops.mul.inplace
mvlgamma_ = elementwise_ops.mvlgamma.inplace
nan_to_num_ = elementwise_ops.nan_to_num.inplace
neg_ = elementwise_ops.neg.inplace
negative_ = elementwise_ops.neg.inplace
nextafter_ = elementwise_ops.nextafter.inplace
pow_ = elementwise_ops.pow.inplace
rad2deg_ = elementwise_ops.rad2deg.inplace
reciprocal_ = elementwise_ops.reciprocal.inplace
remainder_ = elementwise_ops.remainder.inplace
round_ = elementwise_ops.round.inplace
rsqrt_ = elementwise_ops.rsqrt.inplace
sgn_ = elementwise_ops.sgn.inplace
sigmoid_ = elementwise_ops.sigmoid.inplace
sign_ = elementwise_ops.sign.inplace
sin_ = elementwise_ops.sin.inplace
sinc_ = elementwise_ops.sinc.inplace
sinh_ = elementwise_ops.sinh.inplace
sqrt_ = elementwise_ops.sqrt.inplace
square_ = elementwise_ops.square.inplace
sub_ = elementwise_ops.sub.inplace
subtract_ = elementwise_ops.sub.inplace
tan_ = elementwise_ops.tan.inplace
tanh_ = elementwise_ops.tanh.inplace
true_divide_ = elementwise_ops.true_divide.inplace
trunc_ = elementwise_ops.trunc.inplace
xlogy_ = elementwise_ops.xlogy.inplace
index_add_ = index_ops.index_add.inplace
index_copy_ = index_ops.index_copy.inplace
index_fill_ = index_ops.index_fill.inplace
index_reduce_ = index_ops.index_reduce.inplace
masked_fill_ = index_ops.masked_fill.inplace
masked_scatter_ = index_ops.masked_scatter.inplace
put_ = index_ops.put.inplace
scatter_ = index_ops.scatter.inplace
scatter_add_ = index_ops.scatter_add.inplace
scatter_reduce_ = index_ops.scatter_reduce.inplace
addbmm_ = matmul_ops.addbmm.inplace
addmm_ = matmul_ops.addmm.inplace
addmv_ = matmul_ops.addmv.inplace
addr_ = matmul_ops.addr.inplace
baddbmm_ = matmul_ops.baddbmm.inplace
tril_ = shape_ops.tril.inplace
triu_ = shape_ops.triu.inplace
cumprod_ = sort_ops.cumprod.inplace
cumsum_ = sort_ops.cumsum.inplace

LAZY = [
    "_dynamo", "_higher_order_ops", "_inductor", "accelerator", "amp", "array_api", "autograd", "backends", "compiler",
    "cpu", "cuda", "data", "datasets", "distributed", "distributions", "fft", "func", "jit", "keras", "library",
    "linalg", "masked", "mps", "multiprocessing", "nn", "optim", "profiler", "random", "signal", "sparse", "special",
    "testing", "tf", "types", "utils", "vision", "xpu",
]
LAZY_NAMES = {"GradScaler": "dovetail.optim.grad_scaler", "compile": "dovetail.nn.transform.compiled", "load": "dovetail.io", "save": "dovetail.io", "vmap": "dovetail.nn.transform.batches"}
__all__ = [
    "config", "get_num_interop_threads", "get_num_threads", "set_flush_denormal", "set_num_interop_threads",
    "set_num_threads", "device", "get_default_device", "set_default_device", "dtype", "float16", "half", "bfloat16",
    "float32", "float", "float64", "double", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "short", "int32",
    "int", "int64", "long", "bool", "complex64", "cfloat", "complex128", "cdouble", "promote_types",
    "get_default_dtype", "set_default_dtype", "ArgumentError", "DeviceError", "DimError", "DovetailError",
    "DovetailWarning", "DTypeError", "FileError", "GradientError", "MissingExtra", "NotCovered", "NotCoveredImport",
    "ShapeError", "channels_last", "channels_last_3d", "contiguous_format", "jagged", "layout", "memory_format",
    "preserve_format", "sparse_coo", "sparse_csr", "strided", "e", "finfo", "iinfo", "inf", "nan", "newaxis", "pi",
    "are_deterministic_algorithms_enabled", "get_deterministic_debug_mode", "get_float32_matmul_precision",
    "is_deterministic_algorithms_warn_only_enabled", "set_deterministic_debug_mode", "set_float32_matmul_precision",
    "use_deterministic_algorithms", "__version__", "OutOfMemoryError", "autocast", "clear_autocast_cache",
    "get_autocast_cpu_dtype", "get_autocast_dtype", "get_autocast_gpu_dtype", "is_autocast_cache_enabled",
    "is_autocast_cpu_enabled", "is_autocast_enabled", "set_autocast_cache_enabled", "set_autocast_dtype",
    "set_autocast_enabled", "associative_scan", "cond", "scan", "while_loop", "tensor", "as_tensor", "asarray", "empty",
    "empty_like", "empty_strided", "frombuffer", "from_numpy", "is_tensor", "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled", "from_dlpack", "explain", "last_graph", "set_printoptions", "enable_grad", "inference_mode",
    "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled", "Generator", "default_generator",
    "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state", "TypedStorage", "UntypedStorage", "Size",
    "Tensor", "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor",
    "IntTensor", "LongTensor", "ShortTensor", "set_default_tensor_type", "abs", "abs_", "absolute", "absolute_", "acos",
    "acos_", "acosh", "acosh_", "adaptive_avg_pool1d", "add", "add_", "addbmm", "addbmm_", "addcdiv", "addcdiv_",
    "addcmul", "addcmul_", "addmm", "addmm_", "addmv", "addmv_", "addr", "addr_", "adjoint", "alias_copy", "all",
    "allclose", "alpha_dropout", "amax", "amin", "aminmax", "angle", "any", "arange", "arccos", "arccos_", "arccosh",
    "arccosh_", "arcsin", "arcsin_", "arcsinh", "arcsinh_", "arctan", "arctan2", "arctan2_", "arctan_", "arctanh",
    "arctanh_", "argmax", "argmin", "argsort", "argwhere", "as_strided", "as_strided_", "as_strided_copy",
    "as_strided_scatter", "asin", "asin_", "asinh", "asinh_", "atan", "atan2", "atan2_", "atan_", "atanh", "atanh_",
    "atleast_1d", "atleast_2d", "atleast_3d", "avg_pool1d", "baddbmm", "baddbmm_", "bartlett_window", "batch_norm",
    "bernoulli", "bilinear", "binary_cross_entropy_with_logits", "bincount", "binomial", "bitwise_and", "bitwise_and_",
    "bitwise_left_shift", "bitwise_left_shift_", "bitwise_not", "bitwise_not_", "bitwise_or", "bitwise_or_",
    "bitwise_right_shift", "bitwise_right_shift_", "bitwise_xor", "bitwise_xor_", "blackman_window", "block_diag",
    "bmm", "broadcast_shapes", "broadcast_tensors", "broadcast_to", "bucketize", "can_cast", "cartesian_prod", "cat",
    "cdist", "ceil", "ceil_", "celu", "celu_", "chain_matmul", "channel_shuffle", "cholesky", "cholesky_inverse",
    "cholesky_solve", "chunk", "clamp", "clamp_", "clamp_max", "clamp_max_", "clamp_min", "clamp_min_", "clip", "clip_",
    "clone", "column_stack", "combinations", "complex", "concat", "concatenate", "conj", "conj_physical",
    "conj_physical_", "constant_pad_nd", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "convolution", "copy", "copy_", "copysign", "copysign_", "corrcoef", "cos",
    "cos_", "cosh", "cosh_", "cosine_embedding_loss", "cosine_similarity", "count_nonzero", "cov", "cross", "ctc_loss",
    "cummax", "cummin", "cumprod", "cumprod_", "cumsum", "cumsum_", "cumulative_trapezoid", "deg2rad", "deg2rad_",
    "det", "detach", "detach_", "detach_copy", "diag", "diag_embed", "diagflat", "diagonal", "diagonal_copy",
    "diagonal_scatter", "diff", "digamma", "digamma_", "dist", "div", "div_", "divide", "divide_", "dot", "dropout",
    "dsplit", "dstack", "einsum", "elu", "elu_", "empty_permuted", "eq", "eq_", "equal", "erf", "erf_", "erfc", "erfc_",
    "erfinv", "erfinv_", "exp", "exp2", "exp2_", "exp_", "expand", "expand_as", "expand_copy", "expm1", "expm1_", "eye",
    "feature_alpha_dropout", "fill", "fill_", "fix", "fix_", "flatten", "flip", "fliplr", "flipud", "float_power",
    "float_power_", "floor", "floor_", "floor_divide", "floor_divide_", "fmax", "fmin", "fmod", "fmod_", "frac",
    "frac_", "frexp", "frobenius_norm", "full", "full_like", "gather", "gcd", "gcd_", "ge", "ge_", "geqrf", "ger",
    "get_device", "gradient", "greater", "greater_", "greater_equal", "greater_equal_", "grid_sample", "grid_sampler",
    "grid_sampler_2d", "grid_sampler_3d", "group_norm", "gt", "gt_", "hamming_window", "hann_window", "hardshrink",
    "hash_tensor", "heaviside", "heaviside_", "hinge_embedding_loss", "histc", "histogram", "histogramdd",
    "householder_product", "hsplit", "hstack", "hypot", "hypot_", "i0", "i0_", "igamma", "igamma_", "igammac",
    "igammac_", "imag", "index_add", "index_add_", "index_copy", "index_copy_", "index_fill", "index_fill_",
    "index_put", "index_put_", "index_reduce", "index_reduce_", "index_select", "inner", "instance_norm", "inverse",
    "is_complex", "is_conj", "is_distributed", "is_floating_point", "is_inference", "is_neg", "is_nonzero",
    "is_same_size", "is_signed", "is_storage", "isclose", "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf",
    "isreal", "istft", "kaiser_window", "kl_div", "kron", "kthvalue", "layer_norm", "lcm", "lcm_", "ldexp", "ldexp_",
    "le", "le_", "lerp", "lerp_", "less", "less_", "less_equal", "less_equal_", "lgamma", "lgamma_", "linspace", "log",
    "log10", "log10_", "log1p", "log1p_", "log2", "log2_", "log_", "log_softmax", "logaddexp", "logaddexp2",
    "logcumsumexp", "logdet", "logical_and", "logical_and_", "logical_not", "logical_not_", "logical_or", "logical_or_",
    "logical_xor", "logical_xor_", "logit", "logit_", "logspace", "logsumexp", "lt", "lt_", "lu", "lu_solve",
    "lu_unpack", "margin_ranking_loss", "masked_fill", "masked_fill_", "masked_scatter", "masked_scatter_",
    "masked_select", "matmul", "matrix_exp", "matrix_power", "max", "max_pool1d", "max_pool1d_with_indices",
    "max_pool2d", "max_pool3d", "maximum", "mean", "median", "meshgrid", "min", "minimum", "mm", "mode", "moveaxis",
    "movedim", "msort", "mul", "mul_", "multinomial", "multiply", "multiply_", "mv", "mvlgamma", "mvlgamma_",
    "nan_to_num", "nan_to_num_", "nanmean", "nanmedian", "nanquantile", "nansum", "narrow", "narrow_copy",
    "native_batch_norm", "native_channel_shuffle", "native_group_norm", "native_layer_norm", "ne", "ne_", "neg", "neg_",
    "negative", "negative_", "nextafter", "nextafter_", "nonzero", "nonzero_static", "norm", "normal", "not_equal",
    "not_equal_", "nuclear_norm", "numel", "ones", "ones_like", "orgqr", "ormqr", "outer", "pairwise_distance",
    "pca_lowrank", "pdist", "permute", "permute_copy", "pinverse", "pixel_shuffle", "pixel_unshuffle", "poisson",
    "poisson_nll_loss", "polar", "polygamma", "positive", "pow", "pow_", "prelu", "prod", "put", "put_", "qr",
    "quantile", "rad2deg", "rad2deg_", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
    "randperm", "range", "ravel", "real", "reciprocal", "reciprocal_", "relu", "relu_", "remainder", "remainder_",
    "renorm", "renorm_", "repeat", "repeat_interleave", "reshape", "reshape_as", "resize_as_", "resolve_conj",
    "resolve_neg", "result_type", "rms_norm", "roll", "rot90", "round", "round_", "row_stack", "rrelu", "rsqrt",
    "rsqrt_", "rsub", "scalar_tensor", "scatter", "scatter_", "scatter_add", "scatter_add_", "scatter_reduce",
    "scatter_reduce_", "searchsorted", "select", "select_copy", "select_scatter", "selu", "selu_", "sgn", "sgn_",
    "sigmoid", "sigmoid_", "sign", "sign_", "signbit", "sin", "sin_", "sinc", "sinc_", "sinh", "sinh_", "slice_copy",
    "slice_scatter", "slogdet", "softmax", "sort", "sparse_coo_tensor", "split", "split_copy", "split_with_sizes",
    "split_with_sizes_copy", "spmm", "sqrt", "sqrt_", "square", "square_", "squeeze", "squeeze_copy", "stack", "std",
    "std_mean", "stft", "sub", "sub_", "subtract", "subtract_", "sum", "svd", "svd_lowrank", "swapaxes", "swapdims",
    "t", "t_copy", "take", "take_along_dim", "tan", "tan_", "tanh", "tanh_", "tensor_split", "tensordot", "threshold",
    "threshold_", "tile", "topk", "trace", "transpose", "transpose_copy", "trapezoid", "trapz", "triangular_solve",
    "tril", "tril_", "tril_indices", "triplet_margin_loss", "triu", "triu_", "triu_indices", "true_divide",
    "true_divide_", "trunc", "trunc_", "type_as", "typename", "unbind", "unbind_copy", "unflatten", "unfold",
    "unfold_copy", "unique", "unique_consecutive", "unravel_index", "unsafe_chunk", "unsafe_split",
    "unsafe_split_with_sizes", "unsqueeze", "unsqueeze_copy", "vander", "var", "var_mean", "vdot", "vecdot", "view_as",
    "view_as_complex", "view_as_complex_copy", "view_as_real", "view_as_real_copy", "view_copy", "vsplit", "vstack",
    "where", "xlogy", "xlogy_", "zero_", "zeros", "zeros_like", "_dynamo", "_higher_order_ops", "_inductor",
    "accelerator", "amp", "array_api", "autograd", "backends", "compiler", "cpu", "cuda", "data", "datasets",
    "distributed", "distributions", "fft", "func", "jit", "keras", "library", "linalg", "masked", "mps",
    "multiprocessing", "nn", "optim", "profiler", "random", "signal", "sparse", "special", "testing", "tf", "types",
    "utils", "vision", "xpu", "GradScaler", "compile", "load", "save", "vmap",
]


def array_namespace(self, *, api_version=None):
    """The array API standard's functions for this tensor: dovetail.array_api. (No room may look up at that one.)"""
    from dovetail import array_api

    return array_api.namespace(api_version)


Tensor.__array_namespace__ = array_namespace


def __getattr__(name):
    """Rooms that are loaded on first use."""
    import importlib

    if name in LAZY:
        return importlib.import_module("dovetail." + name)
    if name in LAZY_NAMES:
        return getattr(importlib.import_module(LAZY_NAMES[name]), name)
    from dovetail.base.names import missing

    raise missing("dovetail", name, __all__)


def __dir__():
    return __all__
