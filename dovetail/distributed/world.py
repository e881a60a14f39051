"""A world of one process: who is in it, and what its collectives do.

Source: torch.distributed 2.13, its rules for what may be called before a group is made.
"""

from __future__ import annotations

import enum
import os
from typing import Any

from dovetail.base.errors import ArgumentError, NotCovered, message
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor


class ReduceOp(enum.Enum):
    """How values of several ranks become one. With one rank its own value stays, but for AVG's division by one."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7
    PREMUL_SUM = 8


class Backend(str):
    """The name of a backend; all of them are the same here."""

    UNDEFINED, GLOO, NCCL, XCCL, UCC, MPI = "undefined", "gloo", "nccl", "xccl", "ucc", "mpi"


class ProcessGroup:
    """The one group: rank 0 of 1."""

    def __init__(self, backend: str = "gloo") -> None:
        self.backend = backend

    def rank(self) -> int:
        return 0

    def size(self) -> int:
        return 1

    def name(self) -> str:
        return self.backend


class Work:
    """What a collective with async_op=True returns: done already."""

    def wait(self, timeout: Any = None) -> bool:
        return True

    def is_completed(self) -> bool:
        return True

    def is_success(self) -> bool:
        return True


class World:
    """The group that init_process_group has made."""

    def __init__(self) -> None:
        self.group: ProcessGroup | None = None


WORLD = World()


class GroupMember:
    """torch's place for the default group."""

    NON_GROUP_MEMBER = -100
    WORLD: ProcessGroup | None = None


group = GroupMember


def is_available() -> bool:
    """True: groups of one process can be made."""
    return True


def is_initialized() -> bool:
    """Whether init_process_group has been called."""
    return WORLD.group is not None


def is_backend_available(backend: str) -> bool:
    """Whether a group can be made under that name: gloo, as torch without CUDA has it."""
    return backend.lower() == "gloo"


def is_gloo_available() -> bool:
    return True


def is_nccl_available() -> bool:
    return False


def is_mpi_available() -> bool:
    return False


def is_ucc_available() -> bool:
    return False


def is_xccl_available() -> bool:
    return False


def is_torchelastic_launched() -> bool:
    """Whether torchrun has started this process."""
    return os.environ.get("TORCHELASTIC_RUN_ID") is not None


def get_default_backend_for_device(device: Any) -> str:
    """gloo, for every device that is here."""
    return "gloo"


def init_process_group(
    backend: str | None = None, init_method: str | None = None, timeout: Any = None, world_size: int = -1,
    rank: int = -1, store: Any = None, group_name: str = "", pg_options: Any = None, device_id: Any = None,
    _ranks: Any = None,
) -> None:  # fmt: skip
    """Make the group of this process.

    world_size, rank: given, or in WORLD_SIZE and RANK, as torchrun leaves them; without either a world of one.
    Raises: NotCovered (a NotImplementedError) for more than one process; ArgumentError where a group is there already.
    """
    if WORLD.group is not None:
        raise ArgumentError(message("init_process_group", "trying to initialize the default process group twice!"))
    size = world_size if world_size > 0 else int(os.environ.get("WORLD_SIZE", "1"))
    own = rank if rank >= 0 else int(os.environ.get("RANK", "0"))
    if size != 1:
        raise NotCovered(
            message(
                "init_process_group",
                f"a world of {size} processes is not covered: Dovetail computes in one process",
                [("rank", own), ("world_size", size)],
                "Start it with one process (python script.py, or torchrun --nproc-per-node=1): its kernels use the\n"
                "cores by threads, and DataLoader(num_workers=...) loads in others.",
            )
        )
    if own != 0:
        raise ArgumentError(message("init_process_group", f"rank {own} is not in a world of 1"))
    GroupMember.WORLD = WORLD.group = ProcessGroup((backend or "gloo").split(",")[0])


def destroy_process_group(group: Any = None) -> None:
    """Forget the group."""
    need_group("destroy_process_group")
    GroupMember.WORLD = WORLD.group = None


def need_group(call: str) -> ProcessGroup:
    if WORLD.group is None:
        problem = "Default process group has not been initialized"
        raise ArgumentError(message(call, problem, [], "call init_process_group first"))
    return WORLD.group


def get_rank(group: Any = None) -> int:
    """0. Raises: ArgumentError before init_process_group."""
    need_group("get_rank")
    return 0


def get_world_size(group: Any = None) -> int:
    """1. Raises: ArgumentError before init_process_group."""
    need_group("get_world_size")
    return 1


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """LOCAL_RANK from torchrun, or `fallback_rank`."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is None:
        raise ArgumentError(message("get_node_local_rank", "LOCAL_RANK is not in the environment"))
    return int(fallback_rank)


def get_backend(group: Any = None) -> str:
    """The backend's name that was given."""
    return need_group("get_backend").backend


def get_group_rank(group: Any, global_rank: int) -> int:
    return global_rank


def get_global_rank(group: Any, group_rank: int) -> int:
    return group_rank


def get_process_group_ranks(group: Any = None) -> list[int]:
    return [0]


