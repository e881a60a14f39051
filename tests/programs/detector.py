"""A small SSD: anchors, matching by IoU, hard negatives by two sorts, non-maximum suppression."""

# ruff: noqa: B007, B905, E731, E741, UP031  (written as programs of this kind are)
import itertools

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from fill import fill

r = np.random.RandomState(0)


def xywh2xyxy(x):
    y = x.clone() if isinstance(x, torch.Tensor) else np.copy(x)
    y[..., 0] = x[..., 0] - x[..., 2] / 2
    y[..., 1] = x[..., 1] - x[..., 3] / 2
    y[..., 2] = x[..., 0] + x[..., 2] / 2
    y[..., 3] = x[..., 1] + x[..., 3] / 2
    return y


def box_iou(a, b):
    def area(t):
        return (t[2] - t[0]) * (t[3] - t[1])

    inter = (torch.min(a[:, None, 2:], b[:, 2:]) - torch.max(a[:, None, :2], b[:, :2])).clamp(0).prod(2)
    return inter / (area(a.T)[:, None] + area(b.T) - inter)


def nms(boxes, scores, thr):
    keep = []
    order = scores.argsort(descending=True)
    while order.numel() > 0:
        i = order[0]
        keep.append(i.item())
        if order.numel() == 1:
            break
        iou = box_iou(boxes[i].unsqueeze(0), boxes[order[1:]]).squeeze(0)
        order = order[1:][iou <= thr]
    return torch.tensor(keep)


anchors = torch.tensor(
    [[(j + 0.5) / 4, (i + 0.5) / 4, s, s] for i, j in itertools.product(range(4), repeat=2) for s in (0.3, 0.5)]
)


class SSD(nn.Module):
    def __init__(self):
        super().__init__()
        self.back = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
        self.loc = nn.Conv2d(16, 8, 3, padding=1)
        self.conf = nn.Conv2d(16, 6, 3, padding=1)

    def forward(self, x):
        f = self.back(x)
        return self.loc(f).permute(0, 2, 3, 1).contiguous().view(x.size(0), -1, 4), self.conf(f).permute(
            0, 2, 3, 1
        ).contiguous().view(x.size(0), -1, 3)


def encode(b, a):
    return torch.cat([(b[:, :2] - a[:, :2]) / a[:, 2:] / 0.1, torch.log(b[:, 2:] / a[:, 2:]) / 0.2], 1)


def decode(l, a):
    return torch.cat([l[:, :2] * 0.1 * a[:, 2:] + a[:, :2], torch.exp(l[:, 2:] * 0.2) * a[:, 2:]], 1)


imgs = torch.from_numpy(r.rand(12, 1, 16, 16).astype("float32"))
targets = []
for k in range(12):
    n = r.randint(1, 3)
    xy = r.rand(n, 2) * 0.5 + 0.25
    wh = r.rand(n, 2) * 0.2 + 0.25
    targets.append(
        {
            "boxes": torch.tensor(np.hstack([xy, wh]), dtype=torch.float32),
            "labels": torch.from_numpy(r.randint(1, 3, n)),
        }
    )
net = fill(SSD(), 1, 1.0)
opt = torch.optim.SGD(net.parameters(), 0.02, momentum=0.9)
for ep in range(2):
    loc, conf = net(imgs)
    lt, ct = torch.zeros_like(loc), torch.zeros(12, len(anchors), dtype=torch.long)
    for b, t in enumerate(targets):
        iou = box_iou(xywh2xyxy(t["boxes"]), xywh2xyxy(anchors))
        best, bi = iou.max(0)
        bp = iou.max(1)[1]
        best.index_fill_(0, bp, 2)
        for j in range(bp.size(0)):
            bi[bp[j]] = j
        c = t["labels"][bi]
        c[best < 0.4] = 0
        ct[b] = c
        lt[b] = encode(t["boxes"][bi], anchors)
    pos = ct > 0
    npos = pos.sum(dim=1, keepdim=True)
    pi = pos.unsqueeze(pos.dim()).expand_as(loc)
    ll = F.smooth_l1_loss(loc[pi].view(-1, 4), lt[pi].view(-1, 4), reduction="sum")
    lc = F.cross_entropy(conf.view(-1, 3), ct.view(-1), reduction="none").view(12, -1)
    lcn = lc.clone()
    lcn[pos] = 0
    _, li = lcn.sort(1, descending=True)
    _, rank = li.sort(1)
    neg = rank < (3 * npos).clamp(max=pos.size(1) - 1)
    loss = (ll + lc[pos | neg].sum()) / npos.sum().float()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print("RESULT %d %.4f %d %d" % (ep, loss, pos.sum(), neg.sum()))
with torch.no_grad():
    loc, conf = net(imgs)
    b = xywh2xyxy(decode(loc[0], anchors))
    s = conf[0].softmax(-1)[:, 1]
    k = nms(b, s, 0.45)
    print("RESULT", len(k), f"{b[k].sum():.4f} {s[k[:3]].sum():.4f}")


def giou(a, b):
    iou = box_iou(a, b)
    lt = torch.min(a[:, None, :2], b[:, :2])
    rb = torch.max(a[:, None, 2:], b[:, 2:])
    wh = (rb - lt).clamp(min=0)
    area = wh[..., 0] * wh[..., 1]
    return iou - (area - area * 0.5) / area


print(f"RESULT {giou(b[:4], b[4:7]).sum():.4f}")
