"""Embedding and EinsumDense: layers whose weights are looked up or contracted by an equation."""

from __future__ import annotations

import re

from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.keras import activations, constraints, initializers, ops, regularizers
from dovetail.keras.layers.layer import TABLE, Layer
from dovetail.ops.checks import require_in_range
from dovetail.ops.promote import cast
from dovetail.prims.index import take
from dovetail.tensor.op import op


@op(top=False, name="keras.embedding")
def rows_of(input: Value, table: Value) -> Value:
    """The row of the table that each whole number names. Shape: (*), (rows, n) -> (*, n)"""
    index = cast(input, dtypes.int64) if input.dtype is not dtypes.int32 else input
    rows = table.shape[0]
    require_in_range(index, 0, rows, f"Embedding: input_dim={rows} takes numbers from 0 to {rows - 1}")
    return take(table, index, dim=0)


class Embedding(Layer):
    """A learned vector for each whole number; mask_zero: 0 is padding. Shape: (*) -> (*, output_dim)"""

    def __init__(
        self,
        input_dim,
        output_dim,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        weights=None,
        lora_rank=None,
        lora_alpha=None,
        quantization_config=None,
        **kwargs,
    ):
        kwargs.pop("input_length", None)
        activity_regularizer = kwargs.pop("activity_regularizer", None)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.input_dim, self.output_dim, self.mask_zero = input_dim, output_dim, mask_zero
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.quantization_config = quantization_config
        self.supports_masking = mask_zero
        self.makes_mask = mask_zero
        self.autocast = False
        self.build()
        if weights is not None:
            self.set_weights(weights if isinstance(weights, (list, tuple)) else [weights])

    def build(self, input_shape=None):
        if not self.built:
            self.embeddings = self.add_weight(
                (self.input_dim, self.output_dim),
                self.embeddings_initializer,
                name="embeddings",
                regularizer=self.embeddings_regularizer,
                constraint=self.embeddings_constraint,
            )
        self.built = True

    def call(self, inputs):
        return rows_of(inputs, self.embeddings)

    def compute_mask(self, inputs, previous_mask=None):
        return inputs != 0 if self.mask_zero else None

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.output_dim)

    def get_config(self):
        config = {
            "input_dim": self.input_dim, "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint), "mask_zero": self.mask_zero,
            "quantization_config": self.quantization_config,
        }  # fmt: skip
        return {**super().get_config(), **config}


class ReversibleEmbedding(Embedding):
    """An Embedding that can also project back: call(vectors, reverse=True) gives a score for each row."""

    def __init__(
        self,
        input_dim,
        output_dim,
        tie_weights=True,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        reverse_dtype=None,
        logit_soft_cap=None,
        **kwargs,
    ):
        self_settings = (tie_weights, reverse_dtype, logit_soft_cap)
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
            mask_zero,
            **kwargs,
        )
        self.tie_weights, self.reverse_dtype, self.logit_soft_cap = self_settings
        if not tie_weights:
            self.reverse_embeddings = self.add_weight(
                (output_dim, input_dim), self.embeddings_initializer, name="reverse_embeddings"
            )

    def call(self, inputs, reverse=False):
        if not reverse:
            return super().call(inputs)
        table = ops.transpose(self.embeddings) if self.tie_weights else self.reverse_embeddings
        scores = ops.matmul(inputs, table)
        cap = self.logit_soft_cap
        return scores if cap is None else ops.tanh(scores / cap) * cap

    def get_config(self):
        return {
            **super().get_config(),
            "tie_weights": self.tie_weights,
            "reverse_dtype": self.reverse_dtype,
            "logit_soft_cap": self.logit_soft_cap,
        }


