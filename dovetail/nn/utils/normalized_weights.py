"""Weights kept apart from their size: weight norm (Salimans & Kingma 2016) and spectral norm (Miyato et al. 2018).

Each comes twice, as in torch: as a parametrisation (torch.nn.utils.parametrizations) and in the older form, which
computes the weight before every forward.
"""

from __future__ import annotations

from dovetail.base.errors import ArgumentError
from dovetail.nn.init import normal_
from dovetail.nn.layers.conv import _Transposed
from dovetail.nn.module import Module
from dovetail.nn.parameter import Parameter, new_tensor
from dovetail.nn.utils.parametrize import register_parametrization
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor


def norm_except(v: Tensor, dim: int | None) -> Tensor:
    """The norm over all dimensions but `dim`, kept as dimensions of size one."""
    dims = tuple(d for d in range(v.ndim) if dim is None or d != dim % v.ndim)
    return (v * v).sum(dims, keepdim=True).sqrt()


def none_for_all(dim: int | None) -> int | None:
    return None if dim in (None, -1) else dim


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = none_for_all(dim)

    def forward(self, weight_g, weight_v):
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight):
        return norm_except(weight, self.dim), weight


def parametrized_weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Split a weight into its direction and its norm along `dim`; returns the module."""
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class WeightNormHook:
    """The older weight norm: weight_g and weight_v are parameters, the weight is computed before each forward."""

    def __init__(self, name: str, dim: int | None):
        self.name, self.dim = name, none_for_all(dim)

    def compute(self, module: Module) -> Tensor:
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / norm_except(v, self.dim))

    def __call__(self, module: Module, args) -> None:
        setattr(module, self.name, self.compute(module))


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Split a weight into its direction (name_v) and its norm (name_g) along `dim`; returns the module."""
    if any(isinstance(h, WeightNormHook) and h.name == name for h in module._forward_pre_hooks.values()):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook, weight = WeightNormHook(name, dim), getattr(module, name)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(norm_except(weight.detach(), hook.dim)))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    setattr(module, name, hook.compute(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight an ordinary parameter again; returns the module."""
    return remove(module, name, WeightNormHook, ("_g", "_v"), "weight_norm")


def remove(module: Module, name: str, kind: type, suffixes: tuple[str, ...], what: str) -> Module:
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, kind) and hook.name == name:
            weight = hook.compute(module).detach().clone()
            delattr(module, name)
            for suffix in suffixes:
                delattr(module, name + suffix)
            module.register_parameter(name, Parameter(weight))
            del module._forward_pre_hooks[key]
            return module
    raise ArgumentError(f"{what} of '{name}' not found in {module}")


def unit(x: Tensor, eps: float) -> Tensor:
    return x / (x * x).sum().sqrt().clamp(min=eps)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    if dim:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.reshape(weight.shape[0], -1)


class _SpectralNorm(Module):
    """Divides a weight by its largest singular value, found by power iteration in training."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if n_power_iterations <= 0:
            raise ArgumentError(f"Expected n_power_iterations to be positive, but got {n_power_iterations}")
        self.dim, self.eps, self.n_power_iterations = dim % max(weight.ndim, 1), eps, n_power_iterations
        if weight.ndim > 1:
            matrix = as_matrix(weight.detach(), self.dim)
            u = normal_(new_tensor(matrix.shape[0], dtype=weight.dtype))
            v = normal_(new_tensor(matrix.shape[1], dtype=weight.dtype))
            self.register_buffer("_u", unit(u, eps))
            self.register_buffer("_v", unit(v, eps))
            self._iterate(matrix, 15)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        with no_grad():
            u, v = self._u, self._v
            for _ in range(times):
                u = unit(matrix.mv(v), self.eps)
                v = unit(matrix.t().mv(u), self.eps)
            self._u.copy_(u)
            self._v.copy_(v)

    def forward(self, weight):
        if weight.ndim == 1:
            return unit(weight, self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        return weight / self._u.clone().dot(matrix.mv(self._v.clone()))

    def right_inverse(self, value):
        return value


def default_dim(module: Module) -> int:
    """Where a layer's outputs are: dim 1 for transposed convolutions, else 0."""
    return 1 if isinstance(module, _Transposed) else 0


def parametrized_spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value; returns the module."""
    dim = default_dim(module) if dim is None else dim
    parametrization = _SpectralNorm(getattr(module, name), n_power_iterations, dim, eps)
    return register_parametrization(module, name, parametrization)


class SpectralNormHook:
    """The older spectral norm: weight_orig is the parameter, the weight is computed before each forward."""

    def __init__(self, name: str, norm: _SpectralNorm):
        self.name, self.norm = name, norm

    def compute(self, module: Module) -> Tensor:
        self.norm.training = module.training
        self.norm._u, self.norm._v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        return self.norm(getattr(module, self.name + "_orig"))

    def __call__(self, module: Module, args) -> None:
        setattr(module, self.name, self.compute(module))


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value before every forward; returns the module."""
    weight = getattr(module, name)
    hook = SpectralNormHook(
        name, _SpectralNorm(weight, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    )
    del module._parameters[name]
    module.register_parameter(name + "_orig", weight)
    module.register_buffer(name + "_u", hook.norm._u)
    module.register_buffer(name + "_v", hook.norm._v)
    setattr(module, name, weight.detach())
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight an ordinary parameter again; returns the module."""
    return remove(module, name, SpectralNormHook, ("_orig", "_u", "_v"), "spectral_norm")
