"""What both frameworks are asked under autocast: calls of torch's lists and some that follow their inputs."""

from __future__ import annotations

import numpy as np


def calls(torch) -> dict:
    """Name -> a call whose result's dtype is compared. `torch` is the real one or Dovetail."""
    nn, F = torch.nn, torch.nn.functional
    x, w, m, v, seq = (
        torch.rand(2, 4, 8, 8),
        torch.rand(3, 4, 3, 3),
        torch.rand(4, 4),
        torch.rand(4),
        torch.rand(2, 5, 4),
    )
    h, labels, volume = m.bfloat16(), torch.tensor([0, 1, 2, 3]), torch.rand(1, 2, 4, 8, 8).bfloat16()
    return {
        "linear": lambda: F.linear(m, m, v),
        "matmul": lambda: m @ m,
        "mm": lambda: torch.mm(m, m),
        "bmm": lambda: torch.bmm(seq, seq.transpose(1, 2)),
        "mv": lambda: torch.mv(m, v),
        "dot": lambda: torch.dot(v, v),
        "outer": lambda: torch.outer(v, v),
        "addmm": lambda: torch.addmm(m, m, m),
        "baddbmm": lambda: torch.baddbmm(torch.rand(2, 5, 5), seq, seq.transpose(1, 2)),
        "addbmm": lambda: torch.addbmm(torch.rand(5, 5), seq, seq.transpose(1, 2)),
        "addmv": lambda: torch.addmv(v, m, v),
        "addr": lambda: torch.addr(m, v, v),
        "einsum": lambda: torch.einsum("ij,jk->ik", m, m),
        "tensordot": lambda: torch.tensordot(m, m, 1),
        "inner": lambda: torch.inner(m, m),
        "vecdot": lambda: torch.linalg.vecdot(m, m),
        "kron": lambda: torch.kron(m, m),
        "vdot": lambda: torch.vdot(v, v),
        "conv1d": lambda: F.conv1d(seq.transpose(1, 2), torch.rand(3, 4, 2)),
        "conv2d": lambda: F.conv2d(x, w),
        "conv3d": lambda: F.conv3d(x[None], torch.rand(3, 2, 1, 1, 1)),
        "conv_transpose2d": lambda: F.conv_transpose2d(x, torch.rand(4, 3, 3, 3)),
        "conv_tbc": lambda: torch.conv_tbc(seq, torch.rand(2, 4, 3), torch.rand(3)),
        "prelu": lambda: F.prelu(x, torch.tensor([0.1])),
        "sdpa": lambda: F.scaled_dot_product_attention(seq, seq, seq),
        "bilinear": lambda: F.bilinear(m, m, torch.rand(3, 4, 4)),
        "embedding": lambda: F.embedding(torch.tensor([1]), m),
        "cdist": lambda: torch.cdist(m, m),
        "softmax": lambda: F.softmax(h, -1),
        "log_softmax": lambda: F.log_softmax(h, -1),
        "layer_norm": lambda: F.layer_norm(h, (4,)),
        "group_norm": lambda: F.group_norm(x.bfloat16(), 2),
        "batch_norm": lambda: F.batch_norm(x.bfloat16(), torch.zeros(4), torch.ones(4)),
        "instance_norm": lambda: F.instance_norm(x.bfloat16()),
        "rms_norm": lambda: F.rms_norm(h, (4,)),
        "lstm": lambda: nn.LSTM(4, 5)(seq)[0],
        "gru": lambda: nn.GRU(4, 5)(seq)[0],
        "gru of halves": lambda: nn.GRU(4, 5)(seq.bfloat16())[0],
        "gru of halves, state": lambda: nn.GRU(4, 5)(seq.bfloat16(), torch.zeros(1, 5, 5))[0],
        "rnn": lambda: nn.RNN(4, 5)(seq)[0],
        "lstm cell": lambda: nn.LSTMCell(4, 5)(m)[0],
        "lstm cell of halves": lambda: nn.LSTMCell(4, 5)(h)[0],
        "lstm cell of halves, state": lambda: nn.LSTMCell(4, 5)(h, (torch.zeros(4, 5), torch.zeros(4, 5)))[0],
        "gru cell": lambda: nn.GRUCell(4, 5)(m),
        "gru cell of halves": lambda: nn.GRUCell(4, 5)(h),
        "rnn cell": lambda: nn.RNNCell(4, 5)(m),
        "gelu": lambda: F.gelu(h),
        "relu": lambda: F.relu(h),
        "exp": lambda: h.exp(),
        "log": lambda: h.abs().log(),
        "pow": lambda: h**2,
        "sum": lambda: h.sum(),
        "mean": lambda: h.mean(),
        "cumsum": lambda: h.cumsum(0),
        "prod": lambda: h.prod(),
        "norm": lambda: h.norm(),
        "sigmoid": lambda: h.sigmoid(),
        "tanh": lambda: h.tanh(),
        "softplus": lambda: F.softplus(h),
        "rsqrt": lambda: h.rsqrt(),
        "erfinv": lambda: h.erfinv(),
        "mse": lambda: F.mse_loss(h, h),
        "l1": lambda: F.l1_loss(h, h),
        "smooth_l1": lambda: F.smooth_l1_loss(h, h),
        "huber": lambda: F.huber_loss(h, h),
        "nll": lambda: F.nll_loss(h, labels),
        "ce": lambda: F.cross_entropy(h, labels),
        "bce": lambda: F.binary_cross_entropy(h.sigmoid(), h.sigmoid()),
        "bcel": lambda: F.binary_cross_entropy_with_logits(h, h),
        "kl": lambda: F.kl_div(h, h),
        "poisson": lambda: F.poisson_nll_loss(h, h),
        "gauss": lambda: F.gaussian_nll_loss(h, h, h.abs() + 1),
        "hinge": lambda: F.hinge_embedding_loss(h, torch.ones(4, 4)),
        "soft_margin": lambda: F.soft_margin_loss(h, torch.ones(4, 4)),
        "margin_rank": lambda: F.margin_ranking_loss(h, h, torch.ones(4, 4)),
        "cos_emb": lambda: F.cosine_embedding_loss(h, h, torch.ones(4)),
        "triplet": lambda: F.triplet_margin_loss(h, h, h),
        "multi_margin": lambda: F.multi_margin_loss(h, labels),
        "mlm": lambda: F.multilabel_margin_loss(h, torch.zeros(4, 4).long()),
        "mlsm": lambda: F.multilabel_soft_margin_loss(h, torch.ones(4, 4)),
        "cosine_similarity": lambda: F.cosine_similarity(h, h),
        "pairwise": lambda: F.pairwise_distance(h, h),
        "ctc": lambda: F.ctc_loss(
            torch.rand(5, 2, 4).bfloat16().log_softmax(-1),
            torch.ones(2, 2).long(),
            torch.tensor([5, 5]),
            torch.tensor([2, 2]),
        ),
        "avg_pool2d": lambda: F.avg_pool2d(x.bfloat16(), 2),
        "avg_pool3d": lambda: F.avg_pool3d(volume, 2),
        "max_pool2d": lambda: F.max_pool2d(x.bfloat16(), 2),
        "max_pool3d": lambda: F.max_pool3d(volume, 2),
        "aap2": lambda: F.adaptive_avg_pool2d(x.bfloat16(), 2),
        "aap3": lambda: F.adaptive_avg_pool3d(volume, 2),
        "amp3": lambda: F.adaptive_max_pool3d(volume, 2),
        "fmp2": lambda: F.fractional_max_pool2d(x.bfloat16(), 2, 3),
        "unpool2": lambda: F.max_unpool2d(*F.max_pool2d(x.bfloat16(), 2, return_indices=True), 2),
        "interp": lambda: F.interpolate(x.bfloat16(), scale_factor=2),
        "grid_sample": lambda: F.grid_sample(x.bfloat16(), torch.rand(2, 3, 3, 2).bfloat16()),
        "trace": lambda: h.trace(),
        "quantile": lambda: torch.quantile(h, 0.5),
        "inverse": lambda: torch.inverse(h),
        "cholesky": lambda: torch.linalg.cholesky((h @ h.T).float() + torch.eye(4)),
        "svd": lambda: torch.linalg.svd(h)[0],
        "qr": lambda: torch.linalg.qr(h)[0],
        "lnorm": lambda: torch.linalg.norm(h),
        "vnorm": lambda: torch.linalg.vector_norm(h),
        "fft": lambda: torch.fft.fft(h),
        "stft": lambda: torch.stft(torch.rand(400).bfloat16(), 64, return_complex=True),
        "solve": lambda: torch.linalg.solve(h, h),
        "multi_dot": lambda: torch.linalg.multi_dot([m, m]),
        "eigh": lambda: torch.linalg.eigh(h)[0],
        "polar": lambda: torch.polar(v.bfloat16(), v.bfloat16()),
        "cat": lambda: torch.cat([h, m]),
        "stack": lambda: torch.stack([h, m]),
        "index_copy": lambda: m.index_copy(0, torch.tensor([0]), h[:1]),
        "add": lambda: h + m,
        "where": lambda: torch.where(m > 0.5, h, m),
        "dist": lambda: torch.dist(h, h),
        "renorm": lambda: torch.renorm(h, 2, 0, 1),
        "logsumexp": lambda: h.logsumexp(0),
        "normalize": lambda: F.normalize(h),
        "addcmul": lambda: torch.addcmul(m, h, h),
        "atan2": lambda: torch.atan2(h, m),
        "LSTM": lambda: nn.LSTM(4, 3)(seq)[0],
        "GRU": lambda: nn.GRU(4, 3)(seq)[0],
        "RNN": lambda: nn.RNN(4, 3)(seq)[0],
        "GRUCell": lambda: nn.GRUCell(4, 3)(m),
        "MHA": lambda: nn.MultiheadAttention(4, 2)(seq, seq, seq)[0],
        "MHAe": lambda: nn.MultiheadAttention(4, 2).eval()(seq, seq, seq)[0],
        "Enc": lambda: nn.TransformerEncoderLayer(4, 2, 8)(seq),
        "reflect": lambda: F.pad(x.bfloat16(), (1, 1, 1, 1), mode="reflect"),
    }


def batches(steps: int = 20) -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches of a small task with two classes."""
    random = np.random.RandomState(3)
    found = []
    for _ in range(steps):
        x = random.standard_normal((32, 8)).astype(np.float32)
        found.append((x, (x.sum(1) > 0).astype(np.int64)))
    return found


def weights() -> list[np.ndarray]:
    """Starting weights of Linear(8, 32) and Linear(32, 2)."""
    random = np.random.RandomState(4)
    shapes = ((32, 8), (32,), (2, 32), (2,))
    return [(random.uniform(-1, 1, s) * 0.3).astype(np.float32) for s in shapes]


def train(torch, dtype, scaled: bool) -> tuple[list[float], list[float]]:
    """(losses, scales) of 20 steps; with `scaled`, a scale that is too high at first and grows after 12 good steps."""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
    with torch.no_grad():
        for p, a in zip(model.parameters(), weights(), strict=True):
            p.copy_(torch.from_numpy(a))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**22, growth_interval=12, enabled=scaled)
    losses, scales = [], []
    for x, y in batches():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=dtype):
            loss = nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y))
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
        scales.append(scaler.get_scale())
    return losses, scales
