"""torch.distributed in a world of one process, as torchrun --nproc-per-node=1 leaves it."""

import pytest

import dovetail
from dovetail import distributed as dist
from dovetail import nn
from dovetail.base.errors import NotCovered


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    dist.init_process_group("gloo")
    yield
    dist.destroy_process_group()


def test_collectives_of_one_rank(world):
    x = dovetail.arange(3.0)
    dist.all_reduce(x, op=dist.ReduceOp.SUM)
    dist.broadcast(x, src=0)
    gathered = [dovetail.empty(3)]
    work = dist.all_gather(gathered, x, async_op=True)
    assert work.wait() and gathered[0].tolist() == x.tolist() == [0, 1, 2]
    out = dovetail.empty(3)
    dist.reduce_scatter(out, [x])
    names = [None]
    dist.all_gather_object(names, {"rank": dist.get_rank()})
    assert out.tolist() == [0, 1, 2] and names == [{"rank": 0}] and dist.get_world_size() == 1
    dist.barrier()
    with pytest.raises(ValueError, match="rank 1 is not in a world of 1"):
        dist.broadcast(x, src=1)
    with pytest.raises(ValueError, match="no other process"):
        dist.send(x, dst=1)
    with pytest.raises(ValueError, match="twice"):
        dist.init_process_group()


def test_more_processes_are_refused_by_name():
    with pytest.raises(NotCovered, match="world of 4 processes"):
        dist.init_process_group("nccl", rank=0, world_size=4)
    assert not dist.is_initialized()
    with pytest.raises(ValueError, match="init_process_group"):
        dist.get_rank()


def test_a_wrapped_module_trains_as_the_module_does(world):
    dovetail.manual_seed(0)
    plain = nn.Linear(3, 2)
    wrapped = nn.parallel.DistributedDataParallel(plain, find_unused_parameters=True)
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"] and wrapped.module is plain
    x = dovetail.ones(4, 3)
    with wrapped.no_sync():
        wrapped(x).sum().backward()
    wrapped(x).sum().backward()
    assert plain.weight.grad.tolist() == [[8.0] * 3] * 2
    with pytest.raises(RuntimeError, match="requires a gradient"):
        nn.parallel.DistributedDataParallel(nn.ReLU())
