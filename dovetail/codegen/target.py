"""The machine that code is generated for: vector width, registers, what masks cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """An instruction set, as far as the generator has to know it.

    vector_bytes: width of one vector register; registers: how many there are;
    masks: whether masked loads and stores are single instructions (AVX-512) or worth avoiding.
    cpu and features are LLVM's words and go to its target machine.
    """

    name: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    masks: bool

    @property
    def halves(self) -> bool:
        """Whether float16 converts to float32 and back in one instruction."""
        return self.vector_bytes >= 32 or "neon" in self.name

    def lanes(self, itemsize: int) -> int:
        return max(1, self.vector_bytes // itemsize)


AVX512 = Target("avx512", "x86-64-v4", "-prefer-256-bit", 64, 32, True)
AVX2 = Target("avx2", "x86-64-v3", "", 32, 16, False)
GENERIC = Target("generic", "", "", 16, 16, False)
