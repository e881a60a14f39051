"""torch.nn.parallel's DataParallel. There is one device here, so the wrapper only passes on."""

from __future__ import annotations

from typing import Any

from dovetail.nn.module import Module


class DataParallel(Module):
    """A wrapper with the module under `module`: names in its state_dict begin with "module.", as PyTorch's do.

    device_ids, output_device, dim: accepted.
    """

    def __init__(self, module: Module, device_ids=None, output_device=None, dim: int = 0) -> None:
        super().__init__()
        self.module, self.device_ids, self.output_device, self.dim = module, device_ids or [], output_device, dim

    def forward(self, *inputs: Any, **kwargs: Any):
        return self.module(*inputs, **kwargs)


def data_parallel(module: Module, inputs: Any, device_ids=None, output_device=None, dim: int = 0, module_kwargs=None):
    """Call the module."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))


__all__ = ["DataParallel", "data_parallel"]
