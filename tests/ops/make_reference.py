"""Write reference.npz: what PyTorch gives for every row of op_cases.py. Run it with a Python that has torch and NumPy.

python tests/ops/make_reference.py
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

from op_calls import arrays_of, converted, function, leaves  # noqa: E402
from op_cases import CASES  # noqa: E402


def main() -> None:
    warnings.simplefilter("ignore")
    stored: dict[str, np.ndarray] = {}
    for i, row in enumerate(CASES):
        args, given = arrays_of(row)
        tensors = lambda x: converted(x, lambda a: torch.from_numpy(a.copy()))  # noqa: E731
        try:
            out = leaves(function(row, torch)(*tensors(args), **tensors(given)))
        except Exception as e:
            raise SystemExit(f"torch refuses row {i}, {row}: {e}") from e
        for k, x in enumerate(out):
            stored[f"{i}/{row.label}/{k}"] = x.detach().resolve_conj().numpy()
    np.savez_compressed(HERE / "reference.npz", **stored)
    print(len(CASES), "rows,", len(stored), "arrays,", (HERE / "reference.npz").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
