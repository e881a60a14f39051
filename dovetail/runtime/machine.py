"""What this machine offers: processor, memory, graphics cards found through their driver. For people to read.

Nothing here decides how code is generated (`codegen/target.py` does); `dovetail doctor` prints it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from dataclasses import dataclass

import llvmlite
from llvmlite import binding

TELLING = ("avx512f", "avx512vnni", "avx512bf16", "amx-tile", "avx2", "fma", "f16c", "neon", "sve", "dotprod", "bf16")


@dataclass(frozen=True)
class Gpu:
    """A graphics card that the CUDA driver sees."""

    name: str
    memory_bytes: int
    capability: str
    driver: str


def cpu_name() -> str:
    """The processor's own name, e.g. "Intel(R) Xeon(R) Gold 6338"; LLVM's word for it where the system does not say."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith(("model name", "Model")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or binding.get_host_cpu_name()


def cpu_llvm_name() -> str:
    """LLVM's word for the processor, e.g. "icelake-server"."""
    return binding.get_host_cpu_name()


def cpu_features() -> list[str]:
    """The instruction sets present that matter for speed."""
    present = binding.get_host_cpu_features()
    return [name for name in TELLING if present.get(name)]


def memory_bytes() -> int:
    """Physical memory, or 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def compiler_versions() -> tuple[str, str]:
    """(llvmlite's version, LLVM's version)."""
    return llvmlite.__version__, ".".join(map(str, binding.llvm_version_info))


def gpus() -> tuple[list[Gpu], str]:
    """(cards, "") or ([], why there is none). Asks the NVIDIA driver library; needs no CUDA installation.

    Source: CUDA driver API, cuInit, cuDeviceGet, cuDeviceGetAttribute (75 and 76: compute capability).
    """
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return [], f"no NVIDIA driver here ({name} is not installed)"
    if code := driver.cuInit(0):
        return [], f"the NVIDIA driver is installed but does not start (cuInit answers {code})"
    version, count = ctypes.c_int(), ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    driver.cuDeviceGetCount(ctypes.byref(count))
    text = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    cards = [_card(driver, index, text) for index in range(count.value)]
    return cards, "" if cards else "the NVIDIA driver runs but shows no card"


def _card(driver: ctypes.CDLL, index: int, version: str) -> Gpu:
    handle, name, size = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    driver.cuDeviceGet(ctypes.byref(handle), index)
    driver.cuDeviceGetName(name, len(name), handle)
    driver.cuDeviceTotalMem_v2(ctypes.byref(size), handle)
    numbers = []
    for attribute in (75, 76):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, handle)
        numbers.append(str(value.value))
    return Gpu(name.value.decode(errors="replace"), size.value, ".".join(numbers), version)
