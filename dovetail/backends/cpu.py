"""torch.backends.cpu's names."""

from __future__ import annotations

from dovetail.runtime.machine import cpu_features

__all__ = ["get_cpu_capability"]


def get_cpu_capability() -> str:
    """The widest instruction set that programs are compiled for, by torch's words: AVX512, AVX2, DEFAULT."""
    present = cpu_features()
    return "AVX512" if "avx512f" in present else "AVX2" if "avx2" in present else "DEFAULT"
