"""MAML, a physics-informed network, elastic weight consolidation, Hessian-vector products."""

# ruff: noqa: B007, B905, E731, E741, UP031  (written as programs of this kind are)
from collections import OrderedDict

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from fill import fill
from torch.nn.utils import parameters_to_vector, vector_to_parameters

r = np.random.RandomState(0)


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(OrderedDict([("l1", nn.Linear(1, 20)), ("relu", nn.ReLU()), ("l2", nn.Linear(20, 1))]))

    def forward(self, x, w=None):
        if w is None:
            return self.net(x)
        return F.linear(F.relu(F.linear(x, w[0], w[1])), w[2], w[3])


m = fill(MLP(), 1, 1.0)
meta = torch.optim.Adam(m.parameters(), 1e-2)
for it in range(5):
    meta_loss = 0
    for _task in range(3):
        a, b = r.uniform(0.5, 2), r.uniform(0, 3)
        x = torch.from_numpy(r.uniform(-3, 3, (10, 1)).astype("float32"))
        y = float(a) * torch.sin(x + b)
        w = [p.clone() for p in m.parameters()]
        for _ in range(2):
            g = torch.autograd.grad(F.mse_loss(m(x[:5], w), y[:5]), w, create_graph=True)
            w = [p - 0.05 * q for p, q in zip(w, g, strict=False)]
        meta_loss = meta_loss + F.mse_loss(m(x[5:], w), y[5:])
    meta.zero_grad()
    (meta_loss / 3).backward()
    meta.step()
    print("RESULT maml %d %.5f" % (it, meta_loss))
pinn = fill(nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)), 2, 1.0)
opt = torch.optim.Adam(pinn.parameters(), 5e-3)
x = torch.from_numpy(r.rand(40, 1).astype("float32")).requires_grad_()
t = torch.from_numpy(r.rand(40, 1).astype("float32")).requires_grad_()
x0 = torch.linspace(0, 1, 20)[:, None]
for it in range(15):
    u = pinn(torch.cat([x, t], 1))
    ones = torch.ones_like(u)
    u_t = torch.autograd.grad(u, t, ones, create_graph=True)[0]
    u_x = torch.autograd.grad(u, x, ones, create_graph=True)[0]
    u_xx = torch.autograd.grad(u_x, x, torch.ones_like(u_x), create_graph=True)[0]
    loss = (u_t - 0.1 * u_xx).pow(2).mean() + (
        pinn(torch.hstack([x0, torch.zeros_like(x0)])) - torch.sin(np.pi * x0)
    ).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 5 == 4:
        print("RESULT pinn %d %.5f" % (it, loss))
v = parameters_to_vector(pinn.parameters())
vector_to_parameters(v * 0.5, pinn.parameters())
print("RESULT vec %d %.5f" % (v.numel(), parameters_to_vector(pinn.parameters()).norm() / v.norm()))
net = fill(nn.Linear(4, 3), 5)
X = torch.from_numpy(r.randn(8, 4).astype("float32"))
Y = torch.from_numpy(r.randint(0, 3, 8))
fisher = {n: torch.zeros_like(p) for n, p in net.named_parameters()}
for i in range(8):
    net.zero_grad()
    F.nll_loss(F.log_softmax(net(X[i : i + 1]), 1), Y[i : i + 1]).backward()
    for n, p in net.named_parameters():
        fisher[n] += p.grad.data**2 / 8
old = {n: p.clone().detach() for n, p in net.named_parameters()}
o = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(4):
    l = F.cross_entropy(net(X), 2 - Y) + 10 * sum(
        (fisher[n] * (p - old[n]) ** 2).sum() for n, p in net.named_parameters()
    )
    o.zero_grad()
    l.backward()
    o.step()
print(f"RESULT ewc {l:.5f} {sum(f.sum() for f in fisher.values()):.5f}")


def hvp(f, w, v):
    g = torch.autograd.grad(f(w), w, create_graph=True)[0]
    return torch.autograd.grad(g @ v, w)[0]


w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
print(
    "RESULT",
    hvp(lambda w: (w**3).sum(), w, torch.ones(3)).tolist(),
    torch.autograd.functional.jacobian(lambda a: a**2, torch.ones(2)).tolist(),
)
