"""Datasets, samplers, collation and the loader: the same batches here, in threads and in processes."""

from __future__ import annotations

import time
from collections import namedtuple

import numpy as np
import pytest

import dovetail
from dovetail import data
from dovetail.base.errors import DovetailWarning
from dovetail.data import workers

Pair = namedtuple("Pair", "x y")


class Squares(data.Dataset):
    """i and its square, as a tensor, a number and nested parts."""

    def __init__(self, n: int = 10):
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i):
        if i == 77:
            raise KeyError("no such file")
        return dovetail.tensor([float(i), float(i * i)]), i, {"name": str(i), "pair": Pair(i, i / 2)}


class Numbers(data.IterableDataset):
    """0 to n - 1, shared out among workers."""

    def __init__(self, n: int):
        self.n = n

    def __iter__(self):
        info = data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.n, step))


def rows(loader) -> list:
    return [batch[1].tolist() for batch in loader]


def tensors(n: int = 10):
    return data.TensorDataset(dovetail.arange(2 * n).view(n, 2), dovetail.arange(n))


# -- datasets ----------------------------------------------------------------------------------------------------------


def test_datasets():
    d = tensors()
    assert len(d) == 10 and [t.tolist() for t in d[3]] == [[6, 7], 3]
    both = d + data.Subset(d, [5, 1])
    assert len(both) == 12 and both[11][1].item() == 1 and both[-2][1].item() == 5
    assert data.StackDataset(a=[1, 2], b=[3, 4])[1] == {"a": 2, "b": 4}
    assert list(data.ChainDataset([Numbers(2), Numbers(3)])) == [0, 1, 0, 1, 2]
    with pytest.raises(RuntimeError, match="Size mismatch"):
        data.TensorDataset(dovetail.zeros(2), dovetail.zeros(3))
    with pytest.raises(ValueError):
        both[-13]


def test_random_split():
    dovetail.manual_seed(1)
    a, b = data.random_split(range(10), [7, 3])
    dovetail.manual_seed(1)
    again, _ = data.random_split(range(10), [7, 3])
    assert sorted([*a, *b]) == list(range(10)) and list(a) == list(again)
    assert [len(p) for p in data.random_split(range(10), [0.5, 0.25, 0.25])] == [6, 2, 2]
    seeded = [list(data.random_split(range(9), [4, 5], dovetail.Generator().manual_seed(3))[0]) for _ in range(2)]
    assert seeded[0] == seeded[1]
    with pytest.raises(ValueError):
        data.random_split(range(10), [1, 2])


# -- samplers ----------------------------------------------------------------------------------------------------------


def test_samplers():
    dovetail.manual_seed(0)
    assert list(data.SequentialSampler(range(3))) == [0, 1, 2]
    assert sorted(data.RandomSampler(range(20))) == list(range(20))
    assert len(list(data.RandomSampler(range(5), replacement=True, num_samples=30))) == 30
    assert len(list(data.RandomSampler(range(5), num_samples=12))) == 12
    assert sorted(data.SubsetRandomSampler([4, 7, 1])) == [1, 4, 7]
    drawn = list(data.WeightedRandomSampler([0.0, 1.0, 3.0], 4000))
    assert 0 not in drawn and abs(drawn.count(2) / 4000 - 0.75) < 0.04
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    shares = [data.DistributedSampler(range(10), 3, rank, shuffle=False) for rank in range(3)]
    assert [list(s) for s in shares] == [[0, 3, 6, 9], [1, 4, 7, 0], [2, 5, 8, 1]]
    first, shuffled = list(shares[0]), data.DistributedSampler(range(10), 3, 0)
    shuffled.set_epoch(2)
    assert list(shuffled) != first
    with pytest.raises(ValueError):
        data.RandomSampler([])


# -- collation ---------------------------------------------------------------------------------------------------------


def test_collate_nested():
    batch = data.default_collate([Squares()[i] for i in (1, 3)])
    assert batch[0].tolist() == [[1, 1], [3, 9]] and batch[1].tolist() == [1, 3]
    assert batch[2]["name"] == ["1", "3"] and type(batch[2]["pair"]) is Pair
    assert batch[2]["pair"].y.dtype is dovetail.float64 and batch[2]["pair"].y.tolist() == [0.5, 1.5]
    assert data.default_collate([True, False]).dtype is dovetail.bool
    assert data.default_collate([np.float32(1), np.float32(2)]).dtype is dovetail.float32
    assert data.default_collate([np.ones(2), np.zeros(2)]).shape == (2, 2)
    assert data.default_convert({"a": np.ones(2), "b": "text"})["a"].tolist() == [1, 1]
    w = dovetail.ones(2).requires_grad_()
    assert data.default_collate([w, w]).requires_grad


