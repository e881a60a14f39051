"""Attention layers."""

from __future__ import annotations

import string

from dovetail.base.errors import ArgumentError, message
from dovetail.keras import constraints, initializers, ops, regularizers
from dovetail.keras.layers.activations import Softmax
from dovetail.keras.layers.layer import TABLE, Layer
from dovetail.keras.layers.projections import EinsumDense
from dovetail.keras.layers.regularization import Dropout


def causal(query, value):
    """(1, query steps, value steps): True where a step may look."""
    rows, columns = query.shape[1], value.shape[1]
    return ops.expand_dims(ops.cast(ops.tri(rows, columns), "bool"), 0)


def near(query, value, window: int):
    rows, columns = ops.arange(query.shape[1]), ops.arange(value.shape[1])
    away = ops.abs(ops.expand_dims(rows, 1) - ops.expand_dims(columns, 0))
    return ops.expand_dims(away < window, 0)


class _Projected(Layer):
    """Base of attention with learned projections: settings, masks, weights for the sublayers."""

    def _set_up_attention(self, options: dict) -> None:
        for name in ("kernel", "bias"):
            setattr(self, f"_{name}_initializer", initializers.get(options[f"{name}_initializer"]))
            setattr(self, f"_{name}_regularizer", regularizers.get(options[f"{name}_regularizer"]))
            setattr(self, f"_{name}_constraint", constraints.get(options[f"{name}_constraint"]))
        self.seed = options["seed"]
        self.sliding_window = options["sliding_window"]
        self.supports_masking = True
        if options["dropout"] and options["dropout"] > 0:
            self._dropout_layer = Dropout(options["dropout"], seed=options["seed"], dtype=self.dtype_policy)
        self._softmax = Softmax(dtype=self.dtype_policy)

    def _dense(self, equation: str, shape: tuple, bias: str | None, name: str, activation=None) -> EinsumDense:
        return EinsumDense(
            equation,
            shape,
            activation=activation,
            bias_axes=bias if self._use_bias else None,
            name=name,
            dtype=self.dtype_policy,
            kernel_initializer=type(self._kernel_initializer).from_config(self._kernel_initializer.get_config()),
            bias_initializer=type(self._bias_initializer).from_config(self._bias_initializer.get_config()),
            kernel_regularizer=self._kernel_regularizer,
            bias_regularizer=self._bias_regularizer,
            activity_regularizer=self.activity_regularizer,
            kernel_constraint=self._kernel_constraint,
            bias_constraint=self._bias_constraint,
        )

    def _mask(self, query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask):
        parts = []
        if query_mask is not None:
            parts.append(ops.expand_dims(ops.cast(query_mask, "bool"), -1))
        for m in (value_mask, key_mask):
            if m is not None:
                parts.append(ops.expand_dims(ops.cast(m, "bool"), -2))
        if use_causal_mask:
            parts.append(causal(query, value))
        if self.sliding_window is not None:
            parts.append(near(query, value, self.sliding_window))
        if attention_mask is not None:
            parts.append(ops.cast(attention_mask, "bool"))
        made = None
        for part in parts:
            made = part if made is None else ops.logical_and(made, part)
        return made

    def _weights_config(self) -> dict:
        config = {}
        for name in ("kernel", "bias"):
            config[f"{name}_initializer"] = initializers.serialize(getattr(self, f"_{name}_initializer"))
            config[f"{name}_regularizer"] = regularizers.serialize(getattr(self, f"_{name}_regularizer"))
            config[f"{name}_constraint"] = constraints.serialize(getattr(self, f"_{name}_constraint"))
        return {**config, "activity_regularizer": regularizers.serialize(self.activity_regularizer), "seed": self.seed}


