"""keras.Input and InputLayer: where a functional model begins."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.keras.dtypes import standardize_dtype
from dovetail.keras.layers.layer import TABLE, Layer
from dovetail.keras.symbolic import KerasTensor, Node


class InputLayer(Layer):
    """The entry of a model: holds the KerasTensor that stands for its data."""

    def __init__(
        self,
        shape=None,
        batch_size=None,
        dtype=None,
        sparse=None,
        ragged=None,
        batch_shape=None,
        input_tensor=None,
        optional=False,
        name=None,
        **kwargs,
    ):
        if kwargs.get("input_shape") is not None and shape is None:
            shape = kwargs.pop("input_shape")
        super().__init__(name=name)
        if input_tensor is not None:
            batch_shape, dtype = input_tensor.shape, dtype or input_tensor.dtype
        if shape is not None and batch_shape is not None and input_tensor is None:
            raise ArgumentError(message("Input", "give either shape or batch_shape, not both"))
        if batch_shape is None:
            if shape is None:
                raise ArgumentError(
                    message(
                        "Input", "needs shape=, the shape of one sample", cure="For example keras.Input(shape=(784,))"
                    )
                )
            batch_shape = (batch_size, *((shape,) if isinstance(shape, int) else tuple(shape)))
        self.batch_shape = tuple(batch_shape)
        self._input_dtype = standardize_dtype(dtype)
        self.sparse, self.ragged, self.optional = bool(sparse), bool(ragged), bool(optional)
        self.built = True
        made = (
            input_tensor
            if isinstance(input_tensor, KerasTensor)
            else KerasTensor(self.batch_shape, self._input_dtype, name=self.name)
        )
        made.name = self.name
        made.optional = self.optional
        Node(self, (), {}, made)

    def call(self):
        return None

    @property
    def dtype(self):
        return self._input_dtype

    @property
    def output(self):
        return self._inbound_nodes[0].outputs

    def get_config(self):
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            **({"optional": True} if self.optional else {}),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config.get("batch_shape"), list):
            config["batch_shape"] = tuple(config["batch_shape"])
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = config["dtype"]["config"]["name"]
        return cls(**{k: v for k, v in config.items() if k != "trainable"})

    def __repr__(self) -> str:
        return f"<InputLayer name={self.name}>"


def Input(shape=None, batch_size=None, dtype=None, sparse=None, ragged=None, batch_shape=None, name=None, tensor=None,
          optional=False, **kwargs) -> Any:  # fmt: skip
    """A stand-in for a batch of data: `shape` is that of one sample, None where a size may vary.

    >>> Input(shape=(784,)).shape
    (None, 784)
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name, **kwargs)
    return layer.output


TABLE.add(InputLayer)
