"""What programs do with tensors line by line: indexing, sorting, padding, dtypes, files, random numbers."""

# ruff: noqa: B007, B905, E731, E741, UP031  (written as programs of this kind are)
import copy
import io
import pickle

import numpy as np
import torch
import torch.nn.functional as F

x = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)


def P(*a):
    print("RESULT", *a)


y = x.clone()
y[0, :, ::2] = -1
y[y > 20] *= 2
y[..., -1] += torch.tensor([1.0, 2.0, 3.0])
P(y.sum().item(), y[1, [0, 2], [1, 3]].tolist(), y[:, None, 0, ...].shape)
y[torch.tensor([True, False])] = 0
P(y.abs().sum().item())
y.view(-1)[5] = 99
P(y.max().item(), (y == 99).nonzero().tolist(), (y == 99).nonzero(as_tuple=True)[2].tolist())
a = torch.tensor([[3, 1, 2], [9, 7, 8]])
P(
    a.sort(dim=1, descending=True)[0].tolist(),
    a.argsort(1).tolist(),
    a.flip(0).tolist(),
    torch.rot90(a).tolist(),
    a.roll(1, 1).tolist(),
    torch.topk(a, 2, largest=False).values.tolist(),
)
P(
    torch.einsum("ijk,ljk->il", x, x).tolist(),
    torch.tensordot(x, x, dims=([1, 2], [1, 2])).tolist(),
    (x @ x.mT).diagonal(dim1=-2, dim2=-1).tolist(),
)
P(
    torch.bincount(torch.tensor([1, 1, 3])).tolist(),
    torch.histc(x, 4, 0, 24).tolist(),
    torch.bucketize(torch.tensor([2, 7]), torch.tensor([1, 5, 9])).tolist(),
    torch.searchsorted(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([2.0, 5.0]), right=True).tolist(),
)
s = torch.zeros(3, 4).scatter_(
    1, torch.tensor([[0, 1], [2, 3], [1, 1]]), torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
)
P(s.tolist())
s.scatter_add_(0, torch.tensor([[0, 0, 0, 0]]), torch.ones(1, 4))
P(s[0].tolist())
P(
    torch.zeros(3)
    .scatter_reduce_(0, torch.tensor([0, 0, 1]), torch.tensor([2.0, 4.0, 6.0]), reduce="mean", include_self=False)
    .tolist()
)
m = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.double)
P(
    torch.linalg.inv(m).tolist(),
    round(torch.det(m).item(), 6),
    torch.linalg.solve(m, torch.ones(2, dtype=torch.double)).tolist(),
    m.trace().item(),
    [round(v, 4) for v in torch.linalg.svdvals(m).tolist()],
    torch.linalg.matrix_rank(m).item(),
    round(torch.linalg.cond(m).item(), 4),
)
P(
    torch.logspace(0, 2, 3).tolist(),
    torch.linspace(0, 1, 5).tolist(),
    torch.arange(1, 2, 0.25).tolist(),
    torch.eye(2).tolist(),
    torch.full((2,), 7).dtype == torch.int64,
    torch.tril(torch.ones(3, 3)).sum().item(),
    torch.combinations(torch.tensor([1, 2, 3])).tolist(),
    torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3])).tolist(),
)
P(
    torch.where(x > 11, x, -x).sum().item(),
    x.clamp(3, 10).mean().item(),
    x.float().std(dim=(0, 2)).tolist().__len__(),
    torch.quantile(x, torch.tensor([0.25, 0.5])).tolist(),
    x.median().item(),
    torch.var_mean(x, dim=0, keepdim=True)[1].shape,
    x.logsumexp((1, 2)).shape,
    x.norm(p=1).item(),
    torch.cdist(x[0], x[1]).shape,
)
P(
    (torch.tensor([5, -5]) // 2).tolist(),
    (torch.tensor([5, -5]) % 3).tolist(),
    torch.fmod(torch.tensor([5, -5]), 3).tolist(),
    torch.div(torch.tensor([5.0, -5.0]), 2, rounding_mode="trunc").tolist(),
    torch.bitwise_xor(torch.tensor(5), 3).item(),
    (~torch.tensor([True, False])).tolist(),
    (torch.tensor(3) << 2).item(),
    torch.tensor([1.5, 2.5, -1.5]).round().tolist(),
)
P(
    torch.cat([x[0], x[1]], dim=-1).shape,
    torch.stack(list(x), -1).shape,
    [t.shape[1] for t in x.split([1, 2], dim=1)],
    [t.tolist()[0] for t in torch.arange(7).chunk(3)],
    torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")[1].tolist(),
    x.swapaxes(0, 2).shape,
    torch.atleast_2d(torch.tensor(1.0)).shape,
    x.unfold(2, 2, 2).shape,
    x.expand(5, -1, -1, -1).shape,
    x.squeeze().unsqueeze_(0).shape,
    torch.broadcast_tensors(torch.ones(3, 1), torch.ones(4))[0].shape,
)
P(
    F.pad(x, (1, 1), value=5).sum().item(),
    F.pad(x, (1, 1), mode="reflect").sum().item(),
    F.one_hot(torch.tensor([0, 2])).tolist(),
    F.cosine_similarity(x[0], x[1]).shape,
    F.interpolate(x, size=2, mode="linear", align_corners=False)[0, 0].tolist(),
    F.unfold(x.unsqueeze(0), 2).shape,
    F.fold(torch.ones(1, 4, 4), (3, 3), 2).sum().item(),
    F.pixel_shuffle(torch.ones(1, 4, 2, 2), 2).shape,
    F.grid_sample(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 1, 2), align_corners=True).item(),
)
P(
    x.dtype == torch.float32,
    x.int().dtype == torch.int32,
    x.half().element_size(),
    x.double().type(),
    x.stride(),
    x.is_contiguous(),
    x.transpose(0, 1).is_contiguous(),
    x.data_ptr() == x.view(-1).data_ptr(),
    x.numel(),
    x.nelement(),
    x.ndim,
    len(x),
    x.size(-1),
    torch.is_tensor(x),
    torch.is_floating_point(x),
    x.storage_offset(),
    x[1].storage_offset(),
    isinstance(x.shape, tuple),
    x.T.shape if x.ndim == 2 else None,
)
P(
    str(torch.tensor([1.0, 2.5])),
    repr(torch.tensor(True)),
    f"{torch.tensor(3.14159):.2f}",
    torch.tensor([1, 2]).tolist(),
    int(torch.tensor(3.7)),
    float(torch.tensor(2)),
    bool(torch.tensor(0)),
    torch.tensor([[1]]).item(),
    np.asarray(torch.ones(2)).dtype.name,
    torch.as_tensor(np.float64(3)).dtype == torch.float64,
    torch.from_numpy(np.array([1, 2], dtype=np.int16)).dtype == torch.int16,
    torch.tensor([1, 2.0]).dtype == torch.float32,
    (torch.tensor(1) + 1.5).dtype == torch.float32,
    (torch.ones(1, dtype=torch.int32) + torch.ones(1, dtype=torch.int64)).dtype == torch.int64,
)
b = io.BytesIO()
torch.save({"a": x, "n": [1, "t"]}, b)
b.seek(0)
P(
    torch.load(b)["a"].equal(x),
    pickle.loads(pickle.dumps(x)).equal(x),
    copy.deepcopy(x) is not x,
    x.clone().fill_(3).unique().tolist(),
    x.new_tensor([1, 2]).dtype == x.dtype,
    torch.zeros_like(x, dtype=torch.bool).any().item(),
    torch.empty(2, 3).shape,
    torch.equal(x, x.clone()),
    torch.allclose(x, x + 1e-9),
)
g = torch.Generator().manual_seed(7)
u = torch.rand(3, generator=g)
g.manual_seed(7)
P(
    torch.equal(u, torch.rand(3, generator=g)),
    torch.randperm(5, generator=g).sort()[0].tolist(),
    torch.randint(0, 2, (100,)).max().item() <= 1,
    torch.bernoulli(torch.ones(3)).tolist(),
    torch.normal(0.0, 1.0, (2, 2)).shape,
    torch.multinomial(torch.tensor([0.0, 1.0]), 3, True).tolist(),
    torch.empty(3).uniform_(2, 3).min().item() >= 2,
    torch.randn(2, 3).normal_().shape,
)
w = torch.tensor([1.0, 2.0], requires_grad=True)
z = (w * 3).detach().requires_grad_()
(z.exp().sum() + w.prod()).backward()
P(
    w.grad.tolist(),
    [round(v, 2) for v in z.grad.tolist()],
    w.is_leaf,
    (w * 2).is_leaf,
    (w * 2).grad_fn is not None,
    w.grad_fn is None,
)
w.grad.zero_()
q = w**2
q.retain_grad()
q.sum().backward()
P(q.grad.tolist(), w.grad.tolist())
with torch.no_grad():
    w -= 0.1 * w.grad
    w.clamp_(min=0.85)
