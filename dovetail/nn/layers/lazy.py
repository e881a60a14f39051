"""Layers that learn their input size from the first input, and then become the ordinary layer.

A lazy layer has parameters without a shape. Before its first forward it reads the size it needs from the input, gives
its parameters memory, and changes its class (torch.nn.modules.lazy). Loading a state dict does the same.
"""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.nn.layers import conv, linear, norm
from dovetail.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from dovetail.tensor.tensor import Tensor


class LazyModuleMixin:
    """What lazy layers share; subclasses set `cls_to_become` and define `initialize_parameters`."""

    cls_to_become: type | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)  # type: ignore[attr-defined]
        self._initialize_hook = self.register_forward_pre_hook(self._infer, with_kwargs=True)  # type: ignore[attr-defined]

    def _save_to_state_dict(self, destination, prefix, keep_vars) -> None:
        buffers = {k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set}  # type: ignore[attr-defined]
        for name, tensor in {**self._parameters, **buffers}.items():  # type: ignore[attr-defined]
            if tensor is not None:
                destination[prefix + name] = tensor if keep_vars or is_lazy(tensor) else tensor.detach()

    def _lazy_load_hook(self, state_dict, prefix, *rest) -> None:
        """Give shapeless tensors the shape of what is offered to them."""
        for name, tensor in [*self._parameters.items(), *self._buffers.items()]:  # type: ignore[attr-defined]
            offered = state_dict.get(prefix + name)
            if is_lazy(tensor) and offered is not None and not is_lazy(offered):
                tensor.materialize(offered.shape)

    def initialize_parameters(self, *args, **kwargs) -> None:
        """Give the parameters shapes that fit this input, and values."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether any parameter or buffer still has no shape."""
        return any(is_lazy(t) for t in (*self._parameters.values(), *self._buffers.values()))  # type: ignore[attr-defined]

    def _infer(self, module, args, kwargs=None) -> None:
        """The forward pre-hook of the first call."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")  # type: ignore[attr-defined]
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become


class LazyLinear(LazyModuleMixin, linear.Linear):
    """A Linear whose in_features is the size of the first input's last dimension."""

    cls_to_become = linear.Linear

    def __init__(self, out_features: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__(0, 0, False, device, dtype)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input) -> None:
        if self.has_uninitialized_params():
            self.in_features = input.shape[-1]
            self.weight.materialize((self.out_features, self.in_features))
            if self.bias is not None:
                self.bias.materialize((self.out_features,))
            self.reset_parameters()
        elif self.in_features == 0:
            self.in_features = self.weight.shape[-1]


class _LazyConv(LazyModuleMixin):
    """A convolution whose in_channels is read from the first input."""

    def _wait(self, out_channels: int, bias: bool, device, dtype) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input, *args, **kwargs) -> None:
        if not self.has_uninitialized_params():
            return
        if input.ndim not in (self.rank + 1, self.rank + 2):
            raise RuntimeError(
                message(
                    type(self).__name__,
                    f"Expected {self.rank + 1}D (unbatched) or {self.rank + 2}D (batched) input, but got "
                    "input of size: " + str(tuple(input.shape)),
                )
            )
        self.in_channels = input.shape[-self.rank - 1]
        if self.in_channels % self.groups:
            raise ArgumentError("in_channels must be divisible by groups")
        pair = (self.in_channels, self.out_channels // self.groups)
        if not self.transposed:
            pair = (self.out_channels, self.in_channels // self.groups)
        self.weight.materialize((*pair, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyForward(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self._wait(out_channels, bias, device, dtype)


class _LazyTransposed(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups: int = 1,
        bias: bool = True,
        dilation=1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode, device, dtype
        )
        self._wait(out_channels, bias, device, dtype)


class LazyConv1d(_LazyForward, conv.Conv1d):
    """A Conv1d that learns in_channels from its first input."""

    cls_to_become = conv.Conv1d


class LazyConv2d(_LazyForward, conv.Conv2d):
    """A Conv2d that learns in_channels from its first input."""

    cls_to_become = conv.Conv2d


class LazyConv3d(_LazyForward, conv.Conv3d):
    """A Conv3d that learns in_channels from its first input."""

    cls_to_become = conv.Conv3d


class LazyConvTranspose1d(_LazyTransposed, conv.ConvTranspose1d):
    """A ConvTranspose1d that learns in_channels from its first input."""

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, conv.ConvTranspose2d):
    """A ConvTranspose2d that learns in_channels from its first input."""

    cls_to_become = conv.ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, conv.ConvTranspose3d):
    """A ConvTranspose3d that learns in_channels from its first input."""

    cls_to_become = conv.ConvTranspose3d


class _LazyNorm(LazyModuleMixin):
    """A batch or instance norm whose num_features is the number of channels of the first input."""

    def __init__(
        self, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *, bias=True
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=bias)
        self.affine, self.track_running_stats = affine, track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = Tensor.from_data(0)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input) -> None:
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
            if is_lazy(tensor):
                tensor.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, norm.BatchNorm1d):
    """A BatchNorm1d that learns num_features from its first input."""

    cls_to_become = norm.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, norm.BatchNorm2d):
    """A BatchNorm2d that learns num_features from its first input."""

    cls_to_become = norm.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, norm.BatchNorm3d):
    """A BatchNorm3d that learns num_features from its first input."""

    cls_to_become = norm.BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, norm.InstanceNorm1d):
    """An InstanceNorm1d that learns num_features from its first input."""

    cls_to_become = norm.InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, norm.InstanceNorm2d):
    """An InstanceNorm2d that learns num_features from its first input."""

    cls_to_become = norm.InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, norm.InstanceNorm3d):
    """An InstanceNorm3d that learns num_features from its first input."""

    cls_to_become = norm.InstanceNorm3d
