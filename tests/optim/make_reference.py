"""Writes reference.json: what PyTorch's optimizers and schedules do on fixed gradients. Run it with torch installed:

python tests/optim/make_reference.py
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from optim_cases import OPTIMIZERS, SCHEDULES, STEPS, gradients, losses, start

warnings.simplefilter("ignore")


def numbers(x) -> list:
    """A tensor as a list of floats that JSON keeps exactly."""
    return np.asarray(x.detach(), np.float64).reshape(-1).tolist()


def optimizer_run(name: str, settings: dict) -> dict:
    """Parameters after steps 1, 2 and the last, and the state's tensors at the end."""
    params = [torch.nn.Parameter(torch.tensor(a)) for a in start(name)]
    optimizer = getattr(torch.optim, name)(params, **settings)
    found: dict = {"params": {}}
    for step in range(1, STEPS + 1):
        for p, g in zip(params, gradients(name, step), strict=True):
            p.grad = torch.tensor(g)
            if name == "SparseAdam":
                p.grad = p.grad.to_sparse(1).coalesce()
        optimizer.step()
        if step in (1, 2, STEPS):
            found["params"][str(step)] = [numbers(p) for p in params]
    state = optimizer.state_dict()["state"]
    found["state"] = {
        str(i): {k: numbers(torch.as_tensor(v)) for k, v in entries.items() if v is not None}
        for i, entries in state.items()
    }
    found["groups"] = [sorted(g) for g in optimizer.state_dict()["param_groups"]]
    return found


def schedule_run(build) -> list:
    """Learning rates and momenta of two groups, epoch by epoch."""
    params = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.05}], lr=0.1, momentum=0.9)
    schedule = build(torch.optim.lr_scheduler, optimizer)
    rows = []
    for loss in losses():
        optimizer.step()
        schedule.step(loss) if type(schedule).__name__ == "ReduceLROnPlateau" else schedule.step()
        rows.append([g["lr"] for g in optimizer.param_groups] + [g["momentum"] for g in optimizer.param_groups])
    return rows


if __name__ == "__main__":
    made = {
        "torch": torch.__version__,
        "optimizers": {f"{n} {json.dumps(s)}": optimizer_run(n, s) for n, s in OPTIMIZERS},
        "schedules": {name: schedule_run(build) for name, build in SCHEDULES.items()},
    }
    Path(__file__).with_name("reference.json").write_text(json.dumps(made, separators=(",", ":")))