def new_group(ranks: list[int] | None = None, *args: Any, **kwargs: Any) -> ProcessGroup:
    """A group of some of the ranks: of the one that there is."""
    world = need_group("new_group")
    if ranks is not None and list(ranks) != [0]:
        raise ArgumentError(message("new_group", f"the world has rank 0 alone, got ranks {ranks}"))
    return ProcessGroup(world.backend)


def finished(call: str, async_op: bool, *ranks: int | None) -> Work | None:
    """What a collective returns once its result is there. ranks: the other ends, which must be this process."""
    need_group(call)
    for rank in ranks:
        if rank not in (0, None):
            raise ArgumentError(message(call, f"rank {rank} is not in a world of 1"))
    return Work() if async_op else None


def filled(call: str, targets: Any, source: Tensor) -> None:
    """Copy `source` into the one target."""
    targets = list(targets)
    if len(targets) != 1:
        raise ArgumentError(message(call, f"needs a tensor for each rank: 1, got {len(targets)}"))
    with no_grad():
        targets[0].copy_(source.reshape(targets[0].shape))


def all_reduce(tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """The tensor as it is: the sum over one rank."""
    return finished("all_reduce", async_op)


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """The tensor as it is."""
    return finished("reduce", async_op, dst, group_dst)


def broadcast(
    tensor: Tensor, src: int | None = None, group: Any = None, async_op: bool = False, group_src: int | None = None
) -> Work | None:
    """The tensor as it is."""
    return finished("broadcast", async_op, src, group_src)


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False) -> Work | None:
    """The tensor in the list's one tensor."""
    done = finished("all_gather", async_op)
    filled("all_gather", tensor_list, tensor)
    return done


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False
) -> Work | None:
    """The input in the output."""
    done = finished("all_gather_into_tensor", async_op)
    filled("all_gather_into_tensor", [output_tensor], input_tensor)
    return done


def reduce_scatter(
    output: Tensor, input_list: list[Tensor], op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """The list's one tensor in the output."""
    done = finished("reduce_scatter", async_op)
    filled("reduce_scatter", [output], input_list[0])
    return done


def reduce_scatter_tensor(
    output: Tensor, input: Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """The input in the output."""
    return reduce_scatter(output, [input], op, group, async_op)


def all_to_all(
    output_tensor_list: list[Tensor], input_tensor_list: list[Tensor], group: Any = None, async_op: bool = False
) -> Work | None:
    """Each list's one tensor from the other's."""
    done = finished("all_to_all", async_op)
    filled("all_to_all", output_tensor_list, input_tensor_list[0])
    return done


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: Any = None,
    input_split_sizes: Any = None,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """The input in the output."""
    return all_to_all([output], [input], group, async_op)


def gather(
    tensor: Tensor,
    gather_list: list[Tensor] | None = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """The tensor in the list's one tensor."""
    done = finished("gather", async_op, dst, group_dst)
    filled("gather", gather_list or [], tensor)
    return done


def scatter(
    tensor: Tensor,
    scatter_list: list[Tensor] | None = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """The list's one tensor in the tensor."""
    done = finished("scatter", async_op, src, group_src)
    if not scatter_list:
        raise ArgumentError(message("scatter", "scatter_list must be given on the source rank"))
    filled("scatter", [tensor], scatter_list[0])
    return done


def all_gather_object(object_list: list, obj: Any, group: Any = None) -> None:
    """The object in the list's one place."""
    finished("all_gather_object", False)
    object_list[0] = obj


def gather_object(
    obj: Any,
    object_gather_list: list | None = None,
    dst: int | None = None,
    group: Any = None,
    group_dst: int | None = None,
) -> None:
    """The object in the list's one place."""
    finished("gather_object", False, dst, group_dst)
    if object_gather_list:
        object_gather_list[0] = obj


def broadcast_object_list(
    object_list: list, src: int | None = None, group: Any = None, device: Any = None, group_src: int | None = None
) -> None:
    """The list as it is."""
    finished("broadcast_object_list", False, src, group_src)


def scatter_object_list(
    scatter_object_output_list: list,
    scatter_object_input_list: list | None = None,
    src: int | None = None,
    group: Any = None,
    group_src: int | None = None,
) -> None:
    """The one object of the input in the output's first place."""
    finished("scatter_object_list", False, src, group_src)
    scatter_object_output_list[0] = (scatter_object_input_list or [None])[0]


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Work | None:
    """Nobody to wait for."""
    return finished("barrier", async_op)


def monitored_barrier(group: Any = None, timeout: Any = None, wait_all_ranks: bool = False) -> None:
    """Nobody to wait for."""
    finished("monitored_barrier", False)


def alone(call: str) -> ArgumentError:
    problem = "there is no other process to speak to in a world of 1"
    return ArgumentError(message(call, problem, [], "if dist.get_world_size() > 1: ..."))


def send(tensor: Tensor, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None) -> None:
    """Raises: ArgumentError, as there is no other process."""
    need_group("send")
    raise alone("send")


def recv(tensor: Tensor, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None) -> int:
    """Raises: ArgumentError, as there is no other process."""
    need_group("recv")
    raise alone("recv")


def isend(
    tensor: Tensor, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None
) -> None:
    """Raises: ArgumentError, as there is no other process."""
    send(tensor, dst)


def irecv(tensor: Tensor, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None) -> int:
    """Raises: ArgumentError, as there is no other process."""
    return recv(tensor, src)