def test_collate_says_what_does_not_fit():
    with pytest.raises(RuntimeError, match=r"(?s)equal size.*\[2\].*\[3\] at entry 1"):
        data.default_collate([dovetail.ones(2), dovetail.ones(3)])
    with pytest.raises(TypeError, match="object"):
        data.default_collate([object()])
    with pytest.raises(RuntimeError, match="equal size"):
        data.default_collate([[1, 2], [1]])


# -- the loader --------------------------------------------------------------------------------------------------------


def test_order_and_lengths():
    assert rows(data.DataLoader(Squares(5), 2)) == [[0, 1], [2, 3], [4]]
    assert rows(data.DataLoader(tensors(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert len(data.DataLoader(Squares(5), 2)) == 3 and len(data.DataLoader(Squares(5), 2, drop_last=True)) == 2
    assert [s[1] for s in data.DataLoader(Squares(3), batch_size=None)] == [0, 1, 2]
    own = data.DataLoader(Squares(6), batch_sampler=[[5, 1], [0]])
    assert rows(own) == [[5, 1], [0]] and len(own) == 2
    assert rows(data.DataLoader(Squares(6), 2, sampler=[3, 3, 0])) == [[3, 3], [0]]


def test_batches_of_tensors_are_lists_of_fresh_tensors():
    d = tensors(6)
    batch = next(iter(data.DataLoader(d, 4)))
    assert type(batch) is list and batch[0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    batch[0].zero_()
    assert d.tensors[0][1].tolist() == [2, 3]
    part = data.Subset(d, [5, 0, 2])
    assert rows(data.DataLoader(part, 2)) == [[5, 0], [2]]


def test_shuffling_follows_the_seed_and_changes_by_epoch():
    loader = data.DataLoader(tensors(40), 8, shuffle=True)
    dovetail.manual_seed(5)
    first, second = rows(loader), rows(loader)
    dovetail.manual_seed(5)
    assert rows(loader) == first != second
    assert sorted(sum(first, [])) == list(range(40))
    own = data.DataLoader(tensors(40), 8, shuffle=True, generator=dovetail.Generator().manual_seed(9))
    assert rows(own) == rows(data.DataLoader(Squares(40), 8, True, generator=dovetail.Generator().manual_seed(9)))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("persistent", [False, True])
def test_workers_give_the_same_batches(count, persistent):
    def epochs(loader):
        dovetail.manual_seed(2)
        return [rows(loader) for _ in range(3)]

    here = epochs(data.DataLoader(Squares(23), 4, shuffle=True))
    ahead = data.DataLoader(Squares(23), 4, shuffle=True, num_workers=count, persistent_workers=persistent)
    dovetail.manual_seed(2)
    made = [rows(ahead) for _ in range(3)]
    assert [sorted(sum(e, [])) for e in made] == [list(range(23))] * 3
    plain = data.DataLoader(Squares(23), 4, num_workers=count, persistent_workers=persistent)
    assert rows(plain) == rows(plain) == rows(data.DataLoader(Squares(23), 4))
    assert len(here) == 3


def test_processes_give_the_same_batches():
    loader = data.DataLoader(Squares(9), 4, num_workers=2, multiprocessing_context="fork")
    assert rows(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_streams():
    assert [b.tolist() for b in data.DataLoader(Numbers(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in data.DataLoader(Numbers(5), 2, drop_last=True)] == [[0, 1], [2, 3]]
    shared = [b.tolist() for b in data.DataLoader(Numbers(7), 2, num_workers=2)]
    assert sorted(sum(shared, [])) == list(range(7))
    persistent = data.DataLoader(Numbers(7), 2, num_workers=2, persistent_workers=True)
    assert [b.tolist() for b in persistent] == [b.tolist() for b in persistent] == shared


def test_leaving_early_does_no_harm():
    loader = data.DataLoader(Squares(50), 2, num_workers=2, persistent_workers=True)
    epoch = iter(loader)
    assert next(epoch)[1].tolist() == [0, 1]
    epoch.close()
    assert rows(loader)[0] == [0, 1]


def test_leaving_early_after_answers_came_out_of_turn():
    """An answer that had arrived before its turn was waited for a second time, for ever."""

    class FirstIsSlow(Squares):
        def __getitem__(self, i):
            if i < 2:
                time.sleep(0.05)
            return super().__getitem__(i)

    loader = data.DataLoader(FirstIsSlow(20), 2, num_workers=2, persistent_workers=True)
    epoch = iter(loader)
    assert next(epoch)[1].tolist() == [0, 1]
    epoch.close()
    assert rows(loader)[0] == [0, 1]


@pytest.mark.parametrize("count", [0, 2])
def test_errors_carry_the_sample(count):
    with pytest.raises(KeyError, match="no such file") as error:
        rows(data.DataLoader(Squares(100), 10, num_workers=count))
    assert any("sample 77 of Squares" in note for note in error.value.__notes__)


def test_errors_of_processes_carry_the_sample():
    with pytest.raises(RuntimeError, match="(?s)KeyError.*sample 77 of Squares"):
        rows(data.DataLoader(Squares(100), 10, num_workers=1, multiprocessing_context="fork"))


class Slow(Squares):
    def __getitem__(self, i):
        time.sleep(5.0 if i == 2 else 0.0)
        return super().__getitem__(i)


def test_a_stuck_worker_is_reported_and_a_timeout_ends_it(monkeypatch):
    monkeypatch.setattr(workers, "STUCK_AFTER", 0.5)
    with pytest.warns(DovetailWarning, match=r"(?s)worker 0 has been reading \[2\] of Slow, at sample 2.*time.sleep"):
        with pytest.raises(RuntimeError, match="timed out"):
            rows(data.DataLoader(Slow(3), 1, num_workers=1, timeout=1.6))


class Dies(Squares):
    def __getitem__(self, i):
        import os

        os._exit(3)


def test_a_dead_worker_is_reported():
    with pytest.raises(RuntimeError, match="(?s)exited with code 3.*at sample 0"):
        rows(data.DataLoader(Dies(3), 1, num_workers=1, multiprocessing_context="fork"))


class Ends(Squares):
    """Its sample 5 ends the worker, or the loop, in some way."""

    def __init__(self, size, how):
        super().__init__(size)
        self.how = how

    def __getitem__(self, i):
        if i == 5:
            self.how()
        return super().__getitem__(i)


def exits():
    raise SystemExit(3)


def stops():
    raise StopIteration


def is_killed():
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_a_killed_worker_is_reported(how):
    with pytest.raises(RuntimeError, match="(?s)killed by signal 9.*at sample 5"):
        rows(data.DataLoader(Ends(8, is_killed), 2, num_workers=2, multiprocessing_context=how))


@pytest.mark.parametrize("count", [0, 2])
def test_a_thread_that_is_told_to_exit_does_not_hang_the_loop(count):
    with pytest.raises(SystemExit):
        rows(data.DataLoader(Ends(8, exits), 2, num_workers=count))


@pytest.mark.parametrize("count", [0, 2])
def test_stop_iteration_of_a_sample_does_not_end_the_epoch(count):
    with pytest.raises(ValueError, match="StopIteration for sample 5"):
        rows(data.DataLoader(Ends(8, stops), 2, num_workers=count))


def test_a_thread_that_is_gone_is_reported(monkeypatch):
    monkeypatch.setattr(workers, "serve", lambda *args: None)
    with pytest.raises(RuntimeError, match=r"(?s)worker 0 \(a thread\) has ended.*\[0, 1\]"):
        rows(data.DataLoader(Squares(8), 2, num_workers=2))


def test_worker_start():
    seen = []
    loader = data.DataLoader(Squares(8), 2, num_workers=2, worker_init_fn=seen.append)
    rows(loader)
    assert sorted(seen) == [0, 1] and data.get_worker_info() is None

    def fails(worker):
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        rows(data.DataLoader(Squares(8), 2, num_workers=1, worker_init_fn=fails))


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"shuffle": True, "sampler": [1]},
        {"batch_sampler": [[1]], "batch_size": 2},
        {"batch_size": None, "drop_last": True},
        {"num_workers": -1},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
        {"timeout": -1},
    ],
)
def test_settings_that_exclude_each_other(settings):
    with pytest.raises(ValueError):
        data.DataLoader(Squares(), **settings)
    with pytest.raises(ValueError):
        data.DataLoader(Numbers(3), shuffle=True)


class Given(data.Dataset):
    def __init__(self, *samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


@pytest.mark.parametrize(
    ("samples", "error", "says"),
    [
        ((dovetail.ones(1), dovetail.ones(2)), RuntimeError, r"\[1\] at entry 0 and \[2\] at entry 1"),
        (({"a": 1, "b": 2}, {"a": 1}), ValueError, r"(?s)sample 0 of the batch has \['a', 'b'\].*missing there: 'b'"),
        ((dovetail.ones(1), 3), ValueError, "sample 0 of the batch is of type Tensor, sample 1 is of type int"),
        ((1, None), ValueError, "sample 1 is None"),
        ((None, None), TypeError, "__getitem__ returned nothing"),
        (((1, 2), (1,)), ValueError, "equal size"),
    ],
)
def test_ragged_batches_name_the_sample_and_what_differs(samples, error, says):
    with pytest.raises(error, match=says) as found:
        list(data.DataLoader(Given(*samples), 2))
    assert any("the samples [0, 1] of Given" in note for note in found.value.__notes__)


def test_epochs_without_a_batch_are_noticed():
    with pytest.warns(DovetailWarning, match="3 samples make none of batch_size=5"):
        assert list(data.DataLoader(Given(1, 2, 3), 5, drop_last=True)) == []
    with pytest.warns(DovetailWarning, match="the dataset, a Given, is empty"):
        assert list(data.DataLoader(Given(), 2)) == []
