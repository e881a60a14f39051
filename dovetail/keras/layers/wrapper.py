"""A torch-style Module as a Keras layer."""

from __future__ import annotations

from typing import Any

from dovetail.keras.layers.layer import TABLE, Layer
from dovetail.keras.naming import auto_name
from dovetail.nn.module import Module


class TorchModuleWrapper(Layer):
    """Any nn.Module as a layer: its parameters are the layer's weights, its mode follows `training`.

    Source: keras.layers.TorchModuleWrapper.
    """

    def __init__(self, module: Module, name: str | None = None, output_shape=None, **kwargs: Any):
        super().__init__(name=name or auto_name(type(module).__name__), **kwargs)
        self.module = module
        self.built = True

    def parameters(self, recurse: bool = True):
        return self.module.parameters(recurse)

    def call(self, *args, training=None, **kwargs):
        mode = bool(training)
        if self.module.training != mode:
            self.module.train(mode)
        return self.module(*args, **kwargs)


TABLE.add(TorchModuleWrapper)
