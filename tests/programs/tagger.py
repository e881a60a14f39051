"""A tagger: packed sequences, a conditional random field by its forward algorithm, NAdam."""

# ruff: noqa: B007, B905, E731, E741, UP031  (written as programs of this kind are)
import numpy as np
import torch
import torch.nn as nn
from fill import fill
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence, unpad_sequence
from torch.utils.data import DataLoader

r = np.random.RandomState(0)
data = []
for _ in range(60):
    n = r.randint(2, 12)
    w = r.randint(1, 30, n)
    data.append((torch.LongTensor(w), torch.LongTensor((w + np.roll(w, 1)) % 5)))


def collate(batch):
    batch.sort(key=lambda b: len(b[0]), reverse=True)
    xs, ys = zip(*batch, strict=False)
    lens = torch.LongTensor([len(x) for x in xs])
    X = torch.zeros(len(xs), lens.max()).long()
    Y = torch.full((len(xs), int(lens.max())), -100)
    for i, (x, y) in enumerate(zip(xs, ys, strict=False)):
        X[i, : len(x)] = x
        Y[i, : len(y)] = y
    return X, Y, lens


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(30, 12, padding_idx=0)
        self.drop = nn.Dropout(0.0)
        self.lstm = nn.LSTM(12, 10, num_layers=2, bidirectional=True, batch_first=True, dropout=0.0)
        self.out = nn.Linear(20, 5)
        self.trans = nn.Parameter(torch.zeros(5, 5))

    def forward(self, x, lens):
        e = pack_padded_sequence(self.drop(self.emb(x)), lens, batch_first=True)
        h, (hn, cn) = self.lstm(e)
        logits = PackedSequence(self.out(h.data), h.batch_sizes, h.sorted_indices, h.unsorted_indices)
        return pad_packed_sequence(logits, batch_first=True, padding_value=0.0)[0], hn

    def crf_norm(self, logits, lens):  # log-partition by the forward algorithm
        alpha = logits[:, 0]
        for t in range(1, logits.size(1)):
            nxt = torch.logsumexp(alpha.unsqueeze(2) + self.trans.unsqueeze(0), 1) + logits[:, t]
            alpha = torch.where((t < lens).unsqueeze(1), nxt, alpha)
        return alpha.logsumexp(1)


m = fill(Tagger())
print(m)
opt = torch.optim.NAdam(m.parameters(), lr=1e-2)
ce = nn.CrossEntropyLoss(ignore_index=-100, label_smoothing=0.05)
for ep in range(2):
    tot = cor = cnt = 0
    for X, Y, L in DataLoader(data, 16, collate_fn=collate):
        logits, hn = m(X, L)
        mask = Y.ne(-100)
        safe = Y.clamp(min=0)
        gold = (logits.gather(2, safe.unsqueeze(2)).squeeze(2) * mask).sum(1) + (
            m.trans[safe[:, :-1], safe[:, 1:]] * mask[:, 1:]
        ).sum(1)
        loss = (m.crf_norm(logits, L) - gold).div(L).mean() + 0.1 * ce(logits.transpose(1, 2), Y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item()
        pred = logits.argmax(-1)
        cor += ((pred == Y) & mask).sum().item()
        cnt += mask.sum().item()
    print("RESULT", ep, f"{tot:.4f} {cor / cnt:.4f} {hn.abs().mean().item():.4f}")
ps = pack_sequence([torch.arange(4.0), torch.arange(2.0), torch.tensor([7.0])])
print(ps)
print(unpad_sequence(*pad_packed_sequence(ps, batch_first=True), batch_first=True))