class MultiHeadAttention(_Projected):
    """Scaled dot-product attention in several heads. Source: Vaswani et al. 2017.

    Shape: query (n, t, d), value (n, s, d) -> (n, t, d), or (n, t, *output_shape)
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        dropout=0.0,
        use_bias=True,
        output_shape=None,
        attention_axes=None,
        flash_attention=None,
        use_gate=False,
        sliding_window=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._num_heads, self._key_dim, self._value_dim = num_heads, key_dim, value_dim or key_dim
        self._dropout, self._use_bias, self._use_gate = dropout, use_bias, use_gate
        self._output_shape = (
            None if output_shape is None else (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        )
        self._attention_axes = (
            None
            if attention_axes is None
            else (attention_axes,)
            if isinstance(attention_axes, int)
            else tuple(attention_axes)
        )
        self._given_axes = self._attention_axes
        self._set_up_attention(locals())

    num_heads = property(lambda self: self._num_heads)
    key_dim = property(lambda self: self._key_dim)
    value_dim = property(lambda self: self._value_dim)
    dropout = property(lambda self: self._dropout)
    use_bias = property(lambda self: self._use_bias)
    attention_axes = property(lambda self: self._attention_axes)
    query_dense = property(lambda self: self._query_dense)
    key_dense = property(lambda self: self._key_dense)
    value_dense = property(lambda self: self._value_dense)
    output_dense = property(lambda self: self._output_dense)

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ArgumentError(message(f"MultiHeadAttention {self.name!r}", "value and key must agree in all sizes "
                "but the last",
                                        [("value", value_shape), ("key", key_shape)]))  # fmt: skip
        rank = len(query_shape)
        if self._attention_axes is None:
            self._attention_axes = tuple(range(1, rank - 1))
        free = string.ascii_lowercase[: rank - 1]  # batch and steps
        project = f"{free}z,zyx->{free}yx"
        steps = tuple(query_shape[1:-1])

        def head(size: int, name: str, shape, activation=None):
            made = self._dense(project, (*(None for _ in steps), self._num_heads, size), "yx", name, activation)
            made.build(tuple(shape))
            return made

        self._query_dense = head(self._key_dim, "query", query_shape)
        self._key_dense = head(self._key_dim, "key", key_shape)
        if self._use_gate:
            self._gate_dense = head(self._value_dim, "gate", query_shape, "sigmoid")
        self._value_dense = head(self._value_dim, "value", value_shape)
        out = self._output_shape or (query_shape[-1],)
        letters = string.ascii_lowercase[20 : 20 + len(out)]
        self._output_dense = self._dense(
            f"{free}yx,yx{letters}->{free}{letters}", (*(None for _ in steps), *out), letters, "attention_output"
        )
        self._output_dense.build((*tuple(query_shape[:-1]), self._num_heads, self._value_dim))
        self.built = True

    def call(self, query, value, key=None, query_mask=None, value_mask=None, key_mask=None, attention_mask=None,
             return_attention_scores=False, training=None, use_causal_mask=False):  # fmt: skip
        key = value if key is None else key
        mask = self._mask(query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask)
        gate = self._gate_dense(query) if self._use_gate else None
        q, k, v = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        out, scores = self._attend(q, k, v, mask, training, return_attention_scores)
        out = self._output_dense(out if gate is None else out * gate)
        return (out, scores) if return_attention_scores else out

    def _attend(self, q, k, v, mask, training, with_scores: bool):
        """(heads' outputs (n, steps, heads, size), weights where they are asked for)."""
        if not with_scores and not (self._dropout and training) and q.ndim == 4:
            if mask is not None:
                while mask.ndim < 4:
                    mask = ops.expand_dims(mask, 1 if mask.ndim >= 3 else 0)
            return ops.dot_product_attention(q, k, v, mask=mask, scale=self._key_dim**-0.5), None
        rank, axes = q.ndim, self._attention_axes
        outer = [d for d in range(rank) if d not in axes and d != rank - 1]
        order = (*outer, *axes, rank - 1)
        q, k, v = (ops.transpose(t, order) for t in (q, k, v))
        lead = q.shape[: len(outer)]
        steps, others = q.shape[len(outer) : -1], k.shape[len(outer) : -1]
        q, k, v = (ops.reshape(t, (*lead, -1, t.shape[-1])) for t in (q, k, v))
        scores = ops.matmul(q * self._key_dim**-0.5, ops.swapaxes(k, -1, -2))
        if mask is not None:
            m = (
                ops.reshape(
                    mask,
                    (
                        *mask.shape[: mask.ndim - 2 * len(axes)],
                        scores.shape[-2] if mask.shape[-2] != 1 else 1,
                        scores.shape[-1],
                    ),
                )
                if len(axes) > 1
                else mask
            )
            while m.ndim < scores.ndim:
                m = ops.expand_dims(m, -3)
            scores = self._softmax(scores, mask=m)
        else:
            scores = self._softmax(scores)
        weights = self._dropout_layer(scores, training=training) if self._dropout else scores
        out = ops.reshape(ops.matmul(weights, v), (*lead, *steps, v.shape[-1]))
        inverse = tuple(order.index(d) for d in range(rank))
        return ops.transpose(out, inverse), ops.reshape(scores, (*lead, *steps, *others))

    def compute_output_shape(self, query_shape, value_shape=None, key_shape=None):
        return (*query_shape[:-1], *(self._output_shape or (query_shape[-1],)))

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def get_config(self):
        config = {
            "num_heads": self._num_heads,
            "key_dim": self._key_dim,
            "value_dim": self._value_dim,
            "dropout": self._dropout,
            "use_bias": self._use_bias,
            "use_gate": self._use_gate,
            "output_shape": self._output_shape,
            "attention_axes": self._given_axes,
            "sliding_window": self.sliding_window,
        }
        return {**super().get_config(), **config, **self._weights_config()}


class GroupedQueryAttention(_Projected):
    """Attention whose groups of query heads share key and value heads. Source: Ainslie et al. 2023."""

    def __init__(
        self,
        head_dim,
        num_query_heads,
        num_key_value_heads,
        dropout=0.0,
        use_bias=True,
        flash_attention=None,
        use_gate=False,
        sliding_window=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if num_query_heads % num_key_value_heads:
            raise ArgumentError(
                message(
                    "GroupQueryAttention",
                    f"num_query_heads={num_query_heads} must be divisible by num_key_value_heads={num_key_value_heads}",
                )
            )
        self.head_dim, self.num_query_heads, self.num_key_value_heads = head_dim, num_query_heads, num_key_value_heads
        self.num_repeats = num_query_heads // num_key_value_heads
        self.dropout, self.use_bias, self._use_bias, self.use_gate = dropout, use_bias, use_bias, use_gate
        self._set_up_attention(locals())

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        n = self.head_dim

        def head(heads: int, name: str, shape, activation=None):
            made = self._dense("bqm,muh->bquh", (None, heads, n), "uh", name, activation)
            made.build(tuple(shape))
            return made

        self._query_dense = head(self.num_query_heads, "query", query_shape)
        self._key_dense = head(self.num_key_value_heads, "key", key_shape)
        if self.use_gate:
            self._gate_dense = head(self.num_query_heads, "gate", query_shape, "sigmoid")
        self._value_dense = head(self.num_key_value_heads, "value", value_shape)
        self._output_dense = self._dense("bquh,uhm->bqm", (None, query_shape[-1]), "m", "attention_output")
        self._output_dense.build((None, None, self.num_query_heads, n))
        self.built = True

    def call(self, query, value, key=None, query_mask=None, value_mask=None, key_mask=None, attention_mask=None,
             return_attention_scores=False, training=None, use_causal_mask=False):  # fmt: skip
        key = value if key is None else key
        mask = self._mask(query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask)
        if mask is not None and mask.ndim == 3:
            mask = ops.expand_dims(mask, 1)
        gate = self._gate_dense(query) if self.use_gate else None
        q, k, v = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        k, v = ops.repeat(k, self.num_repeats, axis=2), ops.repeat(v, self.num_repeats, axis=2)
        scale = self.head_dim**-0.5
        scores = None
        if return_attention_scores or (self.dropout and training):
            scores = self._softmax(ops.einsum("bquh,bkuh->buqk", q * scale, k), mask=mask)
            weights = self._dropout_layer(scores, training=training) if self.dropout else scores
            out = ops.einsum("buqk,bkuh->bquh", weights, v)
        else:
            out = ops.dot_product_attention(q, k, v, mask=mask, scale=scale)
        out = self._output_dense(out if gate is None else out * gate)
        return (out, scores) if return_attention_scores else out

    def compute_output_shape(self, query_shape, value_shape=None, key_shape=None):
        return query_shape

    def get_config(self):
        config = {
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "use_gate": self.use_gate,
            "sliding_window": self.sliding_window,
        }
        return {**super().get_config(), **config, **self._weights_config()}


class Attention(Layer):
    """Dot-product attention over a list [query, value] or [query, value, key]. Source: Luong et al. 2015."""

    def __init__(self, use_scale=False, score_mode="dot", dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ArgumentError(
                message("Attention", f"invalid score_mode {score_mode!r}", cure="Expected 'dot' or 'concat'")
            )
        self.use_scale, self.score_mode, self.dropout, self.seed = use_scale, score_mode, dropout, seed
        self.supports_masking = True
        self.scale = self.concat_score_weight = None
        if dropout:
            self._dropout_layer = Dropout(dropout, seed=seed)

    def build(self, input_shape):
        if not isinstance(input_shape, (list, tuple)) or not 2 <= len(input_shape) <= 3:
            raise ArgumentError(
                message(
                    f"{type(self).__name__} {self.name!r}",
                    "must be called on a list of inputs, namely [query, value] or [query, value, key]",
                )
            )
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")
        self.built = True

    def scores(self, query, key):
        if self.score_mode == "dot":
            made = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return made if self.scale is None else made * self.scale
        both = ops.expand_dims(query, -2) + ops.expand_dims(key, -3)
        both = both if self.scale is None else both * self.scale
        return ops.sum(ops.tanh(both), axis=-1) * self.concat_score_weight

    def call(self, inputs, mask=None, training=False, return_attention_scores=False, use_causal_mask=False):
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        q_mask, v_mask = (mask[0], mask[1]) if mask else (None, None)
        scores = self.scores(query, key)
        allowed = None if v_mask is None else ops.expand_dims(v_mask, -2)
        if use_causal_mask:
            allowed = causal(query, key) if allowed is None else ops.logical_and(allowed, causal(query, key))
        if allowed is not None:
            scores = ops.where(allowed, scores, scores - (65504.0 if scores.dtype.itemsize < 4 else 1e9))
        weights = ops.softmax(scores, axis=-1)
        if self.dropout:
            weights = self._dropout_layer(weights, training=training)
        out = ops.matmul(weights, value)
        if q_mask is not None:
            out = ops.where(ops.expand_dims(q_mask, -1), out, 0.0)
        return (out, weights) if return_attention_scores else out

    def compute_mask(self, inputs, previous_mask=None):
        return None if previous_mask is None or previous_mask[0] is None else previous_mask[0]

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], input_shape[1][-1])

    def get_config(self):
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }


class AdditiveAttention(Attention):
    """Attention by the sum of query and key under tanh. Source: Bahdanau et al. 2015."""

    def __init__(self, use_scale=True, dropout=0.0, seed=None, **kwargs):
        super().__init__(use_scale, "dot", dropout, seed, **kwargs)

    def build(self, input_shape):
        if self.use_scale:
            self.scale = self.add_weight((input_shape[0][-1],), "glorot_uniform", name="scale")
        self.built = True

    def scores(self, query, key):
        both = ops.tanh(ops.expand_dims(query, -2) + ops.expand_dims(key, -3))
        return ops.sum(both if self.scale is None else both * self.scale, axis=-1)

    def get_config(self):
        config = super().get_config()
        config.pop("score_mode")
        return config


for _kind in (MultiHeadAttention, Attention, AdditiveAttention):
    TABLE.add(_kind)
TABLE.add(GroupedQueryAttention, "GroupQueryAttention")
GroupQueryAttention = GroupedQueryAttention
