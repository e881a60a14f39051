"""NumPy's archives: tensors by name in an .npz file, one tensor in an .npy file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping

import numpy as np

from dovetail.io.atomic import damaged, written_whole
from dovetail.tensor.tensor import Tensor


def save_npz(tensors: Mapping[str, Tensor], filename: str | os.PathLike, compress: bool = False) -> None:
    """Write tensors to an .npz file that numpy.load reads; the file appears whole or not at all.

    bfloat16, which NumPy does not have, is stored as float32.
    """
    arrays = {name: portable(t) for name, t in tensors.items()}
    with written_whole(filename) as file:
        (np.savez_compressed if compress else np.savez)(file, **arrays)


def portable(t: Tensor) -> np.ndarray:
    array = t.detach()._array()
    return array.astype(np.float32) if t.dtype.name == "bfloat16" else array


def load_npz(filename: str | os.PathLike) -> dict[str, Tensor]:
    """Tensors by name from an .npz file. Pickled objects in it are refused.

    Raises: FileNotFoundError; FileError naming the file and what is wrong with it.
    """
    try:
        with np.load(filename, allow_pickle=False) as archive:
            return {name: Tensor.from_array(archive[name]) for name in archive.files}
    except (ValueError, zipfile.BadZipFile, EOFError, OSError, AttributeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise damaged(filename, f"is no .npz file of plain arrays: {error}") from None
