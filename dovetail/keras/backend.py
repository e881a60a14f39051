"""keras.backend: what is left of it in Keras 3."""

from dovetail.keras.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from dovetail.keras.dtypes import is_float_dtype, is_int_dtype, result_type, standardize_dtype
from dovetail.keras.naming import clear_session, get_uid
from dovetail.keras.symbolic import is_symbolic as is_keras_tensor

__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]
