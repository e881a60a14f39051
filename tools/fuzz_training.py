"""Random training programs, line by line in Dovetail and in PyTorch: `python tools/fuzz_training.py [first] [count]`.

Each seed makes a program of the kind people write: a model, an optimiser, and then many turns of a loop in which things
happen that a recorder might get wrong: a value looked at in the middle, a layer frozen, a weight changed by hand, a
second model, a hook, a copy, an exception, gradients added up, a loss kept for later, an array over a weight or under a
batch that NumPy writes to. Both frameworks start from the same NumPy weights and do the same; every number that is
looked at must agree. Needs torch.

Worth running with DOVETAIL_BESIDE=1 DOVETAIL_TIER=2, with DOVETAIL_AT_ONCE=1 and with DOVETAIL_TIER=0 too.
"""

from __future__ import annotations

import copy
import gc
import importlib
import io
import math
import random
import sys
import traceback
from collections.abc import Callable

import numpy as np

FEATURES, HIDDEN, CLASSES = 6, 8, 4


class World:
    """One framework's half of a program. Actions return numbers to compare, or None."""

    def __init__(self, name: str, seed: int):
        self.t = importlib.import_module(name)
        self.nn, self.F = self.t.nn, importlib.import_module(f"{name}.nn.functional")
        self.optim = importlib.import_module(f"{name}.optim")
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.t.manual_seed(0)
        self.model = self.new_model()
        self.other = self.new_model()
        self.optimizer = self.new_optimizer(self.model)
        self.other_optimizer = self.new_optimizer(self.other)
        self.kept: list = []
        self.total = 0
        self.snapshot = None
        self.handles: list = []
        self.seen: list = []
        self.ema = None
        self.array = None
        self.arrays: list[np.ndarray] = []  # over memory of tensors
        self.batches = np.zeros((16, 2 * FEATURES), np.float32), np.zeros(8, np.int64)  # memory for all batches
        self.standing = [self.t.from_numpy(a) for a in (self.batches[0][:5, :FEATURES], self.batches[1][:5])]

    # Making things

    def tensor(self, *shape, scale=1.0):
        return self.t.from_numpy((self.numbers.standard_normal(shape) * scale).astype(np.float32))

    def new_model(self):
        nn, r = self.nn, self.random
        width = HIDDEN
        parts = [nn.Linear(FEATURES, width)]
        for _ in range(r.randint(1, 3)):
            parts.append(r.choice([nn.ReLU, nn.Tanh, nn.GELU, nn.Sigmoid, nn.SiLU, lambda: nn.LeakyReLU(0.1)])())
            if r.random() < 0.3:
                parts.append(r.choice([lambda: nn.LayerNorm(width), lambda: nn.BatchNorm1d(width)])())
            parts.append(nn.Linear(width, width, bias=r.random() < 0.8))
            if r.random() < 0.2:
                parts[-1].weight = parts[-3].weight if isinstance(parts[-3], nn.Linear) and parts[
                    -3].weight.shape == parts[-1].weight.shape else parts[-1].weight  # fmt: skip
        parts += [nn.ReLU(), nn.Linear(width, CLASSES)]
        model = nn.Sequential(*parts)
        with self.t.no_grad():
            for p in model.parameters():
                p.copy_(self.tensor(*p.shape, scale=0.4))
        return model

    def new_optimizer(self, model):
        o, r = self.optim, self.random
        make = r.choice([  # eps: a gradient that is 0 but for rounding would become a whole step
            lambda p: o.SGD(p, lr=0.05), lambda p: o.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
            lambda p: o.Adam(p, lr=0.01, eps=1e-3), lambda p: o.AdamW(p, lr=0.01, eps=1e-3, weight_decay=0.1),
            lambda p: o.RMSprop(p, lr=0.005, eps=1e-3), lambda p: o.Adagrad(p, lr=0.05, eps=1e-3),
        ])  # fmt: skip
        parameters = list(model.parameters())
        if r.random() < 0.3 and len(parameters) > 2:
            return make([{"params": parameters[:2]}, {"params": parameters[2:], "lr": 0.003}])
        return make(parameters)

    def batch(self):
        n = self.random.choice([5, 5, 5, 8])
        x = self.tensor(n, FEATURES)
        y = self.t.from_numpy(self.numbers.integers(0, CLASSES, n))
        return x, y

    def loss(self, output, y):
        kind = self.random.randrange(4)
        if kind == 0:
            return ((output - self.F.one_hot(y, CLASSES).float()) ** 2).mean()
        if kind == 1:
            return -self.F.log_softmax(output, dim=1).gather(1, y[:, None]).mean()
        return self.F.cross_entropy(output, y, reduction="sum" if kind == 3 else "mean")

    def maybe(self, value, chance=0.5):
        """Look at a value, or not."""
        return [float(value)] if self.random.random() < chance else None

    # Actions

    def plain_step(self):
        x, y = self.batch()
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return self.maybe(loss)

    def looked_between(self):
        x, y = self.batch()
        self.optimizer.zero_grad(set_to_none=self.random.random() < 0.5)
        output = self.model(x)
        seen = [float(output.sum())] if self.random.random() < 0.5 else []
        loss = self.loss(output, y)
        seen.append(loss.item())
        loss.backward()
        if self.random.random() < 0.5:
            seen += [p.grad.norm().item() for p in self.model.parameters() if p.grad is not None]
        self.optimizer.step()
        return seen

    def branch_on_loss(self):
        x, y = self.batch()
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        if loss > 1.3:
            (loss * 0.5).backward()
        else:
            loss.backward()
        self.optimizer.step()

    def accumulate(self):
        self.optimizer.zero_grad()
        for _ in range(self.random.randint(2, 3)):
            x, y = self.batch()
            (self.loss(self.model(x), y) / 3).backward()
        if self.random.random() < 0.5:
            norm = self.nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)
            self.optimizer.step()
            return self.maybe(norm)
        self.optimizer.step()
        return None

    def other_model(self):
        x, y = self.batch()
        self.other_optimizer.zero_grad()
        loss = self.loss(self.other(x), y) + 0.1 * self.loss(self.model(x).detach(), y)
        loss.backward()
        self.other_optimizer.step()
        return self.maybe(loss)

    def both_models(self):
        x, y = self.batch()
        self.optimizer.zero_grad()
        self.other_optimizer.zero_grad()
        loss = self.F.mse_loss(self.model(x), self.other(x)) + self.loss(self.other(x), y)
        loss.backward()
        if self.random.random() < 0.5:
            self.other_optimizer.step()
            self.optimizer.step()
        else:
            self.optimizer.step()
        return self.maybe(loss)

    def evaluate(self):
        self.model.eval()
        with self.t.no_grad():
            x, y = self.batch()
            output = self.model(x)
            right = (output.argmax(1) == y).float().mean()
            loss = self.F.cross_entropy(output, y)
        self.model.train()
        return [float(right), float(loss)] if self.random.random() < 0.7 else None

    def freeze(self):
        layer = self.random.choice([m for m in self.model if isinstance(m, self.nn.Linear)][1:])
        wanted = self.random.random() < 0.5
        for p in layer.parameters():
            p.requires_grad_(wanted)

    def by_hand(self):
        p = self.random.choice(list(self.model.parameters()))
        how = self.random.randrange(6)
        if how == 0:
            with self.t.no_grad():
                p.mul_(0.9)
        elif how == 1:
            p.data.add_(0.01)
        elif how == 2:
            with self.t.no_grad():
                p.copy_(self.tensor(*p.shape, scale=0.4))
        elif how == 3:
            p.data = p.data * 0.95
        elif how == 4:
            with self.t.no_grad():
                p[0] = 0.1
        else:
            p.detach().numpy()[...] *= 1.05

    def sgd_by_hand(self):
        x, y = self.batch()
        self.model.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        with self.t.no_grad():
            for p in self.model.parameters():
                if p.grad is not None:
                    p -= 0.02 * p.grad
                    p.grad.zero_() if self.random.random() < 0.5 else None
        return self.maybe(loss)

    def swap_optimizer(self):
        self.optimizer = self.new_optimizer(self.model)

    def change_rate(self):
        factor = self.random.choice([0.5, 1.5])
        for group in self.optimizer.param_groups:
            group["lr"] *= factor

    def copied(self):
        twin = copy.deepcopy(self.model)
        x, y = self.batch()
        optimizer = self.optim.SGD(twin.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            loss = self.loss(twin(x), y)
            if not loss.requires_grad:
                return None
            loss.backward()
            optimizer.step()
        if self.random.random() < 0.3:
            self.model.load_state_dict(twin.state_dict())
        return self.maybe(loss)

    def save_or_load(self):
        if self.snapshot is None or self.random.random() < 0.5:
            self.snapshot = copy.deepcopy(self.model.state_dict())
        else:
            self.model.load_state_dict(self.snapshot)

    def broken(self):
        x, y = self.batch()
        try:
            loss = self.loss(self.model(x), y)
            if self.random.random() < 0.5:
                loss.backward()
            self.model(self.tensor(3, FEATURES + 1))
        except (RuntimeError, ValueError):
            pass
        self.optimizer.zero_grad()

    def keep_loss(self):
        x, y = self.batch()
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.kept.append(loss)
        self.total = self.total + loss.detach()
        if len(self.kept) > 3:
            seen = [float(one) for one in self.kept] + [float(self.total)]
            self.kept.clear()
            return seen
        return None

    def input_gradient(self):
        x, y = self.batch()
        x.requires_grad_(True)
        loss = self.loss(self.model(x), y)
        (g,) = self.t.autograd.grad(loss, x)
        x2 = (x + 0.1 * g.sign()).detach()
        self.optimizer.zero_grad()
        self.loss(self.model(x2), y).backward()
        self.optimizer.step()
        return [float(g.abs().sum())]

    def penalty(self):
        x, y = self.batch()
        x.requires_grad_(True)
        self.optimizer.zero_grad()
        output = self.model(x)
        (g,) = self.t.autograd.grad(output.sum(), x, create_graph=True)
        loss = self.loss(output, y) + 0.1 * ((g.norm(dim=1) - 1) ** 2).mean()
        loss.backward()
        self.optimizer.step()
        return self.maybe(loss)

    def hook(self):
        if self.handles and self.random.random() < 0.6:
            self.handles.pop().remove()
            return None
        kind = self.random.randrange(3)
        if kind == 0:
            p = self.random.choice([p for p in self.model.parameters() if p.requires_grad] or [None])
            if p is not None:
                self.handles.append(p.register_hook(lambda g: g * 0.5))
        elif kind == 1:
            layer = self.random.choice(list(self.model))
            self.handles.append(layer.register_forward_hook(lambda m, i, o: self.seen.append(o.detach().sum())))
        else:
            layer = self.random.choice(list(self.model))
            self.handles.append(layer.register_forward_hook(lambda m, i, o: o * 1.1))
        return None

    def read_hooks(self):
        seen = [float(one) for one in self.seen]
        self.seen.clear()
        return seen

    def middle_gradient(self):
        x, y = self.batch()
        self.optimizer.zero_grad()
        h = self.model[0](x)
        h.retain_grad()
        out = h
        for layer in list(self.model)[1:]:
            out = layer(out)
        loss = self.loss(out, y)
        loss.backward(retain_graph=True)
        if self.random.random() < 0.5:
            loss.backward()
        self.optimizer.step()
        return [float(h.grad.abs().mean())] if h.grad is not None else None

    def in_place(self):
        x, y = self.batch()
        x[:, 0] = 0.5
        x[1] *= 2
        self.optimizer.zero_grad()
        h = self.model[0](x)
        h2 = h * 2
        h2[:, 1] = 0
        h2.add_(1)
        v = h2.view(-1)
        v[:3] *= 0.5
        out = h2
        for layer in list(self.model)[1:]:
            out = layer(out)
        loss = self.loss(out, y)
        loss.backward()
        self.optimizer.step()
        return self.maybe(loss)

    def average(self):
        with self.t.no_grad():
            if self.ema is None:
                self.ema = [p.clone() for p in self.model.parameters()]
            for e, p in zip(self.ema, self.model.parameters(), strict=True):
                e.lerp_(p, 0.3)
        return self.maybe(sum(e.sum() for e in self.ema))

    def look_at_array(self):
        p = self.model[0].weight
        if self.array is None:
            self.array = p.detach().numpy()
            return None
        seen = [float(self.array.sum()), float(p.sum())]
        if self.random.random() < 0.3:
            self.array = None
        return seen

    def no_step(self):
        x, y = self.batch()
        loss = self.loss(self.model(x), y)
        if self.random.random() < 0.5 and loss.requires_grad:
            loss.backward()
        return self.maybe(loss, 0.3)

    # Memory that NumPy sees

    def fill(self, *arrays):
        """Write other numbers into arrays; not between a forward pass and its backward, where torch would take them."""
        for a in arrays:
            if a.dtype == np.float32:
                a[...] = self.numbers.standard_normal(a.shape)
            else:
                a[...] = self.numbers.integers(0, CLASSES, a.shape)

    def buffered_batch(self):
        """A batch in memory that was used for the last one too."""
        x, y = self.batches
        self.fill(x, y)
        kind = self.random.randrange(5)
        if kind < 2:
            return self.standing
        part = [x[:5, :FEATURES], x[1:6, FEATURES:], x[:10:2, ::2]][kind - 2]
        return self.t.from_numpy(part), self.t.from_numpy(y[:5])

    def buffered_steps(self):
        losses = []
        for _ in range(self.random.randint(1, 3)):
            x, y = self.buffered_batch()
            self.optimizer.zero_grad()
            loss = self.loss(self.model(x), y)
            loss.backward()
            if self.random.random() < 0.5:
                self.fill(*self.batches)
            self.optimizer.step()
            losses.append(loss)
            if self.random.random() < 0.3:
                self.fill(*self.batches)
        return [float(one) for one in losses] if self.random.random() < 0.7 else None

    def buffered_evaluation(self):
        outputs, total = [], 0
        self.model.eval()
        with self.t.no_grad():
            for _ in range(self.random.randint(2, 4)):
                x, y = self.buffered_batch()
                output = self.model(x)
                outputs += [output, x * 2, x[1:3] + y[0]]
                total = total + self.F.cross_entropy(output, y)
                self.fill(*self.batches)
                outputs.append(self.F.one_hot(y, CLASSES).sum(0) + x.mean())
        self.model.train()
        return [float(o.sum()) for o in outputs] + [float(total)]

    def array_in_forward(self):
        """What an operation was given is written before anybody looks at its result, and used once more."""
        x, y = self.buffered_batch()
        with self.t.no_grad():
            first = self.model(x).softmax(1)
            view = x[1:, :3].t()
            early = view * 2
            self.fill(*self.batches)
            second = self.model(x).softmax(1)
            late = view * 2
        return [float(one.double().abs().sum()) for one in (first, second, early, late)]

    def any_memory(self):
        """A tensor whose memory NumPy may see: a parameter's, a gradient's, a state's, a buffer's, a result's."""
        found = [p.detach() for p in self.model.parameters()]
        found += [p.grad for p in self.model.parameters() if p.grad is not None]
        states = self.optimizer.state
        found += [v for p in self.model.parameters() for v in states.get(p, {}).values() if hasattr(v, "numpy")]
        found += [b for b in self.model.buffers() if b.dtype == self.t.float32]
        tensor = self.random.choice(found)
        return self.model(self.batch()[0]).detach() if self.random.random() < 0.1 else tensor

    def take_array(self):
        t = self.any_memory()
        part = self.random.randrange(4)
        if part == 1 and t.dim():
            t = t[: 1 + t.shape[0] // 2]
        elif part == 2 and t.dim() == 2:
            t = t.t()
        elif part == 3 and t.dim():
            t = t[::2]
        self.arrays.append(t.numpy() if self.random.random() < 0.8 else np.asarray(t))
        if len(self.arrays) > 4:
            del self.arrays[self.random.randrange(4)]
        return [float(self.arrays[-1].sum())] if self.random.random() < 0.3 else None

    def write_array(self):
        if self.arrays:
            a = self.random.choice(self.arrays)
            if self.random.random() < 0.5:
                a *= 0.9
            elif a.ndim:
                a[0] = 0.05

    def write_over_pending(self):
        """A forward pass is waiting while the weights' own memory is written."""
        x, y = self.batch()
        output = self.model(x)
        p = self.random.choice(list(self.model.parameters())).detach()
        if self.random.random() < 0.7:
            p.numpy()[...] *= 0.95
        else:
            p.untyped_storage()
            self.arrays.append(p.numpy())
            self.arrays[-1][...] *= 0.95
        return [float(output.sum()), float(self.model(x).sum())]

    def read_arrays(self):
        return [float(a.sum()) for a in self.arrays]

    def drop_arrays(self):
        del self.arrays[self.random.randint(0, len(self.arrays)) :]
        if self.random.random() < 0.5:
            gc.collect()

    def standing_gradients(self):
        """Gradients that stay in their memory from step to step, as arrays see."""
        x, y = self.batch()
        self.optimizer.zero_grad(set_to_none=False)
        loss = self.loss(self.model(x), y)
        loss.backward()
        seen = self.read_arrays() if self.random.random() < 0.5 else []
        self.optimizer.step()
        return seen + self.read_arrays()

    def loader(self):
        data = importlib.import_module(f"{self.t.__name__}.utils.data")
        xs, ys = np.empty((14, FEATURES), np.float32), np.empty(14, np.int64)
        self.fill(xs, ys)
        dataset = data.TensorDataset(self.t.from_numpy(xs), self.t.from_numpy(ys))
        losses = []
        for x, y in data.DataLoader(dataset, batch_size=5, drop_last=self.random.random() < 0.5):
            self.optimizer.zero_grad()
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            losses.append(loss)
            if self.random.random() < 0.3:
                self.fill(xs, ys)
        return [float(one) for one in losses]

    def saved(self):
        file = io.BytesIO()
        self.t.save(self.model.state_dict(), file)
        self.plain_step()
        file.seek(0)
        state = self.t.load(file)
        if self.random.random() < 0.3:
            self.model.load_state_dict(state)
        return [float(v.double().sum()) for v in state.values()]

    def live_state(self):
        """state_dict() shares memory with the model."""
        state = self.model.state_dict()
        copies = {k: v.clone() for k, v in state.items()}
        self.plain_step()
        seen = [float(v.double().sum()) for v in (*state.values(), *copies.values())]
        if self.random.random() < 0.3:
            self.model.load_state_dict(copies)
        return seen

    def address(self):
        before = [p.data_ptr() for p in self.model.parameters()]
        self.plain_step()
        return [float(a == p.data_ptr()) for a, p in zip(before, self.model.parameters(), strict=True)]

    def flat(self):
        """The parameters become parts of one piece of memory."""
        with self.t.no_grad():
            whole = self.t.cat([p.reshape(-1) for p in self.model.parameters()])
        at = 0
        for p in self.model.parameters():
            p.data = whole[at : at + p.numel()].view(p.shape)
            at += p.numel()
        self.plain_step()
        return [float(whole.sum())] if self.random.random() < 0.5 else None

    def forget(self):
        x, y = self.batch()
        loss = self.loss(self.model(x), y)
        output = self.model(x)
        del loss
        if self.random.random() < 0.5:
            gc.collect()
        seen = [float(output.sum())]
        self.optimizer.zero_grad()
        self.kept.clear()
        return seen

    def weights(self):
        return [float(p.detach().double().abs().sum()) for p in self.model.parameters()]

    def state(self):
        found = self.optimizer.state_dict()["state"]
        return [float(v.double().sum()) for s in found.values() for v in s.values() if hasattr(v, "double")]

    def restart(self):
        state = self.optimizer.state_dict()
        self.optimizer.load_state_dict(copy.deepcopy(state))

    def closure(self):
        x, y = self.batch()

        def run():
            self.optimizer.zero_grad()
            loss = self.loss(self.model(x), y)
            loss.backward()
            return loss

        here = self.random.getstate()
        if any(p.requires_grad for p in self.model.parameters()):
            loss = self.optimizer.step(run)
            return self.maybe(loss)
        self.random.setstate(here)
        return None


ACTIONS = {
    "plain_step": 6, "looked_between": 3, "branch_on_loss": 2, "accumulate": 2, "other_model": 2, "both_models": 2,
    "evaluate": 2, "freeze": 1, "by_hand": 2, "sgd_by_hand": 1, "swap_optimizer": 0.5, "change_rate": 1, "copied": 1,
    "save_or_load": 1, "broken": 1, "keep_loss": 2, "input_gradient": 1, "penalty": 1, "hook": 1, "read_hooks": 1,
    "middle_gradient": 1, "in_place": 1, "average": 1, "look_at_array": 1, "no_step": 1, "weights": 0.5, "state": 0.5,
    "restart": 0.3, "closure": 1, "buffered_steps": 3, "buffered_evaluation": 1, "array_in_forward": 1, "take_array": 2,
    "write_array": 1.5, "write_over_pending": 1, "read_arrays": 1, "drop_arrays": 1, "standing_gradients": 1,
    "loader": 1, "saved": 0.5, "live_state": 1, "address": 0.5, "flat": 0.3, "forget": 1,
}  # fmt: skip


def schedule(seed: int, turns: int) -> list[str]:
    """A loop body of a few actions that comes again and again, with other things in between."""
    r = random.Random(seed)
    names, weights = zip(*ACTIONS.items(), strict=True)
    found: list[str] = []
    while len(found) < turns:
        body = r.choices(names, weights, k=r.randint(1, 4))
        for _ in range(r.randint(1, 8)):
            found += body
            if r.random() < 0.15:
                found += r.choices(names, weights)
    return found[:turns]


def close(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or abs(a - b) <= 2e-3 * max(1.0, abs(a), abs(b))


def run(seed: int, turns: int) -> str | None:
    """None where both agree, else what happened first."""
    ours, theirs = World("dovetail", seed), World("torch", seed)
    done: list[str] = []
    for name in schedule(seed, turns):
        done.append(name)
        results = []
        for world in (theirs, ours):
            try:
                results.append(getattr(world, name)() or [])
            except Exception as error:
                results.append(error)
        a, b = results
        if isinstance(a, Exception) or isinstance(b, Exception):
            if isinstance(a, Exception) and isinstance(b, Exception):
                return None  # both refuse: the program ends here
            wrong = b if isinstance(b, Exception) else a
            trace = "".join(traceback.format_exception(wrong)[-4:])
            return f"{'ours' if wrong is b else 'torch'} raised in {name} (turn {len(done)}): {trace}"
        if len(a) != len(b) or not all(map(close, a, b)):
            return f"{name} (turn {len(done)}): torch {a} ours {b}; before: {done[-12:]}"
    return None


def compare(run: Callable[[int], str | None], seeds: range, what: str) -> None:
    """Run a program for each seed, print what differs, and leave with 1 where something does."""
    wrong = 0
    for seed in seeds:
        found = run(seed)
        if found is not None:
            wrong += 1
            print(f"seed {seed}: {found}", flush=True)
    print(f"{what}, {wrong} differ")
    sys.exit(wrong > 0)


def main() -> None:
    first, count = (int(w) for w in (*sys.argv[1:], "0", "20")[:2]) if len(sys.argv) > 2 else (0, 20)
    turns = int(sys.argv[3]) if len(sys.argv) > 3 else 80
    compare(lambda seed: run(seed, turns), range(first, first + count), f"{count} programs of {turns} actions")


if __name__ == "__main__":
    main()
