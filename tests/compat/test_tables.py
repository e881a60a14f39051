"""The tables of outside names: each row leads to something, and what is shown is really there."""

from __future__ import annotations

import importlib
import sys

import pytest

from dovetail.base.errors import NotCovered, NotCoveredImport
from dovetail.compat import finder
from dovetail.compat.names import Names


@pytest.fixture
def installed(monkeypatch):
    """The finder in place for one test, and none of its modules left behind."""
    real = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in finder.ROOTS}
    monkeypatch.setattr(sys, "meta_path", [finder.CompatFinder(), *sys.meta_path])
    yield
    for name in list(sys.modules):
        if name.partition(".")[0] in finder.ROOTS:
            del sys.modules[name]
    sys.modules.update(real)


@pytest.mark.parametrize("name", [name for name, names in finder.TABLE.items() if names.door])
def test_rows_lead_somewhere(name):
    assert finder.covered(name), f"{finder.TABLE[name].door} is not there"


@pytest.mark.parametrize("name", sorted(finder.TABLE))
def test_every_shown_name_is_there(name, installed):
    module = importlib.import_module(name)
    missing = [each for each in dir(module) if not each.startswith("__") and not hasattr(module, each)]
    assert not missing


def test_nearest_names(installed):
    import torch

    with pytest.raises(NotCovered, match=r"nearest torch\.nn\.Linear"):
        _ = torch.Linear
    with pytest.raises(NotCovered, match=r"torch\.zeros"):
        _ = torch.zeroes
    with pytest.raises(NotCoveredImport, match=r"torch\.nn\.functional"):
        import torch.nn.functionals  # noqa: F401
    with pytest.raises(ImportError):
        from torch import no_such_thing  # noqa: F401
    assert not hasattr(torch, "no_such_thing") and not hasattr(torch, "keras") and not hasattr(torch.nn, "layers")


def test_modules_among_public_names_need_no_row(installed):
    import torch.nn.init
    from torch.nn.utils.rnn import pad_sequence

    from dovetail.nn import init

    assert torch.nn.init.xavier_uniform_ is init.xavier_uniform_ and callable(pad_sequence)


def test_names_are_ours(installed):
    import torch
    from torch import nn, optim

    import dovetail

    assert torch.Tensor is dovetail.Tensor and nn.Linear is dovetail.nn.Linear and optim.Adam is dovetail.optim.Adam


def test_star_import(installed):
    names: dict = {}
    exec("from torch.nn import *", names)
    assert "Linear" in names and "layers" not in names


def test_other_modules_are_left_alone(installed):
    assert finder.CompatFinder().find_spec("torchaudio") is None and finder.CompatFinder().find_spec("json") is None


def test_a_row_without_a_door():
    assert finder.public_names(Names(None, {"x": 1})) == set()


def test_names_with_an_underscore_that_programs_import(installed):
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.loss import _Loss
    from torch.nn.modules.utils import _pair
    from torch.utils.data.dataloader import default_collate

    assert isinstance(nn.BatchNorm2d(3), _BatchNorm) and isinstance(nn.MSELoss(), _Loss)
    assert _pair(3) == (3, 3) and nn.modules.conv.Conv2d is nn.Conv2d and callable(default_collate)


@pytest.mark.parametrize(
    "line",
    [
        "from torch.optim.lr_scheduler import _LRScheduler, LRScheduler; assert _LRScheduler is LRScheduler",
        "from torch import nn, ones; assert nn.init._calculate_fan_in_and_fan_out(ones(3, 4)) == (4, 3)",
        "from torch.nn.modules.conv import _ConvNd, Conv2d; assert isinstance(Conv2d(1, 1, 1), _ConvNd)",
        "from torch.nn.modules.batchnorm import _NormBase, BatchNorm2d; assert issubclass(BatchNorm2d, _NormBase)",
        "from torch.nn.modules.dropout import _DropoutNd, Dropout2d; assert issubclass(Dropout2d, _DropoutNd)",
        "from torch.nn.modules.module import register_module_forward_hook, _IncompatibleKeys",
        "from torch.nn.modules.transformer import _get_clones, Linear; assert len(_get_clones(Linear(1, 1), 3)) == 3",
        "from torch.utils.data._utils.collate import default_collate; assert default_collate([1]).tolist() == [1]",
        "from torch.distributions.utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits",
        "from torch.functional import norm, meshgrid; from torch.storage import UntypedStorage",
        "from torch.types import _size, Number, Device; from torch.nn.common_types import _size_2_t",
        "from torch.utils.hooks import RemovableHandle; from torch.utils._pytree import tree_map",
        "from torch.nn.parallel import DistributedDataParallel as DDP; from torch.profiler import profile",
    ],
)
def test_imports_that_programs_make_of_torchs_inside(installed, line):
    exec(line, {})


@pytest.mark.parametrize(
    "name, says",
    [("torch.export", "torch.save"), ("torch.fx", "last_graph"), ("torch.distributed.rpc", "world of one process")],
)
def test_what_has_no_answer_names_what_to_use(installed, name, says):
    with pytest.raises(NotCoveredImport, match=says):
        importlib.import_module(name)


def test_a_stateful_loader_is_ours(installed):
    from torchdata.stateful_dataloader import StatefulDataLoader

    loader = StatefulDataLoader(list(range(8)), batch_size=2, shuffle=True)
    walk = iter(loader)
    next(walk)
    again = StatefulDataLoader(list(range(8)), batch_size=2, shuffle=True)
    again.load_state_dict(loader.state_dict())
    assert [b.tolist() for b in again] == [b.tolist() for b in walk]
