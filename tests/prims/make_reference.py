"""Write reference.npz: what PyTorch gives for every row of cases.py. Run it with a Python that has torch and NumPy.

    python tests/prims/make_reference.py
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

from cases import CASES, arrays_of  # noqa: E402

DIFFERENTIABLE = {"float64", "complex128"}


def reference() -> dict[str, np.ndarray]:
    """key name/row/dtype: the result; with /grad0, /grad1, ...: the gradients of the (weighted) sum of the result."""
    stored: dict[str, np.ndarray] = {}
    for name, i, row in CASES:
        if not row.torch:
            continue
        for dtype in row.dtypes or ("",):
            inputs = [torch.from_numpy(x.copy()) for x in arrays_of(row, dtype or "float32", i)]
            store(stored, f"{name}/{i}/{dtype}", row.torch, inputs, dtype in DIFFERENTIABLE)
    return stored


def store(stored: dict, key: str, expression: str, t: list, with_gradients: bool) -> None:
    for x in t:
        x.requires_grad_(with_gradients and (x.is_floating_point() or x.is_complex()))
    out = eval(expression, {"torch": torch, "t": t})
    stored[key] = out.detach().resolve_conj().resolve_neg().numpy()
    if not with_gradients or not out.requires_grad:
        return
    weight = torch.linspace(1, 2, out.numel(), dtype=torch.float64).reshape(out.shape).to(out.dtype)
    sources = [x for x in t if x.requires_grad]
    try:
        found = torch.autograd.grad(out, sources, weight, allow_unused=True)
    except RuntimeError:  # torch has no gradient for it
        return
    for k, g in enumerate(found):
        if g is not None:
            stored[f"{key}/grad{k}"] = g.resolve_conj().resolve_neg().numpy(force=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    made = reference()
    np.savez_compressed(HERE / "reference.npz", **made)
    print(f"{len(made)} arrays, torch {torch.__version__}")
