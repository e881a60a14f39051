"""torch.backends.cuda's names: settings of libraries that are not used. They can be written and read back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "cudnn_sdp_enabled", "enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp",
    "flash_sdp_enabled", "is_built", "is_flash_attention_available", "math_sdp_enabled", "matmul",
    "mem_efficient_sdp_enabled", "preferred_blas_library", "preferred_linalg_library", "sdp_kernel",
]  # fmt: skip


class Matmul:
    """Settings of matrix products on CUDA devices: `torch.backends.cuda.matmul.allow_tf32 = True`."""

    def __init__(self) -> None:
        self.allow_tf32 = False
        self.allow_fp16_reduced_precision_reduction = True
        self.allow_bf16_reduced_precision_reduction = True
        self.allow_fp16_accumulation = False
        self.fp32_precision = "none"


matmul = Matmul()
ATTENTION = {"flash": True, "math": True, "mem_efficient": True, "cudnn": True}


def is_built() -> bool:
    """Whether this program was built with CUDA: no."""
    return False


def is_flash_attention_available() -> bool:
    """Whether the library's flash attention can be used: no (ours needs no library)."""
    return False


def preferred_linalg_library(backend: str | None = None) -> str:
    """The library for linear algebra on CUDA devices; accepted."""
    return "default"


def preferred_blas_library(backend: str | None = None) -> str:
    """The library for matrix products on CUDA devices; accepted."""
    return "default"


def flash_sdp_enabled() -> bool:
    """Whether flash attention may be chosen."""
    return ATTENTION["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Let flash attention be chosen or not."""
    ATTENTION["flash"] = enabled


def math_sdp_enabled() -> bool:
    """Whether plain attention may be chosen."""
    return ATTENTION["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Let plain attention be chosen or not."""
    ATTENTION["math"] = enabled


def mem_efficient_sdp_enabled() -> bool:
    """Whether memory-efficient attention may be chosen."""
    return ATTENTION["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Let memory-efficient attention be chosen or not."""
    ATTENTION["mem_efficient"] = enabled


def cudnn_sdp_enabled() -> bool:
    """Whether cuDNN's attention may be chosen."""
    return ATTENTION["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Let cuDNN's attention be chosen or not."""
    ATTENTION["cudnn"] = enabled


@contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> Iterator[None]:
    """A block with other choices of attention."""
    before = dict(ATTENTION)
    ATTENTION.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield
    finally:
        ATTENTION.update(before)
