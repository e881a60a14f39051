"""A loader's position: saved in mid-epoch and gone on from, also after the program was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import dovetail
from dovetail.utils import data


class Squares(data.Dataset):
    def __init__(self, n=23):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i * i


class Count(data.IterableDataset):
    def __iter__(self):
        info = data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, 23, step))


class CountFrom:
    """An iterator that can say where it stands."""

    def __init__(self):
        self.at, self.read = 0, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.at >= 23:
            raise StopIteration
        self.at, self.read = self.at + 1, self.read + 1
        return self.at

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


class Stateful(data.IterableDataset):
    def __iter__(self):
        self.stream = CountFrom()
        return self.stream


def take(iterator, n):
    return [next(iterator).tolist() for _ in range(n)]


KINDS = {
    "shuffled": lambda workers: data.DataLoader(Squares(), 3, shuffle=True, num_workers=workers),
    "own generator": lambda workers: data.DataLoader(
        Squares(), 3, shuffle=True, num_workers=workers, generator=dovetail.Generator().manual_seed(4)
    ),
    "in order": lambda workers: data.DataLoader(Squares(), 4, num_workers=workers),
    "weighted": lambda workers: data.DataLoader(
        Squares(), 3, sampler=data.WeightedRandomSampler([1.0] * 23, 30), num_workers=workers
    ),
    "subset": lambda workers: data.DataLoader(
        Squares(), 2, sampler=data.SubsetRandomSampler(range(15)), num_workers=workers
    ),
    "stream": lambda workers: data.DataLoader(Count(), 3, num_workers=workers),
    "stateful stream": lambda workers: data.DataLoader(Stateful(), 3, num_workers=workers),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_new_loader_goes_on_where_the_old_one_stood(kind, workers):
    dovetail.manual_seed(8)
    loader = KINDS[kind](workers)
    list(loader)  # an epoch before
    running = iter(loader)
    take(running, 3)
    saved, random = loader.state_dict(), dovetail.get_rng_state()
    rest = [b.tolist() for b in running]
    next_epoch = [b.tolist() for b in loader]
    dovetail.manual_seed(99)
    other = KINDS[kind](workers)
    other.load_state_dict(saved)
    dovetail.set_rng_state(random)
    assert [b.tolist() for b in other] == rest
    assert [b.tolist() for b in other] == next_epoch


def test_the_number_of_workers_may_change_and_states_are_plain():
    import json

    dovetail.manual_seed(1)
    loader = data.DataLoader(Squares(), 3, shuffle=True, num_workers=2)
    running = iter(loader)
    take(running, 4)
    saved = json.loads(json.dumps(loader.state_dict()))
    rest = [b.tolist() for b in running]
    other = data.DataLoader(Squares(), 3, shuffle=True)
    other.load_state_dict(saved)
    assert other.state_dict() == saved
    assert [b.tolist() for b in other] == rest


def test_between_epochs_nothing_is_passed_over():
    loader = data.DataLoader(Squares(5), 2)
    list(loader)
    other = data.DataLoader(Squares(5), 2)
    other.load_state_dict(loader.state_dict())
    assert len(list(other)) == 3


def test_a_stream_that_knows_its_place_is_not_read_again():
    loader = data.DataLoader(Stateful(), 5)
    running = iter(loader)
    take(running, 3)
    other = data.DataLoader(Stateful(), 5)
    other.load_state_dict(loader.state_dict())
    assert [b.tolist() for b in other] == [[16, 17, 18, 19, 20], [21, 22, 23]]
    assert other.dataset.stream.read == 8


def test_a_state_that_does_not_fit_names_every_difference():
    loader = data.DataLoader(Squares(), 3)
    running = iter(loader)
    take(running, 2)
    with pytest.raises(ValueError, match="(?s)batch_size was 3, here it is 4.*samples was 23, here it is 9"):
        data.DataLoader(Squares(9), 4).load_state_dict(loader.state_dict())
    with pytest.raises(ValueError, match="no state of a loader"):
        loader.load_state_dict({"a": 1})
    with pytest.raises(TypeError, match="dict-like"):
        loader.load_state_dict([1])


PROGRAM = textwrap.dedent(
    """
    import os, signal, sys
    import dovetail as torch
    from dovetail import nn
    from dovetail.utils.data import DataLoader, TensorDataset

    folder, kill_at = sys.argv[1], int(sys.argv[2])
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(3)
    data = TensorDataset(torch.randn(60, 6), torch.randint(0, 3, (60,)))
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loader = DataLoader(data, batch_size=8, shuffle=True, num_workers=2)
    path, step, epoch = folder + "/checkpoint.pt", 0, 0
    if os.path.exists(path):
        saved = torch.load(path, weights_only=False)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        loader.load_state_dict(saved["loader"])
        torch.set_rng_state(saved["random"])
        step, epoch = saved["step"], saved["epoch"]
    for epoch in range(epoch, 3):
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            step += 1
            if step == kill_at:
                torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
                            "loader": loader.state_dict(), "random": torch.get_rng_state(), "epoch": epoch}, path)
                os.kill(os.getpid(), signal.SIGKILL)
    print(step, b"".join(p.detach().numpy().tobytes() for p in model.parameters()).hex())
    """
)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_killed_training_goes_on_to_the_very_same_weights(tmp_path):
    (tmp_path / "main.py").write_text(PROGRAM)

    def run(kill_at):
        words = [sys.executable, str(tmp_path / "main.py"), str(tmp_path), str(kill_at)]
        root = os.path.dirname(os.path.dirname(dovetail.__file__))
        env = dict(os.environ, PYTHONPATH=root, DOVETAIL_CACHE_DIR=str(tmp_path / "cache"))
        return subprocess.run(words, env=env, capture_output=True, text=True, timeout=120)

    whole = run(0)
    assert whole.returncode == 0, whole.stderr
    assert run(11).returncode == -signal.SIGKILL  # the fourth batch of the second epoch
    resumed = run(0)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == whole.stdout and whole.stdout.startswith("24 ")


def test_arrays_of_processes_stand_in_shared_memory():
    loader = data.DataLoader(Wide(), 4, num_workers=2, multiprocessing_context="fork")
    pages = []
    for k, (x, names) in enumerate(loader):
        assert x.shape == (4, 3, 64, 64) and names == tuple(f"{4 * k + i}" for i in range(4))
        np.testing.assert_array_equal(x.numpy()[:, 0, 0, 0], np.arange(4 * k, 4 * k + 4))
        pages.append(x)
    assert len(pages) == 3 and float(pages[0].sum()) == 3 * 64 * 64 * 6
    pages[0].add_(1)
    assert float(pages[1].mean()) == 5.5


class Wide(data.Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, i):
        return dovetail.full((3, 64, 64), float(i)), str(i)


@pytest.mark.filterwarnings("ignore:DataLoader. still waiting")
def test_spawned_workers_give_the_same_batches():
    loader = data.DataLoader(Squares(9), 4, num_workers=2, multiprocessing_context="spawn")
    assert [b.tolist() for b in loader] == [[0, 1, 4, 9], [16, 25, 36, 49], [64]]


def test_what_cannot_be_sent_to_a_spawned_worker_is_said():
    loader = data.DataLoader(Squares(9), 4, num_workers=1, multiprocessing_context="spawn", collate_fn=lambda b: b)
    with pytest.raises(ValueError, match="cannot be sent to a worker process"):
        list(loader)


class Killed(Squares):
    def __getitem__(self, i):
        if i == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(i)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_killed_worker_is_reported_with_its_sample():
    loader = data.DataLoader(Killed(), 2, num_workers=2, multiprocessing_context="fork")
    says = r"(?s)worker 1 .*killed by signal 9.*reading \[6, 7\] of Killed, at sample 7"
    with pytest.raises(RuntimeError, match=says):
        list(loader)


def test_random_numbers_of_processes_differ_and_repeat_with_the_seed():
    def draw():
        dovetail.manual_seed(2)
        loader = data.DataLoader(Drawn(), 1, num_workers=2, multiprocessing_context="fork")
        return [tuple(t.item() for t in row) for row in loader]

    first = draw()
    assert first == draw() and len(set(first)) == len(first)


class Drawn(Squares):
    def __init__(self):
        super().__init__(4)

    def __getitem__(self, i):
        return dovetail.rand(1), np.random.rand()
