"""Checkpoints: training that stops and goes on, wrong keys and shapes, whole modules, DataParallel."""

# ruff: noqa: B007, B905, E731, E741, UP031  (written as programs of this kind are)
import os
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from fill import fill

d = tempfile.mkdtemp()
r = np.random.RandomState(0)
X = torch.tensor(r.randn(64, 6).astype("float32"))
Y = torch.tensor(r.randn(64, 1).astype("float32"))


def build():
    m = fill(nn.Sequential(nn.Linear(6, 16), nn.SELU(), nn.Linear(16, 1)), 2, 1.0)
    o = torch.optim.Adam(m.parameters(), lr=1e-2)
    s = torch.optim.lr_scheduler.StepLR(o, 3, 0.5)
    return m, o, s


def run(m, o, s, a, b):
    for _ep in range(a, b):
        for x, y in zip(X.split(16), Y.split(16), strict=False):
            o.zero_grad()
            l = F.huber_loss(m(x), y)
            l.backward()
            o.step()
        s.step()
    return l.item()


m, o, s = build()
full = run(m, o, s, 0, 8)
m, o, s = build()
run(m, o, s, 0, 4)
p = os.path.join(d, "ck.pth")
torch.save(
    {
        "epoch": 4,
        "model_state_dict": m.state_dict(),
        "optimizer_state_dict": o.state_dict(),
        "sched": s.state_dict(),
        "rng": torch.get_rng_state(),
        "args": {"lr": 1e-2, "names": ["a", "b"]},
    },
    p,
)
m, o, s = build()
ck = torch.load(p, map_location=torch.device("cpu"), weights_only=True)
m.load_state_dict(ck["model_state_dict"])
o.load_state_dict(ck["optimizer_state_dict"])
s.load_state_dict(ck["sched"])
torch.set_rng_state(ck["rng"])
part = run(m, o, s, ck["epoch"], 8)
print(f"RESULT {full:.6f} {part:.6f} {abs(full - part) < 1e-7}", s.last_epoch, o.param_groups[0]["lr"], ck["args"])
sd = m.state_dict()
sd.pop("0.bias")
sd["extra"] = torch.zeros(1)
print("RESULT", m.load_state_dict(sd, strict=False))
try:
    m.load_state_dict(sd)
except RuntimeError as e:
    print("RESULT", "Missing key" in str(e) and "Unexpected key" in str(e))
try:
    m.load_state_dict({**m.state_dict(), "0.weight": torch.zeros(3, 3)})
except RuntimeError as e:
    print("RESULT", "size mismatch for 0.weight" in str(e))
torch.save(m, os.path.join(d, "whole.pt"))
m2 = torch.load(os.path.join(d, "whole.pt"), weights_only=False)
print("RESULT", torch.allclose(m2(X), m(X)), type(m2).__name__)
model = torch.nn.DataParallel(m)
print("RESULT", list(model.state_dict())[:2])
model.module.load_state_dict({k.replace("module.", ""): v for k, v in model.state_dict().items()})
print("RESULT", type(o.state_dict()["state"][0]["step"]).__name__, sorted(o.state_dict()["param_groups"][0]))
