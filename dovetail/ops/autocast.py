"""autocast: some ops compute in half the bits, others keep float32, by torch's lists; the rest follow their inputs.

The choice is made where an op is called (`Op.call`): its float arguments are converted by events of their own, so that
gradients come back in each tensor's own dtype. The recorder counts autocast among its modes, as it does no_grad:
inside, a trace continues at another place, and what was recorded outside is never taken for what runs inside.

Source: torch.amp.autocast 2.13, its lists for the CPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.base import dtypes
from dovetail.base.device import KINDS, device
from dovetail.base.dtypes import DType, bfloat16, float16, float32, float64
from dovetail.base.errors import DeviceError, message, warn
from dovetail.ops.convert import converted
from dovetail.tensor.op import Keywords
from dovetail.tensor.recorder import local
from dovetail.tensor.tensor import Tensor

LOWER = frozenset(  # in the block's dtype
    "addbmm addmm attention_with_dropout baddbmm bmm chain_matmul conv1d conv2d conv3d conv_tbc conv_transpose1d "
    "conv_transpose2d conv_transpose3d convolution einsum inner linear linear_cross_entropy lstm_layer matmul "
    "mm multi_dot prelu rmatmul rnn_layer scaled_dot_product_attention tensordot vecdot".split()
)
FULL = frozenset(  # in float32
    "adaptive_avg_pool3d adaptive_max_pool3d adaptive_max_pool3d_with_indices avg_pool3d binary_cross_entropy "
    "binary_cross_entropy_with_logits cdist cholesky cholesky_ex cholesky_inverse cholesky_solve cosine_embedding_loss "
    "cross_entropy ctc_each ctc_reduced eig eigh eigvals eigvalsh fft fft2 fftn fractional_max_pool2d "
    "fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices geqrf grid_sample "
    "hfft hfft2 hfftn hinge_embedding_loss householder_product huber_loss ifft ifft2 ifftn ihfft ihfft2 ihfftn inv_ex "
    "inverse irfft irfft2 irfftn istft kl_div l1_loss linalg_cholesky linalg_qr linalg_svd lstsq lu lu_factor "
    "lu_factor_ex lu_solve margin_ranking_loss matrix_rank max_unpool2d max_unpool3d mse_loss multi_margin_loss "
    "multilabel_margin_loss multilabel_soft_margin_loss nanquantile nll_loss ormqr pinverse poisson_nll_loss polar "
    "prod qr quantile rfft rfft2 rfftn smooth_l1_loss soft_margin_loss solve solve_ex stft svd svdvals tensorinv "
    "tensorsolve trace triangular_solve triplet_margin_loss view_as_complex".split()
)
WIDEST = frozenset({"cat", "stack", "index_copy"})  # in the widest dtype among the arguments
STATES = {"gru_layer": 1, "lstm_step": 2}  # in the block's dtype, widened to that of the state at this place
DEFAULTS: dict[str, DType] = {"cpu": bfloat16, "cuda": float16, "mps": float16, "xpu": float16}
HALVES = (bfloat16, float16)


def full_here(name: str, args: tuple) -> bool:
    """Ops that serve several of torch's functions, of which only some keep float32."""
    if name in ("max_pool", "max_pool_values"):
        return args[1] == 3
    return name == "pad" and len(args) > 2 and args[2] in ("reflect", "replicate")


