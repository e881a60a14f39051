"""The vision transformer: a picture as a row of patches."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial

from dovetail import nn
from dovetail.base.errors import ShapeError, message
from dovetail.nn import init
from dovetail.ops.create import zeros
from dovetail.ops.shape import cat
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.weights import model

NORM = partial(nn.LayerNorm, eps=1e-6)


class EncoderBlock(nn.Module):
    """Attention among the patches, then two fully connected layers at each, both beside a shortcut.

    Shape: (n, s, hidden_dim) -> (n, s, hidden_dim)
    """

    def __init__(self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float, attention_dropout: float):
        super().__init__()
        self.ln_1 = NORM(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = NORM(hidden_dim)
        first, second = nn.Linear(hidden_dim, mlp_dim), nn.Linear(mlp_dim, hidden_dim)
        self.mlp = nn.Sequential(first, nn.GELU(), nn.Dropout(dropout), second, nn.Dropout(dropout))
        for linear in (first, second):
            init.xavier_uniform_(linear.weight)
            init.normal_(linear.bias, std=1e-6)

    def forward(self, input: Tensor) -> Tensor:
        x = self.ln_1(input)
        x = self.dropout(self.self_attention(x, x, x, need_weights=False)[0]) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Places added, then the blocks, then a normalization."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
    ):
        super().__init__()
        self.pos_embedding = nn.Parameter(zeros(1, seq_length, hidden_dim))
        init.normal_(self.pos_embedding, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            OrderedDict(
                (
                    f"encoder_layer_{place}",
                    EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout),
                )
                for place in range(num_layers)
            )
        )
        self.ln = NORM(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Patches, a class token before them, the encoder, and a head that reads the class token.

    Shape: (n, 3, image_size, image_size) -> (n, num_classes)
    Raises: ShapeError if the picture has another size, or the patches do not fill it.
    Source: Dosovitskiy et al. 2020, arXiv:2010.11929. Names of parameters as torchvision.models.VisionTransformer.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
    ):
        super().__init__()
        if image_size % patch_size:
            facts = [("image_size", image_size), ("patch_size", patch_size)]
            raise ShapeError(message("VisionTransformer", "the patches do not fill the picture", facts))
        self.image_size, self.patch_size, self.hidden_dim = image_size, patch_size, hidden_dim
        self.conv_proj = nn.Conv2d(3, hidden_dim, patch_size, patch_size)
        self.class_token = nn.Parameter(zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout)
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(hidden_dim, num_classes)))
        init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / (3 * patch_size**2)))
        init.zeros_(self.conv_proj.bias)
        init.zeros_(self.heads.head.weight)
        init.zeros_(self.heads.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        if height != self.image_size or width != self.image_size:
            facts = [("input", x), ("image_size", self.image_size)]
            raise ShapeError(message("VisionTransformer", "the picture has another size than the model", facts))
        patches = self.conv_proj(x).flatten(2).permute(0, 2, 1)
        token = self.class_token.expand(n, -1, -1)
        return self.heads(self.encoder(cat([token, patches], 1))[:, 0])


@model(trained.ViT_B_16_Weights)
def vit_b_16(image_size: int = 224, **kwargs) -> VisionTransformer:
    """ViT-B with patches of 16x16."""
    return VisionTransformer(image_size, 16, 12, 12, 768, 3072, **kwargs)


@model(trained.ViT_B_32_Weights)
def vit_b_32(image_size: int = 224, **kwargs) -> VisionTransformer:
    """ViT-B with patches of 32x32."""
    return VisionTransformer(image_size, 32, 12, 12, 768, 3072, **kwargs)


@model(trained.ViT_L_16_Weights)
def vit_l_16(image_size: int = 224, **kwargs) -> VisionTransformer:
    """ViT-L with patches of 16x16."""
    return VisionTransformer(image_size, 16, 24, 16, 1024, 4096, **kwargs)


@model(trained.ViT_L_32_Weights)
def vit_l_32(image_size: int = 224, **kwargs) -> VisionTransformer:
    """ViT-L with patches of 32x32."""
    return VisionTransformer(image_size, 32, 24, 16, 1024, 4096, **kwargs)


@model(trained.ViT_H_14_Weights)
def vit_h_14(image_size: int = 224, **kwargs) -> VisionTransformer:
    """ViT-H with patches of 14x14."""
    return VisionTransformer(image_size, 14, 32, 16, 1280, 5120, **kwargs)
