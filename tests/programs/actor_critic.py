"""PPO: advantages by a loop backwards, ratios that are clipped, distributions."""

# ruff: noqa: B007, B905, E731, E741, UP031  (written as programs of this kind are)
import numpy as np
import torch
import torch.nn as nn
from fill import fill
from torch.distributions import Beta, Categorical, Normal
from torch.utils.data import BatchSampler, SequentialSampler

r = np.random.RandomState(0)


class AC(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
        self.log_std = nn.Parameter(torch.zeros(1, 2))
        self.critic = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
        self.disc = nn.Linear(3, 4)

    def forward(self, x):
        mu = self.actor(x)
        return (
            Normal(mu, self.log_std.exp().expand_as(mu)),
            self.critic(x).squeeze(-1),
            Categorical(logits=self.disc(x)),
        )


net = fill(AC(), 1, 1.0)
opt = torch.optim.Adam(net.parameters(), lr=1e-2, eps=1e-5)
S = torch.from_numpy(r.randn(64, 3).astype("float32"))
noise = torch.from_numpy(r.randn(64, 2).astype("float32"))
with torch.no_grad():
    d, v, c = net(S)
    A = d.mean + d.stddev * noise
    K = torch.from_numpy(r.randint(0, 4, 64))
    logp_old = d.log_prob(A).sum(-1) + c.log_prob(K)
    rew = -(A - S[:, :2]).pow(2).sum(-1) + (K == 1).float()
    done = torch.zeros(64)
    done[15::16] = 1
    adv = torch.zeros(64)
    last = 0.0
    for t in reversed(range(64)):
        nv = v[t + 1] if t < 63 else torch.tensor(0.0)
        delta = rew[t] + 0.99 * nv * (1 - done[t]) - v[t]
        last = delta + 0.99 * 0.95 * (1 - done[t]) * last
        adv[t] = last
    ret = adv + v
    adv = (adv - adv.mean()) / (adv.std() + 1e-8)
for ep in range(3):
    for idx in BatchSampler(SequentialSampler(range(64)), 16, drop_last=False):
        d, v, c = net(S[idx])
        lp = d.log_prob(A[idx]).sum(-1) + c.log_prob(K[idx])
        ratio = (lp - logp_old[idx]).exp()
        s1 = ratio * adv[idx]
        s2 = ratio.clamp(0.8, 1.2) * adv[idx]
        pl = -torch.min(s1, s2).mean()
        vl = 0.5 * (ret[idx] - v).pow(2).mean()
        ent = d.entropy().sum(-1).mean() + c.entropy().mean()
        loss = pl + 0.5 * vl - 0.01 * ent
        opt.zero_grad()
        loss.backward()
        gn = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        opt.step()
    with torch.no_grad():
        kl = (logp_old[idx] - lp).mean()
        clipfrac = ((ratio - 1.0).abs() > 0.2).float().mean()
    print("RESULT %d %.5f %.5f %.5f kl %.5f clip %.3f gn %.4f" % (ep, pl, vl, ent, kl, clipfrac, gn))
a = Categorical(probs=torch.tensor([0.0, 0.0, 1.0])).sample((3,))
print("RESULT", a.tolist(), Beta(torch.tensor(2.0), torch.tensor(3.0)).log_prob(torch.tensor(0.4)).item().__round__(4))
rewards = [1.0, 0.0, 2.0]
R = 0
returns = []
for x in rewards[::-1]:
    R = x + 0.9 * R
    returns.insert(0, R)
returns = torch.tensor(returns)
returns = (returns - returns.mean()) / (returns.std() + np.finfo(np.float32).eps.item())
print("RESULT", [round(t.item(), 4) for t in returns])