class Policy:
    """What the ops of a block are cast to; the recorder holds the one in force and calls `cast`.

    casts: parameters cast earlier in the outermost block, by id; a parameter that was written since is cast anew.
    """

    __slots__ = ("dtype", "cached", "casts")

    def __init__(self, dtype: DType, cached: bool, casts: dict):
        self.dtype, self.cached, self.casts = dtype, cached, casts

    def cast(self, op: Any, args: tuple) -> tuple:
        """The arguments of one call, converted as the op's list says."""
        name = op.name
        if name in LOWER:
            return self.converted(args, self.dtype)
        if name in FULL or full_here(name, args):
            return self.converted(args, float32)
        if name in WIDEST:
            found = [t.dtype for t in tensors_in(args) if t.dtype.is_floating_point]
            return self.converted(args, max(found, key=lambda d: d.itemsize)) if len(set(found)) > 1 else args
        if name in STATES:
            return self.converted(args, dtypes.promote_types(self.dtype, args[STATES[name]].dtype))
        return args

    def converted(self, args: Any, dtype: DType) -> Any:
        """Tensors among the arguments, lists and keywords included, in `dtype`; float64 and integers stay."""
        if isinstance(args, Tensor):
            own = args._meta.dtype
            return args if own is dtype or own.kind != "f" or own is float64 else self.one(args, dtype)
        if isinstance(args, (tuple, list)):
            made = [self.converted(a, dtype) for a in args]
            return type(args)(*made) if hasattr(args, "_fields") else type(args)(made)
        if isinstance(args, Keywords):
            return Keywords({k: self.converted(v, dtype) for k, v in args.values.items()})
        return args

    def one(self, t: Tensor, dtype: DType) -> Tensor:
        if not (self.cached and t._leaf and t._meta.requires_grad and dtype is self.dtype):
            return converted(t, dtype)
        rec = local.rec
        # A backward frees the graph that the conversion is part of; a closed trace begins a new one.
        state = (t._version, rec.run, len(rec.run.tickets), rec.grad)
        found = self.casts.get(id(t))
        if found is not None and found[0] is t and found[1] == state and found[2].dtype is dtype:
            return found[2]
        made = converted(t, dtype)
        self.casts[id(t)] = (t, state, made)
        return made


def tensors_in(args: Any) -> list[Tensor]:
    if isinstance(args, Tensor):
        return [args]
    if isinstance(args, Keywords):
        args = tuple(args.values.values())
    return [t for a in args for t in tensors_in(a)] if isinstance(args, (tuple, list)) else []


SETTINGS: dict[str, Any] = {"cache": True, "dtypes": dict(DEFAULTS)}


