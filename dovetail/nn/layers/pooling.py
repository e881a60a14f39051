"""Pooling as modules: maxima, means and norms of windows."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError
from dovetail.nn import functional as F
from dovetail.nn.module import Module


class _MaxPool(Module):
    """Settings of a max pool."""

    def __init__(
        self, kernel_size, stride=None, padding=0, dilation=1, return_indices: bool = False, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def _run(self, function, input):
        return function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """Largest value of each window. Shape: (N, C, L) or (C, L) -> (..., L_out)"""

    def forward(self, input):
        return self._run(F.max_pool1d, input)


class MaxPool2d(_MaxPool):
    """Largest value of each window. Shape: (N, C, H, W) or (C, H, W) -> (..., H_out, W_out)"""

    def forward(self, input):
        return self._run(F.max_pool2d, input)


class MaxPool3d(_MaxPool):
    """Largest value of each window. Shape: (N, C, D, H, W) or (C, D, H, W) -> (..., D_out, H_out, W_out)"""

    def forward(self, input):
        return self._run(F.max_pool3d, input)


class _MaxUnpool(Module):
    """Settings of the inverse of a max pool."""

    rank = 0

    def __init__(self, kernel_size, stride=None, padding=0) -> None:
        super().__init__()
        self.kernel_size = repeated(kernel_size, self.rank)
        self.stride = repeated(kernel_size if stride is None else stride, self.rank)
        self.padding = repeated(padding, self.rank)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


def repeated(n, rank: int) -> tuple:
    return (n,) * rank if isinstance(n, int) else tuple(n)


class MaxUnpool1d(_MaxUnpool):
    """Maxima back at their places, zeros elsewhere."""

    rank = 1

    def forward(self, input, indices, output_size=None):
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpool):
    """Maxima back at their places, zeros elsewhere."""

    rank = 2

    def forward(self, input, indices, output_size=None):
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpool):
    """Maxima back at their places, zeros elsewhere."""

    rank = 3

    def forward(self, input, indices, output_size=None):
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class AvgPool1d(Module):
    """Mean of each window. Shape: (N, C, L) or (C, L) -> (..., L_out)"""

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode: bool = False, count_include_pad: bool = True
    ) -> None:
        super().__init__()
        self.kernel_size = repeated(kernel_size, 1)
        self.stride = repeated(kernel_size if stride is None else stride, 1)
        self.padding = repeated(padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input):
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    """Settings of a mean pool."""

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def _run(self, function, input):
        return function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """Mean of each window. Shape: (N, C, H, W) or (C, H, W) -> (..., H_out, W_out)"""

    def forward(self, input):
        return self._run(F.avg_pool2d, input)


class AvgPool3d(_AvgPool):
    """Mean of each window. Shape: (N, C, D, H, W) or (C, D, H, W) -> (..., D_out, H_out, W_out)"""

    def forward(self, input):
        return self._run(F.avg_pool3d, input)


class _LPPool(Module):
    """Settings of a power-average pool."""

    def __init__(self, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def extra_repr(self) -> str:
        text = f"norm_type={self.norm_type}, kernel_size={self.kernel_size}"
        return f"{text}, stride={self.stride}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPool):
    """p-norm of each window. Shape: (N, C, L) or (C, L) -> (..., L_out)"""

    def forward(self, input):
        return F.lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPool):
    """p-norm of each window. Shape: (N, C, H, W) or (C, H, W) -> (..., H_out, W_out)"""

    def forward(self, input):
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPool):
    """p-norm of each window. Shape: (N, C, D, H, W) or (C, D, H, W) -> (..., D_out, H_out, W_out)"""

    def forward(self, input):
        return F.lp_pool3d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class _AdaptivePool(Module):
    """Windows chosen so that the output has a given size."""

    def __init__(self, output_size) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means of as many windows as the output wants. Shape: (N, C, L) -> (N, C, output_size)"""

    def forward(self, input):
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means of as many windows as the output wants. Shape: (N, C, H, W) -> (N, C, *output_size)"""

    def forward(self, input):
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptivePool):
    """Means of as many windows as the output wants. Shape: (N, C, D, H, W) -> (N, C, *output_size)"""

    def forward(self, input):
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima of as many windows as the output wants. Shape: (N, C, L) -> (N, C, output_size)"""

    def forward(self, input):
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima of as many windows as the output wants. Shape: (N, C, H, W) -> (N, C, *output_size)"""

    def forward(self, input):
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima of as many windows as the output wants. Shape: (N, C, D, H, W) -> (N, C, *output_size)"""

    def forward(self, input):
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _FractionalMaxPool(Module):
    """Settings of a max pool with windows at random places (Graham 2014)."""

    rank = 0

    def __init__(
        self, kernel_size, output_size=None, output_ratio=None, return_indices: bool = False, _random_samples=None
    ) -> None:
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            raise ArgumentError(f"{type(self).__name__} needs one of output_size and output_ratio")
        self.kernel_size = repeated(kernel_size, self.rank)
        self.output_size = None if output_size is None else repeated(output_size, self.rank)
        self.output_ratio = (output_ratio,) * self.rank if isinstance(output_ratio, float) else output_ratio
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ArgumentError(f"output_ratio must be between 0 and 1 (got {output_ratio})")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def _run(self, function, input):
        return function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maxima of windows at random places. Shape: (N, C, H, W) -> (N, C, *output_size)"""

    rank = 2

    def forward(self, input):
        return self._run(F.fractional_max_pool2d, input)


class FractionalMaxPool3d(_FractionalMaxPool):
    """Maxima of windows at random places. Shape: (N, C, D, H, W) -> (N, C, *output_size)"""

    rank = 3

    def forward(self, input):
        return self._run(F.fractional_max_pool3d, input)
