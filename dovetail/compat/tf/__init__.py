"""What programs written for TensorFlow 2 use of it, on Dovetail."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

from dovetail import keras
from dovetail.base import dtypes as _dtypes
from dovetail.compat.tf import arrays, config, data, debugging, image, linalg, math, nn, random, train
from dovetail.compat.tf.arrays import (
    argsort,
    boolean_mask,
    broadcast_static_shape,
    broadcast_to,
    cast,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    concat,
    cond,
    constant,
    convert_to_tensor,
    einsum,
    ensure_shape,
    expand_dims,
    eye,
    fill,
    foldl,
    gather,
    gather_nd,
    group,
    identity,
    identity_n,
    is_tensor,
    linspace,
    map_fn,
    meshgrid,
    newaxis,
    no_op,
    one_hot,
    ones,
    ones_like,
    pad,
    range,
    rank,
    repeat,
    reshape,
    reverse,
    roll,
    saturate_cast,
    scan,
    scatter_nd,
    searchsorted,
    sequence_mask,
    shape,
    size,
    slice,
    sort,
    split,
    squeeze,
    stack,
    stop_gradient,
    strided_slice,
    switch_case,
    tensor_scatter_nd_add,
    tensor_scatter_nd_update,
    tensordot,
    tile,
    transpose,
    unique,
    unstack,
    vectorized_map,
    where,
    while_loop,
    zeros,
    zeros_like,
)
from dovetail.compat.tf.arrays import tf_print as print
from dovetail.compat.tf.custom import custom_gradient
from dovetail.compat.tf.data import TensorSpec
from dovetail.compat.tf.debugging import assert_equal, assert_greater, assert_less
from dovetail.compat.tf.function import function, numpy_function, py_function
from dovetail.compat.tf.linalg import matmul, norm
from dovetail.compat.tf.modules import Module
from dovetail.compat.tf.tape import GradientTape
from dovetail.compat.tf.variable import Variable
from dovetail.keras import initializers, losses, metrics, optimizers
from dovetail.tensor.tensor import Size as TensorShape
from dovetail.tensor.tensor import Tensor

FROM_MATH = """abs acos acosh add add_n argmax argmin asin asinh atan atan2 atanh cos cosh cumsum divide equal exp floor
greater greater_equal less less_equal logical_and logical_not logical_or maximum minimum multiply negative not_equal pow
reduce_all reduce_any reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum round scalar_mul sigmoid
sign sin sinh sqrt square subtract tan tanh truediv""".split()
for _name in FROM_MATH:
    globals()[_name] = getattr(math, _name)
for _dtype in _dtypes.ALL:
    globals()[_dtype.name] = _dtype
bool, half, double = _dtypes.BY_NAME["bool"], _dtypes.BY_NAME["float16"], _dtypes.BY_NAME["float64"]
DType = type(half)
__version__ = "2.21.0+dovetail"  # the release that is followed; scripts that compare versions see this


@contextmanager
def device(device_name: Any) -> Any:
    """Accepted: everything runs on the CPU."""
    yield


@contextmanager
def control_dependencies(control_inputs: Any) -> Any:
    """Accepted: what is called has run."""
    yield


name_scope = keras.name_scope


def executing_eagerly() -> Any:
    """True: functions are called as they are."""
    return True
