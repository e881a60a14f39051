"""CTC, greedy and beam search, nucleus filtering, repetition penalties."""

# ruff: noqa: B007, B905, E731, E741, UP031  (written as programs of this kind are)
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from fill import fill

r = np.random.RandomState(0)


class Speech(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(5, 12, 3, padding=1)
        self.rnn = nn.LSTM(12, 10, bidirectional=True)
        self.fc = nn.Linear(20, 6)

    def forward(self, x):
        x = F.hardtanh(self.conv(x), 0, 20).permute(2, 0, 1)
        o, _ = self.rnn(x)
        return self.fc(o).log_softmax(2)


m = fill(Speech(), 1, 1.0)
opt = torch.optim.RMSprop(m.parameters(), 3e-3)
ctc = nn.CTCLoss(blank=0, zero_infinity=True)
X = torch.from_numpy(r.randn(8, 5, 15).astype("float32"))
lens = torch.tensor(r.randint(2, 6, 8))
T = [torch.from_numpy(r.randint(1, 6, int(n))) for n in lens]
flat = torch.cat(T)
for ep in range(6):
    lp = m(X)
    loss = ctc(lp, flat, torch.full((8,), 15, dtype=torch.long), lens)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print("RESULT %d %.4f" % (ep, loss))


def greedy(lp):
    return [[k.item() for k in torch.unique_consecutive(s) if k != 0] for s in lp.argmax(2).t()]


print("RESULT", [len(g) for g in greedy(m(X).detach())])
lm = fill(nn.ModuleDict({"e": nn.Embedding(9, 8), "r": nn.GRU(8, 8, batch_first=True), "o": nn.Linear(8, 9)}), 2, 1.5)


def step(tok, h):
    o, h = lm["r"](lm["e"](tok), h)
    return F.log_softmax(lm["o"](o[:, -1]), -1), h


@torch.no_grad()
def beam(B=3, n=5):
    lp, h = step(torch.zeros(1, 1, dtype=torch.long), None)
    sc, tok = lp.topk(B)
    sc = sc.squeeze(0)
    seq = tok.view(B, 1)
    h = h.repeat(1, B, 1)
    for _ in range(n - 1):
        lp, h = step(seq[:, -1:], h)
        tot = (sc.unsqueeze(1) + lp).view(-1)
        sc, idx = tot.topk(B)
        bi = torch.div(idx, 9, rounding_mode="floor")
        seq = torch.cat([seq[bi], (idx % 9).unsqueeze(1)], 1)
        h = h[:, bi]
    return seq, sc


s, c = beam()
print("RESULT", s.tolist(), [f"{v:.4f}" for v in c.tolist()])
logits = torch.from_numpy(r.randn(2, 9).astype("float32"))
sl, si = torch.sort(logits, descending=True)
cum = torch.cumsum(F.softmax(sl, dim=-1), dim=-1)
rem = cum > 0.8
rem[..., 1:] = rem[..., :-1].clone()
rem[..., 0] = 0
ind = rem.scatter(1, si, rem)
print("RESULT", logits.masked_fill(ind, -float("inf")).isinf().sum(-1).tolist())
rep = torch.gather(logits, 1, torch.tensor([[0, 3], [1, 1]]))
rep = torch.where(rep < 0, rep * 1.3, rep / 1.3)
logits.scatter_(1, torch.tensor([[0, 3], [1, 1]]), rep)
print(f"RESULT {logits.sum():.4f}")
