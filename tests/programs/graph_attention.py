"""Graph attention and GraphSAGE by scatter and index_add; sparse products; unique."""

# ruff: noqa: B007, B905, E731, E741, UP031  (written as programs of this kind are)
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from fill import fill

r = np.random.RandomState(0)
N, E = 40, 160
y = torch.from_numpy(r.randint(0, 3, N))
src = r.randint(0, N, E)
dst = np.where(r.rand(E) < 0.7, (src + 3 * r.randint(0, 13, E)) % N, r.randint(0, N, E))
edge_index = torch.tensor(np.stack([src, dst]))
x = torch.tensor((np.eye(3)[y.numpy()] @ r.randn(3, 6) + r.randn(N, 6)).astype("float32"))


def softmax_by(src, index, n):
    m = torch.full((n, src.size(1)), float("-inf")).scatter_reduce(
        0, index.unsqueeze(1).expand_as(src), src, "amax", include_self=True
    )
    out = (src - m.index_select(0, index).detach()).exp()
    s = torch.zeros(n, src.size(1)).index_add_(0, index, out)
    return out / (s[index] + 1e-16)


class GAT(nn.Module):
    def __init__(self, i, o, heads):
        super().__init__()
        self.h, self.o = heads, o
        self.lin = nn.Linear(i, heads * o, bias=False)
        self.att_s = nn.Parameter(torch.empty(1, heads, o))
        self.att_d = nn.Parameter(torch.empty(1, heads, o))
        self.bias = nn.Parameter(torch.zeros(heads * o))
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.xavier_uniform_(self.lin.weight)
        nn.init.xavier_uniform_(self.att_s)
        nn.init.xavier_uniform_(self.att_d)

    def forward(self, x, ei):
        x = self.lin(x).view(-1, self.h, self.o)
        s, d = ei
        a = F.leaky_relu((x * self.att_s).sum(-1)[s] + (x * self.att_d).sum(-1)[d], 0.2)
        a = softmax_by(a, d, x.size(0))
        out = torch.zeros_like(x)
        out.index_add_(0, d, x[s] * a.unsqueeze(-1))
        return out.flatten(1) + self.bias


class SAGE(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.l = nn.Linear(i, o)
        self.r = nn.Linear(i, o, bias=False)

    def forward(self, x, ei):
        s, d = ei
        agg = torch.zeros(x.size(0), x.size(1))
        agg.scatter_add_(0, d[:, None].expand(-1, x.size(1)), x[s])
        deg = torch.bincount(d, minlength=x.size(0)).clamp_(min=1).to(x.dtype)
        return self.l(agg / deg.unsqueeze(-1)) + self.r(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = GAT(6, 4, 2)
        self.b = SAGE(8, 8)
        self.c = nn.Linear(8, 3)

    def forward(self, x, ei):
        return F.log_softmax(self.c(F.elu(self.b(F.elu(self.a(x, ei)), ei))), 1)


net = fill(Net(), 0, 1.0)
opt = torch.optim.Adam(
    [{"params": net.a.parameters(), "weight_decay": 5e-4}, {"params": [*net.b.parameters(), *net.c.parameters()]}],
    lr=0.01,
)
mask = torch.zeros(N, dtype=torch.bool)
mask[torch.from_numpy(r.permutation(N)[:20])] = True
for ep in range(30):
    net.train()
    opt.zero_grad()
    out = net(x, edge_index)
    loss = F.nll_loss(out[mask], y[mask])
    loss.backward()
    opt.step()
    if ep % 10 == 9:
        net.eval()
        pred = net(x, edge_index).argmax(dim=1)
        print("RESULT %d %.5f %.3f" % (ep, loss, (pred[~mask] == y[~mask]).float().mean()))
A = torch.sparse_coo_tensor(edge_index, torch.ones(E), (N, N)).coalesce()
print("RESULT spmm %.4f %d" % (torch.sparse.mm(A, x).abs().sum(), A._nnz()))
u, inv, c = torch.unique(edge_index[1], return_inverse=True, return_counts=True)
print("RESULT", len(u), int(inv.sum()), int(c.max()))
