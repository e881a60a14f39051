"""Swin: attention within windows that shift from block to block; and its second version."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from dovetail import nn
from dovetail.nn import functional as F
from dovetail.nn import init
from dovetail.ops.create import ones, zeros
from dovetail.ops.shape import cat, roll
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.weights import model
from dovetail.vision.ops.layers import MLP, Permute, StochasticDepth

Norm = Callable[[int], nn.Module]


class PatchMerging(nn.Module):
    """Two by two places become one of twice the channels.

    Shape: (n, h, w, c) -> (n, h / 2, w / 2, 2 c)
    """

    norm_first = True

    def __init__(self, dim: int, norm_layer: Norm = nn.LayerNorm):
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim if self.norm_first else 2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-3:-1]
        x = F.pad(x, (0, 0, 0, w % 2, 0, h % 2))
        corners = [x[..., row::2, column::2, :] for column in (0, 1) for row in (0, 1)]
        x = cat(corners, -1)
        return self.reduction(self.norm(x)) if self.norm_first else self.norm(self.reduction(x))


class PatchMergingV2(PatchMerging):
    """As PatchMerging, normalized afterwards."""

    norm_first = False


def places(window: Sequence[int]) -> np.ndarray:
    """For each pair of places in a window, which of the (2 h - 1) (2 w - 1) distances lies between them."""
    rows, columns = np.meshgrid(np.arange(window[0]), np.arange(window[1]), indexing="ij")
    y, x = rows.ravel(), columns.ravel()
    down, across = y[:, None] - y[None] + window[0] - 1, x[:, None] - x[None] + window[1] - 1
    return (down * (2 * window[1] - 1) + across).ravel().astype(np.int64)


def unseen(h: int, w: int, window: Sequence[int], shift: Sequence[int]) -> np.ndarray:
    """(windows, area, area): -100 between places that only the shift has brought into one window, else 0."""
    region = np.zeros((h, w), np.float32)
    cuts = [(slice(0, -n), slice(-n, -s), slice(-s, None)) for n, s in zip(window, shift, strict=True)]
    for number, (rows, columns) in enumerate((a, b) for a in cuts[0] for b in cuts[1]):
        region[rows, columns] = number
    cut = region.reshape(h // window[0], window[0], w // window[1], window[1]).transpose(0, 2, 1, 3)
    parts = cut.reshape(-1, window[0] * window[1])
    return np.where(parts[:, None] != parts[:, :, None], np.float32(-100), np.float32(0))


class ShiftedWindowAttention(nn.Module):
    """Attention among the places of each window, with a bias for each distance.

    Shape: (n, h, w, dim) -> (n, h, w, dim)
    """

    def __init__(
        self,
        dim: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.window_size, self.shift_size, self.num_heads = list(window_size), list(shift_size), num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.start_biases()
        self.register_buffer("relative_position_index", Tensor.from_array(places(self.window_size)))
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)

    def start_biases(self) -> None:
        """The learnt bias of each distance and head."""
        count = (2 * self.window_size[0] - 1) * (2 * self.window_size[1] - 1)
        self.relative_position_bias_table = nn.Parameter(zeros(count, self.num_heads))
        init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def looked_up(self, table: Tensor) -> Tensor:
        """(1, heads, area, area) from the table's rows."""
        area = self.window_size[0] * self.window_size[1]
        return table[self.relative_position_index].view(area, area, -1).permute(2, 0, 1).unsqueeze(0)

    def get_relative_position_bias(self) -> Tensor:
        """(1, heads, area, area)"""
        return self.looked_up(self.relative_position_bias_table)

    def projected(self, x: Tensor) -> Tensor:
        """Queries, keys and values of each place, side by side."""
        return self.qkv(x)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """How much each place looks at each other, before the softmax."""
        return (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, c = x.shape
        rows, columns = self.window_size
        x = F.pad(x, (0, 0, 0, -w % columns, 0, -h % rows))
        high, wide = x.shape[1:3]
        shift = [
            0 if n >= side else s for n, side, s in zip(self.window_size, (high, wide), self.shift_size, strict=True)
        ]
        if any(shift):
            x = roll(x, (-shift[0], -shift[1]), (1, 2))
        windows, area = (high // rows) * (wide // columns), rows * columns
        x = x.view(n, high // rows, rows, wide // columns, columns, c).permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(n * windows, area, c)
        q, k, v = self.projected(x).reshape(n * windows, area, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        attention = self.scores(q, k) + self.get_relative_position_bias()
        if any(shift):
            mask = Tensor.from_array(unseen(high, wide, self.window_size, shift))[None, :, None].to(x.dtype)
            attention = (attention.view(n, windows, self.num_heads, area, area) + mask).view(
                -1, self.num_heads, area, area
            )
        attention = F.dropout(F.softmax(attention, -1), self.attention_dropout, self.training)
        x = (attention @ v).transpose(1, 2).reshape(n * windows, area, c)
        x = F.dropout(self.proj(x), self.dropout, self.training)
        x = x.view(n, high // rows, wide // columns, rows, columns, c).permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(n, high, wide, c)
        if any(shift):
            x = roll(x, (shift[0], shift[1]), (1, 2))
        return x[:, :h, :w, :]


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """The second version: cosines instead of products, and the biases computed from the distances' logarithms.

    Source: Liu et al. 2021, arXiv:2111.09883.
    """

    def __init__(self, dim: int, window_size: Sequence[int], shift_size: Sequence[int], num_heads: int, **options):
        super().__init__(dim, window_size, shift_size, num_heads, **options)
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512, bias=True), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False)
        )
        if self.qkv.bias is not None:
            init.zeros_(self.qkv.bias[dim : 2 * dim].detach())

    def start_biases(self) -> None:
        self.logit_scale = nn.Parameter(ones(self.num_heads, 1, 1) * math.log(10.0))
        sides = [np.arange(1 - n, n, dtype=np.float32) / max(n - 1, 1) * 8 for n in self.window_size]
        table = np.stack(np.meshgrid(*sides, indexing="ij"), -1)[None]
        table = np.sign(table) * np.log2(np.abs(table) + 1.0) / 3.0
        self.register_buffer("relative_coords_table", Tensor.from_array(np.ascontiguousarray(table, np.float32)))

    def get_relative_position_bias(self) -> Tensor:
        return 16 * self.looked_up(self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads)).sigmoid()

    def projected(self, x: Tensor) -> Tensor:
        if self.qkv.bias is None:
            return self.qkv(x)
        third = self.qkv.bias.numel() // 3
        q, _, v = self.qkv.bias.split(third)
        return F.linear(x, self.qkv.weight, cat([q, zeros(third, dtype=q.dtype), v], 0))  # keys have no bias

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        return cosines * self.logit_scale.clamp(max=math.log(100.0)).exp()


class SwinTransformerBlock(nn.Module):
    """Attention within windows, then two fully connected layers at each place, both beside a shortcut."""

    attention: type[ShiftedWindowAttention] = ShiftedWindowAttention

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Norm = nn.LayerNorm,
    ):
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = self.attention(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for module in self.mlp.modules():
            if isinstance(module, nn.Linear):
                init.xavier_uniform_(module.weight)
                init.normal_(module.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """As SwinTransformerBlock, normalized after attention and layers instead of before."""

    attention = ShiftedWindowAttentionV2

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class SwinTransformer(nn.Module):
    """Patches, four groups of blocks with merging between them, the average, one fully connected layer.

    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Liu et al. 2021, arXiv:2103.14030. Names of parameters as torchvision.models.SwinTransformer.
    """

    def __init__(
        self,
        patch_size: Sequence[int],
        embed_dim: int,
        depths: Sequence[int],
        num_heads: Sequence[int],
        window_size: Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        block: type[SwinTransformerBlock] = SwinTransformerBlock,
        downsample_layer: type[PatchMerging] = PatchMerging,
    ):
        super().__init__()
        self.num_classes = num_classes
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patch = tuple(patch_size)
        layers: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(3, embed_dim, patch, patch), Permute([0, 2, 3, 1]), norm(embed_dim))
        ]
        place, total = 0, sum(depths)
        for group, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            dim, blocks = embed_dim * 2**group, []
            for nth in range(depth):
                shift = [0 if nth % 2 == 0 else side // 2 for side in window_size]
                drop = stochastic_depth_prob * place / (total - 1)
                blocks.append(block(dim, heads, window_size, shift, mlp_ratio, dropout, attention_dropout, drop, norm))
                place += 1
            layers.append(nn.Sequential(*blocks))
            if group + 1 < len(depths):
                layers.append(downsample_layer(dim, norm))
        self.features = nn.Sequential(*layers)
        self.norm = norm(dim)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


DEPTHS = {"t": (2, 2, 6, 2), "s": (2, 2, 18, 2), "b": (2, 2, 18, 2)}
HEADS = {"t": (3, 6, 12, 24), "s": (3, 6, 12, 24), "b": (4, 8, 16, 32)}
WIDTHS = {"t": 96, "s": 96, "b": 128}


def make_swin(size: str, drop: float, second: bool, options: dict) -> SwinTransformer:
    if second:
        options = {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2, **options}
    options = {"stochastic_depth_prob": drop, "window_size": [8, 8] if second else [7, 7], **options}
    return SwinTransformer([4, 4], WIDTHS[size], DEPTHS[size], HEADS[size], **options)


@model(trained.Swin_T_Weights)
def swin_t(**kwargs) -> SwinTransformer:
    """Swin-T: 28.3 million parameters."""
    return make_swin("t", 0.2, False, kwargs)


@model(trained.Swin_S_Weights)
def swin_s(**kwargs) -> SwinTransformer:
    """Swin-S: 49.6 million parameters."""
    return make_swin("s", 0.3, False, kwargs)


@model(trained.Swin_B_Weights)
def swin_b(**kwargs) -> SwinTransformer:
    """Swin-B: 87.8 million parameters."""
    return make_swin("b", 0.5, False, kwargs)


@model(trained.Swin_V2_T_Weights)
def swin_v2_t(**kwargs) -> SwinTransformer:
    """Swin v2-T: 28.4 million parameters."""
    return make_swin("t", 0.2, True, kwargs)


@model(trained.Swin_V2_S_Weights)
def swin_v2_s(**kwargs) -> SwinTransformer:
    """Swin v2-S: 49.7 million parameters."""
    return make_swin("s", 0.3, True, kwargs)


@model(trained.Swin_V2_B_Weights)
def swin_v2_b(**kwargs) -> SwinTransformer:
    """Swin v2-B: 87.9 million parameters."""
    return make_swin("b", 0.5, True, kwargs)