P([round(v, 4) for v in w.tolist()], w.requires_grad)
c = torch.complex(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
P(
    (c * c).real.tolist(),
    c.abs().tolist(),
    [round(v, 4) for v in c.angle().tolist()],
    torch.view_as_real(c).tolist(),
    c.conj().imag.tolist(),
    torch.fft.ifft(torch.fft.fft(c)).real.round().tolist(),
)
P(
    torch.tensor([float("nan"), 1.0, float("inf")]).nan_to_num(0.0, posinf=9.0).tolist(),
    torch.isnan(torch.tensor([float("nan"), 1.0])).tolist(),
    torch.nansum(torch.tensor([float("nan"), 1.0])).item(),
    torch.sigmoid(torch.tensor(0.0)).item(),
    torch.erf(torch.tensor(0.5)).item().__round__(5),
    torch.lgamma(torch.tensor(4.0)).item().__round__(5),
    torch.atan2(torch.tensor(1.0), torch.tensor(1.0)).item().__round__(5),
    torch.hypot(torch.tensor(3.0), torch.tensor(4.0)).item(),
    torch.sign(torch.tensor(-2.0)).item(),
    torch.frac(torch.tensor(2.5)).item(),
)
lst = [torch.ones(2) * i for i in range(3)]
P(
    torch.stack(lst).mean(0).tolist(),
    sum(lst).tolist(),
    max(lst, key=lambda t: t.sum().item()).tolist(),
    [float(t[0]) for t in lst],
    torch.tensor([t.sum() for t in lst]).tolist(),
    torch.cat([t.view(1, -1) for t in lst]).shape,
    any((t == 2).all() for t in lst),
    sorted(lst, key=lambda t: -t[0])[0].tolist(),
    torch.tensor(3) in torch.tensor([1, 3]),
    {torch.float32: 1}[x.dtype],
    list(zip(*[t.tolist() for t in lst], strict=False)),
)
