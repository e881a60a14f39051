"""Convolutions and their transposes in one, two and three dimensions."""

from __future__ import annotations

import math

from dovetail.base.errors import ArgumentError, message
from dovetail.nn import functional as F
from dovetail.nn import init
from dovetail.nn.layers.pooling import repeated
from dovetail.nn.module import Module
from dovetail.nn.parameter import new_parameter

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """Settings, weight and bias. weight and bias start uniform in ±1/sqrt(inputs of one output)."""

    rank = 0
    transposed = False

    def _make(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding,
        dilation,
        output_padding,
        groups,
        bias,
        padding_mode,
        device,
        dtype,
    ) -> None:
        self.in_channels, self.out_channels, self.groups, self.padding_mode = (
            in_channels,
            out_channels,
            groups,
            padding_mode,
        )
        self.kernel_size, self.stride = repeated(kernel_size, self.rank), repeated(stride, self.rank)
        self.padding = padding if isinstance(padding, str) else repeated(padding, self.rank)
        self.dilation, self.output_padding = repeated(dilation, self.rank), repeated(output_padding, self.rank)
        self._check()
        shape = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = new_parameter(*shape, *self.kernel_size, device=device, dtype=dtype)
        self.register_parameter("bias", new_parameter(out_channels, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def _check(self) -> None:
        name = type(self).__name__
        if self.groups <= 0:
            raise ArgumentError(message(name, "groups must be a positive integer"))
        for which in ("in_channels", "out_channels"):
            n = getattr(self, which)
            if n % self.groups:
                raise ArgumentError(
                    message(name, f"{which} must be divisible by groups: {n} channels, {self.groups} groups")
                )
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ArgumentError(
                    message(name, f"Invalid padding string {self.padding!r}, should be one of {{'same', 'valid'}}")
                )
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ArgumentError(message(name, "padding='same' is not supported for strided convolutions"))
        if self.padding_mode not in PADDING_MODES:
            raise ArgumentError(
                message(
                    name,
                    f"padding_mode must be one of {set(PADDING_MODES)}, but got padding_mode='{self.padding_mode}'",
                )
            )
        if self.transposed and self.padding_mode != "zeros":
            raise ArgumentError(message(name, 'Only "zeros" padding mode is supported for this layer'))

    def reset_parameters(self) -> None:
        """Draw new weights."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def _convolve(self, function, input, weight, bias):
        if self.padding_mode == "zeros":
            return function(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        padded = F.pad(input, self._margins(), self.padding_mode)
        return function(padded, weight, bias, self.stride, (0,) * self.rank, self.dilation, self.groups)

    def _margins(self) -> tuple[int, ...]:
        """The padding as F.pad takes it: two numbers for each dimension, the last dimension first."""
        if self.padding == "valid":
            return (0, 0) * self.rank
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return tuple(n for t in reversed(totals) for n in (t // 2, t - t // 2))
        return tuple(n for p in reversed(self.padding) for n in (p, p))

    def _output_padding(self, input, output_size) -> tuple[int, ...]:
        """What to add to one side so that the output has the wanted size."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.rank :]
        made = []
        for d in range(self.rank):
            n = input.shape[d - self.rank]
            least = (n - 1) * self.stride[d] - 2 * self.padding[d] + self.dilation[d] * (self.kernel_size[d] - 1) + 1
            most = least + self.stride[d] - 1
            if not least <= wanted[d] <= most:
                raise ArgumentError(
                    message(
                        type(self).__name__,
                        f"requested an output size of {wanted}, but dimension {d} can only be from {least} to {most}",
                        [("input", input)],
                    )
                )
            made.append(wanted[d] - least)
        return tuple(made)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        for name, default in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            value = getattr(self, name)
            if value != (default,) * len(value):
                parts.append(f"{name}={value}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)

    def _short_text(self) -> str:
        size = self.kernel_size[0] if len(set(self.kernel_size)) == 1 else self.kernel_size
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, {size})"

    def _cure(self, args: tuple, model_args: tuple) -> str:
        shape = getattr(args[0], "shape", ())
        rank, wanted = len(shape), self.in_channels
        full = self.rank + 2
        if rank == full and shape[-1] == wanted and shape[1] != wanted:
            order = ", ".join(str(d) for d in (0, full - 1, *range(1, full - 1)))
            return (
                f"The input has {wanted} channels in the last place (N, H, W, C); this layer wants them second, "
                f"(N, C, H, W): x.permute({order})"
            )
        if rank == full and shape[1] != wanted:
            return (
                f"The input has {shape[1]} channels, in_channels is {wanted}. Build the layer for this data, "
                f"nn.{type(self).__name__}({shape[1]}, {self.out_channels}, ...)"
            )
        return ""


class _Forward(_Conv):
    """A convolution that shrinks."""

    def __init__(
        self,
        in_channels: int,
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
        super().__init__()
        self._make(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )


class Conv1d(_Forward):
    """Convolution. Shape: (N, C_in, L) or (C_in, L) -> (..., C_out, L_out). weight (C_out, C_in / groups, k)"""

    rank = 1

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input, weight, bias):
        return self._convolve(F.conv1d, input, weight, bias)


class Conv2d(_Forward):
    """Convolution. Shape: (N, C_in, H, W) or (C_in, H, W) -> (..., C_out, H_out, W_out).

    weight (C_out, C_in / groups, kh, kw), bias (C_out,): both start uniform in ±1/sqrt(C_in / groups * kh * kw).
    """

    rank = 2

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input, weight, bias):
        return self._convolve(F.conv2d, input, weight, bias)


class Conv3d(_Forward):
    """Convolution. Shape: (N, C_in, D, H, W) or (C_in, D, H, W) -> (..., C_out, D_out, H_out, W_out)"""

    rank = 3

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input, weight, bias):
        return self._convolve(F.conv3d, input, weight, bias)


class _Transposed(_Conv):
    """The gradient of a convolution as a layer: it grows."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
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
        super().__init__()
        self._make(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _grow(self, function, input, output_size):
        return function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_Transposed):
    """Transposed convolution. Shape: (N, C_in, L) -> (N, C_out, L_out). weight (C_in, C_out / groups, k)"""

    rank = 1

    def forward(self, input, output_size=None):
        return self._grow(F.conv_transpose1d, input, output_size)


class ConvTranspose2d(_Transposed):
    """Transposed convolution. Shape: (N, C_in, H, W) -> (N, C_out, H_out, W_out)"""

    rank = 2

    def forward(self, input, output_size=None):
        return self._grow(F.conv_transpose2d, input, output_size)


class ConvTranspose3d(_Transposed):
    """Transposed convolution. Shape: (N, C_in, D, H, W) -> (N, C_out, D_out, H_out, W_out)"""

    rank = 3

    def forward(self, input, output_size=None):
        return self._grow(F.conv_transpose3d, input, output_size)
