"""Weights in files: PyTorch's archives, safetensors, NumPy's archives."""

from dovetail.io import safetensors
from dovetail.io.npz import load_npz, save_npz
from dovetail.io.safetensors import load_file, safe_open, save_file
from dovetail.io.torch_file import load, save
from dovetail.io.trusted import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "load_file",
    "load_npz",
    "safe_globals",
    "safe_open",
    "safetensors",
    "save",
    "save_file",
    "save_npz",
]