class autocast:
    """A block, or a decorated function, in which products and convolutions compute in `dtype` and losses in float32.

    device_type: "cpu"; for a kind that is not there ("cuda") the block warns and changes nothing, as in torch.
    dtype: bfloat16 (the CPU's default) or float16. enabled=False: float32 as outside, also within another block.
    cache_enabled: a parameter is converted once in the outermost block, not at each use.

    >>> import dovetail
    >>> x = dovetail.ones(2, 2)
    >>> with autocast("cpu"):
    ...     (x @ x).dtype
    dovetail.bfloat16
    """

    def __init__(
        self,
        device_type: str,
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in KINDS:
            problem = f"unsupported autocast device_type {device_type!r}"
            raise DeviceError(message("autocast", problem, cure='The CPU is autocast("cpu", dtype=torch.bfloat16)'))
        self.device = device_type
        self.fast_dtype = default_dtype(device_type) if dtype is None else dtypes.as_dtype(dtype)
        self.enabled = usable(device_type, self.fast_dtype) if enabled else False
        self.cache_enabled = SETTINGS["cache"] if cache_enabled is None else cache_enabled
        self.before: list[Policy | None] = []

    def __enter__(self) -> autocast:
        rec = local.rec
        self.before.append(rec.autocast)
        if self.device == "cpu":
            outer = self.before[-1]
            casts = outer.casts if outer is not None else {}
            rec.set_autocast(Policy(self.fast_dtype, self.cache_enabled, casts) if self.enabled else None)
        return self

    def __exit__(self, *exc: Any) -> None:
        local.rec.set_autocast(self.before.pop())

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def inside(*args, **kwargs):
            block = object.__new__(type(self))  # calls may overlap in several threads
            block.__dict__.update(self.__dict__, before=[])
            with block:
                return function(*args, **kwargs)

        return inside


def usable(device_type: str, dtype: DType) -> bool:
    """Whether a block can do anything; where it cannot, a warning says why."""
    if device_type != "cpu":
        facts = f"User provided device_type of '{device_type}', but there is no such device here. Disabling"
        warn(message("autocast", facts, cure='autocast("cpu", dtype=torch.bfloat16) works on the CPU'))
        return False
    if dtype not in HALVES:
        problem = f"the target dtype {dtype.name} is not supported. Disabling autocast"
        warn(message("autocast", problem, cure="The CPU knows torch.bfloat16 and torch.float16"))
        return False
    return True


def default_dtype(device_type: str) -> DType:
    """What a block without a dtype casts to."""
    if device_type not in SETTINGS["dtypes"]:
        raise DeviceError(message("autocast", f"unsupported scalarType for device {device_type!r}"))
    return SETTINGS["dtypes"][device_type]


def kind_of(where: Any) -> str:
    return where if isinstance(where, str) else device(where).type


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast knows this kind of device.

    >>> is_autocast_available("cpu")
    True
    """
    return kind_of(device_type) in DEFAULTS


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this is inside an autocast block for this kind of device."""
    return kind_of(device_type) == "cpu" and local.rec.autocast is not None


def get_autocast_dtype(device_type: str) -> DType:
    """The dtype of the block in force, or what a block without a dtype would cast to."""
    policy = local.rec.autocast
    return policy.dtype if policy is not None and kind_of(device_type) == "cpu" else default_dtype(kind_of(device_type))


def set_autocast_dtype(device_type: str, dtype: DType) -> None:
    """What blocks without a dtype cast to from now on."""
    SETTINGS["dtypes"][kind_of(device_type)] = dtypes.as_dtype(dtype)


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Switch autocast on or off without a block."""
    kind, on = ("cuda", device_type) if enabled is None else (kind_of(device_type), enabled)
    if kind == "cpu":
        local.rec.set_autocast(Policy(default_dtype("cpu"), SETTINGS["cache"], {}) if on else None)


def is_autocast_cpu_enabled() -> bool:
    """is_autocast_enabled("cpu")."""
    return is_autocast_enabled("cpu")


def get_autocast_cpu_dtype() -> DType:
    """get_autocast_dtype("cpu")."""
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype() -> DType:
    """get_autocast_dtype("cuda")."""
    return get_autocast_dtype("cuda")


def is_autocast_cache_enabled() -> bool:
    """Whether blocks that do not say otherwise convert a parameter only once."""
    return SETTINGS["cache"]


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Whether blocks that do not say otherwise convert a parameter only once."""
    SETTINGS["cache"] = enabled


def clear_autocast_cache() -> None:
    """Forget the parameters that were converted in the block in force."""
    if local.rec.autocast is not None:
        local.rec.autocast.casts.clear()


# -- custom functions -----------------------------------------------------------------------------------------------


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: DType | None = None) -> Callable:
    """Decorate the forward of an autograd.Function that is used in autocast blocks.

    cast_inputs: inside a block, convert float tensors to this dtype and run forward without autocast.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(ctx, *args, **kwargs):
        ctx._autocast_dtype = get_autocast_dtype(device_type)
        if cast_inputs is None:
            ctx._fwd_used_autocast = is_autocast_enabled(device_type)
            return fwd(ctx, *args, **kwargs)
        on = is_autocast_enabled(device_type)
        ctx._fwd_used_autocast = False
        if not on:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *moved(args, cast_inputs), **moved(kwargs, cast_inputs))

    return decorated


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Decorate the backward of an autograd.Function: it runs in the same autocast state as forward did."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(ctx, *args, **kwargs):
        with autocast(device_type, dtype=ctx._autocast_dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return decorated


def moved(value: Any, dtype: DType) -> Any:
    """Float tensors (float64 excepted) in nested containers as `dtype`."""
    if isinstance(value, Tensor):
        own = value._meta.dtype
        return converted(value, dtype) if own.kind == "f" and own is not float64 and own is not dtype else value
    if isinstance(value, dict):
        return {moved(k, dtype): moved(v, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        made = [moved(v, dtype) for v in value]
        return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)
    return value