class EinsumDense(Layer):
    """A dense layer over the axes that an equation names: "abc,cd->abd", with "..." for any axes between."""

    def __init__(
        self,
        equation,
        output_shape,
        activation=None,
        bias_axes=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        lora_rank=None,
        lora_alpha=None,
        quantization_config=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.bias_axes, self.activation = bias_axes, activations.get(activation)
        self.kernel_initializer, self.bias_initializer = (
            initializers.get(kernel_initializer),
            initializers.get(bias_initializer),
        )
        self.kernel_regularizer, self.bias_regularizer = (
            regularizers.get(kernel_regularizer),
            regularizers.get(bias_regularizer),
        )
        self.kernel_constraint, self.bias_constraint = (
            constraints.get(kernel_constraint),
            constraints.get(bias_constraint),
        )
        self.quantization_config = quantization_config
        self.supports_masking = True
        self.bias = None

    def build(self, input_shape):
        kernel, bias, full = shapes_for(self.equation, self.bias_axes, tuple(input_shape), self.partial_output_shape)
        self.full_output_shape = full
        self.kernel = self.add_weight(
            kernel,
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if bias is not None:
            self.bias = self.add_weight(bias, self.bias_initializer, name="bias", regularizer=self.bias_regularizer,
                                        constraint=self.bias_constraint)  # fmt: skip
        self.built = True

    def call(self, inputs, training=None):
        x = ops.einsum(self.equation, inputs, self.kernel)
        x = x if self.bias is None else x + self.bias
        return x if self.activation is activations.linear else self.activation(x)

    def compute_output_shape(self, input_shape):
        return shapes_for(self.equation, self.bias_axes, tuple(input_shape), self.partial_output_shape)[2]

    def get_config(self):
        config = {
            "output_shape": self.partial_output_shape,
            "equation": self.equation,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": self.quantization_config,
        }
        return {**super().get_config(), **config}


def shapes_for(
    equation: str, bias_axes: str | None, inputs: tuple, partial: tuple
) -> tuple[tuple, tuple | None, tuple]:
    """(kernel, bias, whole output) shapes of an EinsumDense. Raises ArgumentError for an equation that does not fit."""
    found = re.fullmatch(
        r"(\.{3})?([a-zA-Z]*)(\.{3})?,([a-zA-Z]*)->(\.{3})?([a-zA-Z]*)(\.{3})?", equation.replace(" ", "")
    )
    if found is None:
        raise ArgumentError(
            message(
                "EinsumDense",
                f"invalid einsum equation {equation!r}",
                cure="Equations look like ab,bc->ac, ...ab,bc->...ac or ab...,bc->ac...",
            )
        )
    lead, left, tail, kernel, _, right, _ = found.groups()
    free = len(inputs) - len(left)
    if free < 0 or (free and not (lead or tail)):
        raise ArgumentError(
            message(
                "EinsumDense",
                f"the equation {equation!r} names {len(left)} axes, the input has {len(inputs)}",
                [("input shape", inputs)],
            )
        )
    names = inputs[free:] if lead else inputs[: len(left)]
    size_in = dict(zip(left, names, strict=True))
    rest = inputs[:free] if lead else inputs[len(left) :]
    wanted = list(partial)
    letters = list(right)
    offset = len(letters) - len(wanted)
    if lead:
        known = dict(zip(letters[max(offset, 0) :], wanted[max(-offset, 0) :], strict=False))
    else:
        known = dict(zip(letters[1 : 1 + len(wanted)] if offset == 1 else letters, wanted, strict=False))
    size_out = {c: (size_in.get(c) if known.get(c) is None else known[c]) for c in letters}
    for c in kernel:
        if c not in size_in and c not in size_out:
            raise ArgumentError(
                message(
                    "EinsumDense", f"the weight axis {c!r} is neither in the input nor in the output of {equation!r}"
                )
            )
    kernel_shape = tuple(size_in[c] if c in size_in else size_out[c] for c in kernel)
    out = (*rest, *(size_out[c] for c in letters)) if lead else (*(size_out[c] for c in letters), *rest)
    bias = None
    if bias_axes:
        first = min(letters.index(c) for c in bias_axes)
        bias = tuple(size_out[c] if c in bias_axes else 1 for c in letters[first:])
        bias += () if lead else (1,) * len(rest)
    return kernel_shape, bias, tuple(out)


for _kind in (Embedding, ReversibleEmbedding, EinsumDense):
    TABLE.add(_kind)
