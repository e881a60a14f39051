"""torch.nn.parallel's wrappers. There is one device and one process here, so they only pass on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.nn.module import Module
from dovetail.ops.shape import cat


class DataParallel(Module):
    """A wrapper with the module under `module`: names in its state_dict begin with "module.", as PyTorch's do.

    device_ids, output_device, dim: accepted.
    """

    def __init__(self, module: Module, device_ids=None, output_device=None, dim: int = 0) -> None:
        super().__init__()
        self.module, self.device_ids, self.output_device, self.dim = module, device_ids or [], output_device, dim

    def forward(self, *inputs: Any, **kwargs: Any):
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """A wrapper with the module under `module`, for a world of one process, where gradients need no exchange.

    Parameters' names begin with "module.", as PyTorch's do. What steers the exchange is accepted. More than one process
    is refused where the group is made (torch.distributed.init_process_group).
    Raises: RuntimeError for a module without parameters that need gradients.

    >>> from dovetail import nn
    >>> list(DistributedDataParallel(nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Module, device_ids=None, output_device=None, dim: int = 0, broadcast_buffers: bool = True,
        init_sync: bool = True, process_group=None, bucket_cap_mb=None, find_unused_parameters: bool = False,
        check_reduction: bool = False, gradient_as_bucket_view: bool = False, static_graph: bool = False,
        delay_all_reduce_named_params=None, param_to_hook_all_reduce=None, mixed_precision=None, device_mesh=None,
        skip_all_reduce_unused_params: bool = False, **settings: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if not any(p.requires_grad for p in module.parameters()):
            problem = "is not needed when a module doesn't have any parameter that requires a gradient"
            raise ArgumentError(message("DistributedDataParallel", problem))
        self.module, self.device_ids, self.output_device, self.dim = module, device_ids, output_device, dim
        self.find_unused_parameters, self.broadcast_buffers = find_unused_parameters, broadcast_buffers
        self.static_graph, self.require_backward_grad_sync = static_graph, True

    def forward(self, *inputs: Any, **kwargs: Any):
        return self.module(*inputs, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """A block whose gradients are added up before they are exchanged: there is no exchange."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextmanager
    def join(self, divide_by_initial_world_size: bool = True, enable: bool = True, **kwargs: Any) -> Iterator[None]:
        """A block for processes with unequal numbers of batches: there is one."""
        yield

    def register_comm_hook(self, state: object, hook: Any) -> None:
        """Accepted: gradients are never sent."""


def replicate(network: Module, devices: Sequence, detach: bool = False) -> list[Module]:
    """The module itself, once: there is one device."""
    return [network]


def scatter(inputs: Any, target_gpus: Sequence, dim: int = 0) -> Any:
    """The inputs whole, for the one device."""
    return [inputs]


def parallel_apply(modules: Sequence[Module], inputs: Sequence, kwargs_tup: Any = None, devices: Any = None) -> list:
    """Call each module with its inputs, one after the other."""
    more = kwargs_tup or [{}] * len(modules)
    calls = zip(modules, inputs, more, strict=True)
    return [module(*(given if isinstance(given, tuple) else (given,)), **named) for module, given, named in calls]


def gather(outputs: Sequence, target_device: Any, dim: int = 0) -> Any:
    """What the devices computed, joined along `dim`."""
    return outputs[0] if len(outputs) == 1 else cat(list(outputs), dim)


def data_parallel(module: Module, inputs: Any, device_ids=None, output_device=None, dim: int = 0, module_kwargs=None):
    """Call the module."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))


__all__ = [
    "DataParallel", "DistributedDataParallel", "data_parallel", "gather", "parallel_apply", "replicate", "scatter",
]  # fmt: skip
