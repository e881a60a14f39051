"""Writes reference.npz and reprs.json: what PyTorch's modules give for the cases of nn_cases.py, and how they print.

python tests/nn/make_reference.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from nn_cases import CASES, REPRS, inputs, is_variance, weight

HERE = Path(__file__).parent


def flat(result) -> list[torch.Tensor]:
    """The tensors of a result that may be nested."""
    if torch.is_tensor(result):
        return [result]
    return [t for part in result for t in flat(part)] if isinstance(result, (tuple, list)) else []


def run(case: int) -> dict[str, np.ndarray]:
    """Outputs, gradients of inputs and parameters, and buffers afterwards."""
    name, arguments, _, settings = CASES[case]
    module = getattr(torch.nn, name)(*arguments)
    with torch.no_grad():
        for i, (key, t) in enumerate(module.state_dict().items()):
            if t.is_floating_point():
                value = torch.tensor(weight(case, i, tuple(t.shape)))
                t.copy_(value.abs() if is_variance(key) else value)
    given = [torch.tensor(a, requires_grad=a.dtype == np.float32) for a in inputs(case)]
    outputs = flat(module(*given, **settings))
    sum((o * torch.cos(torch.arange(o.numel()).view(o.shape).float())).sum() for o in outputs).backward()
    made = {f"out{i}": o for i, o in enumerate(outputs)}
    made |= {f"grad{i}": g.grad for i, g in enumerate(given) if g.grad is not None}
    made |= {f"param {k}": p.grad for k, p in module.named_parameters()}
    made |= {f"buffer {k}": b for k, b in module.named_buffers()}
    return {f"{case}/{k}": v.detach().numpy() for k, v in made.items()}


if __name__ == "__main__":
    arrays: dict[str, np.ndarray] = {}
    for case in range(len(CASES)):
        arrays |= run(case)
    np.savez_compressed(HERE / "reference.npz", **arrays)
    made = [repr(getattr(torch.nn, name)(*args, **kwargs)) for name, args, kwargs in REPRS]
    (HERE / "reprs.json").write_text(json.dumps(made, indent=0))
