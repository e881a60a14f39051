"""Normalisation: batch, instance, layer, group, RMS and local response."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError, message
from dovetail.nn import functional as F
from dovetail.nn.init import ones_, zeros_
from dovetail.nn.module import Module
from dovetail.nn.parameter import new_parameter, new_tensor
from dovetail.tensor.tensor import Tensor


class _Statistics(Module):
    """What batch and instance norm share: weight and bias of the channels, running mean and variance."""

    _version = 2
    ranks: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device,
        dtype,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._make(num_features, bias, device, dtype)

    def _make(self, n: int, bias: bool, device, dtype) -> None:
        for name, wanted in (("weight", self.affine), ("bias", self.affine and bias)):
            self.register_parameter(name, new_parameter(n, device=device, dtype=dtype) if wanted else None)
        if self.track_running_stats:
            self.register_buffer("running_mean", new_tensor(n, device=device, dtype=dtype))
            self.register_buffer("running_var", new_tensor(n, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", Tensor.from_data(0))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches."""
        if self.track_running_stats:
            zeros_(self.running_mean)
            ones_(self.running_var)
            zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.weight is not None:
            ones_(self.weight)
        if self.bias is not None:
            zeros_(self.bias)

    def _check_input_dim(self, input) -> None:
        if self.ranks and input.ndim not in self.ranks:
            ranks = " or ".join(f"{n}D" for n in self.ranks)
            raise ArgumentError(
                message(type(self).__name__, f"expected {ranks} input (got {input.ndim}D input)", [("input", input)])
            )

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest) -> None:
        key = prefix + "num_batches_tracked"
        if local_metadata.get("version") in (None, 1) and self.track_running_stats and key not in state_dict:
            state_dict[key] = Tensor.from_data(0)  # files from before PyTorch 0.4.1 do not have it
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Statistics):
    """Each channel to mean 0 and variance 1 over the batch (Ioffe & Szegedy 2015), then scaled and shifted.

    momentum: share of the newest batch in the running statistics; None: the mean over all batches so far.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        if eps <= 0:
            raise ArgumentError(f"{type(self).__name__}: eps must be positive, got {eps}")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input):
        self._check_input_dim(input)
        share = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                share = 1.0 / float(self.num_batches_tracked)
        own = self.training or self.running_mean is None
        keep = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if keep else None,
            self.running_var if keep else None,
            self.weight,
            self.bias,
            own,
            share,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Batch norm of channels. Shape: (N, C) or (N, C, L), unchanged"""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch norm of channels. Shape: (N, C, H, W), unchanged"""

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch norm of channels. Shape: (N, C, D, H, W), unchanged"""

    ranks = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch norm over all processes; with one process, batch norm. Shape: (N, C, *), unchanged"""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group=None,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input) -> None:
        if input.ndim < 2:
            raise ArgumentError(f"expected at least 2D input (got {input.ndim}D input)")


class _InstanceNorm(_Statistics):
    """Each channel of each sample to mean 0 and variance 1 (Ulyanov et al. 2016)."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input):
        self._check_input_dim(input)
        alone = input.ndim == self.ranks[0]  # one sample without a batch dimension
        channels = input.shape[0 if alone else 1]
        if channels != self.num_features and self.affine:
            raise ArgumentError(
                message(
                    type(self).__name__,
                    f"expected input's size at dim={0 if alone else 1} to match num_features "
                    f"({self.num_features}), but got: {channels}.",
                    [("input", input)],
                )
            )
        out = F.instance_norm(
            input.unsqueeze(0) if alone else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return out.squeeze(0) if alone else out


class InstanceNorm1d(_InstanceNorm):
    """Instance norm. Shape: (N, C, L) or (C, L), unchanged"""

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance norm. Shape: (N, C, H, W) or (C, H, W), unchanged"""

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance norm. Shape: (N, C, D, H, W) or (C, D, H, W), unchanged"""

    ranks = (4, 5)


class LayerNorm(Module):
    """The last dimensions of each sample to mean 0 and variance 1 (Ba et al. 2016), then scaled and shifted.

    Shape: (*, *normalized_shape), unchanged. weight starts at 1, bias at 0.
    """

    def __init__(
        self,
        normalized_shape,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.normalized_shape = sizes(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        for name, wanted in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            self.register_parameter(
                name, new_parameter(*self.normalized_shape, device=device, dtype=dtype) if wanted else None
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.weight is not None:
            ones_(self.weight)
        if self.bias is not None:
            zeros_(self.bias)

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        text = f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return f"{text}, bias={self.bias is not None}"


class RMSNorm(Module):
    """The last dimensions of each sample divided by their root mean square (Zhang & Sennrich 2019), then scaled.

    Shape: (*, *normalized_shape), unchanged. eps None: the smallest step of the dtype at 1.
    """

    def __init__(
        self, normalized_shape, eps: float | None = None, elementwise_affine: bool = True, device=None, dtype=None
    ) -> None:
        super().__init__()
        self.normalized_shape = sizes(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        made = new_parameter(*self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.weight is not None:
            ones_(self.weight)

    def forward(self, input):
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


def sizes(shape) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


class GroupNorm(Module):
    """Groups of channels of each sample to mean 0 and variance 1 (Wu & He 2018). Shape: (N, C, *), unchanged"""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ArgumentError(
                f"num_channels must be divisible by num_groups: {num_channels} channels, {num_groups} groups"
            )
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, new_parameter(num_channels, device=device, dtype=dtype) if wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.weight is not None:
            ones_(self.weight)
        if self.bias is not None:
            zeros_(self.bias)

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        bias = self.bias is not None
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={bias}"


class LocalResponseNorm(Module):
    """Channels divided by the strength of their neighbours (Krizhevsky et al. 2012). Shape: (N, C, *), unchanged"""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """LocalResponseNorm under its older name."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)
