"""The names that PyTorch programs use most, each put to work under the import finder.

The rows are the dotted names and methods among the two hundred most used in third-party tutorial programs, less the
names that those programs give to their own layers. Each row is an expression that must come out true.
"""

from __future__ import annotations

import sys

import pytest

from dovetail.compat import finder

SETUP = """
import io, os, tempfile
import torch, torchvision
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.autograd import Variable
from torch.utils.data import DataLoader, Dataset, RandomSampler, TensorDataset
from torchvision import datasets, models, transforms, utils

torch.manual_seed(0)
x = torch.arange(6.0).view(2, 3)
image = torch.rand(2, 3, 4, 4)
layer = nn.Linear(3, 2)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
def step(make):
    before = [p.detach().clone() for p in model.parameters()]
    opt = make(model.parameters())
    opt.zero_grad(); model(x).pow(2).mean().backward(); opt.step()
    return any((a != b).any().item() for a, b in zip(before, model.parameters()))
def init(f, *args):
    return f(torch.empty(3, 3), *args)
"""
NAMES = {
    "torch.LongTensor": "torch.LongTensor([1, 2]).dtype is torch.int64 and isinstance(x.long(), torch.LongTensor)",
    "torch.FloatTensor": "torch.FloatTensor(2, 3).shape == (2, 3) and not isinstance(x, torch.cuda.FloatTensor)",
    "torch.Tensor": "torch.Tensor(2, 3).shape == (2, 3) and torch.Tensor([1, 2]).tolist() == [1, 2]",
    "torch.testing.assert_close": "torch.testing.assert_close(x, x + 1e-7) is None",
    "torch.profiler.profile": "[r.key for r in profiled('a').key_averages()] == ['a']",
    "torch.autograd.profiler.record_function": "[r.count for r in profiled('b').key_averages()] == [1]",
    "torch.utils.benchmark.Timer": "torch.utils.benchmark.Timer('x + x', globals={'x': x}).timeit(5).mean > 0",
    "torch.jit.script": "torch.jit.script(layer)(x).shape == (2, 2)",
    "torch.jit.trace": "list(torch.jit.trace(model, x).state_dict()) == list(model.state_dict())",
    "torch.jit.is_scripting": "torch.jit.is_scripting() is False",
    "torch.nn.parallel.DistributedDataParallel": "nn.parallel.DistributedDataParallel(layer)(x).shape == (2, 2)",
    "torch.distributed.init_process_group": "world() == (0, 1, True)",
    "torch.multiprocessing.set_start_method": "callable(torch.multiprocessing.spawn)",
    "torch.library.custom_op": "torch.ops.rows.twice(x).tolist() == (x * 2).tolist()",
    "torch.nn.attention.flex_attention.flex_attention": "causal_agrees()",
    "torch.GradScaler": "torch.GradScaler('cpu').get_scale() == 65536.0",
    "torch.utils.dlpack.from_dlpack": "torch.utils.dlpack.from_dlpack(x).tolist() == x.tolist()",
    "torch.nn.Linear": "layer(x).shape == (2, 2) and layer.weight.shape == (2, 3) and layer.bias.shape == (2,)",
    "torch.nn.Module": "isinstance(model, nn.Module)",
    "torch.no_grad": "not [layer(x) for _ in [torch.no_grad().__enter__()]][0].requires_grad",
    "torch.utils.data.DataLoader": "len(list(DataLoader(TensorDataset(x, x), batch_size=1))) == 2",
    "torch.save": "torch.load(saved(layer.state_dict()))['bias'].shape == (2,)",
    "torch.device": "torch.device('cuda:1').index == 1 and str(torch.device('cpu')) == 'cpu'",
    "torch.tensor": "torch.tensor([1, 2]).dtype is torch.int64",
    "torchvision.transforms.ToTensor": "transforms.ToTensor()(x.numpy()).shape == (1, 2, 3)",
    "torch.cat": "torch.cat([x, x], 1).shape == (2, 6)",
    "torch.cuda.is_available": "torch.cuda.is_available() is False",
    "torch.manual_seed": "torch.manual_seed(3).initial_seed() == 3",
    "torch.optim.Adam": "step(optim.Adam)",
    "torch.nn.functional.relu": "F.relu(-x).max().item() == 0",
    "torch.zeros": "torch.zeros(2, 2).sum().item() == 0",
    "torch.nn.Sequential": "len(model) == 3 and model[0].in_features == 3",
    "torchvision.datasets.MNIST": "MNIST_is_asked_for()",
    "torch.optim.SGD": "step(lambda p: optim.SGD(p, lr=0.1, momentum=0.9))",
    "torch.ones": "torch.ones(2).tolist() == [1, 1]",
    "torch.accelerator.current_accelerator": "torch.accelerator.current_accelerator() is None",
    "torch.nn.Embedding": "nn.Embedding(5, 2)(torch.tensor([1, 4])).shape == (2, 2)",
    "torch.nn.ReLU": "nn.ReLU()(-x).max().item() == 0",
    "torch.nn.CrossEntropyLoss": "nn.CrossEntropyLoss()(x, torch.tensor([0, 2])).item() > 0",
    "torch.accelerator.is_available": "torch.accelerator.is_available() is False",
    "torch.nn.Conv2d": "nn.Conv2d(3, 5, 3, padding=1)(image).shape == (2, 5, 4, 4)",
    "torch.float": "torch.float is torch.float32",
    "torchvision.transforms.Compose": "transforms.Compose([transforms.Resize(2)])(image).shape == (2, 3, 2, 2)",
    "torch.long": "torch.long is torch.int64",
    "torch.randn": "torch.randn(100).std().item() < 2",
    "torchvision.transforms.Normalize": "transforms.Normalize((0.5,) * 3, (0.5,) * 3)(image).min().item() < 0",
    "torch.nn.functional.log_softmax": "abs(F.log_softmax(x, dim=1).exp().sum().item() - 2) < 1e-5",
    "torch.nn.Dropout": "nn.Dropout(0.5).eval()(x).tolist() == x.tolist()",
    "torch.nn.Parameter": "nn.Parameter(x).requires_grad",
    "torch.load": "torch.load(saved([x]))[0].tolist() == x.tolist()",
    "torch.nn.NLLLoss": "nn.NLLLoss()(F.log_softmax(x, 1), torch.tensor([0, 2])).item() > 0",
    "torch.nn.functional.softmax": "abs(F.softmax(x, dim=-1).sum().item() - 2) < 1e-5",
    "torch.arange": "torch.arange(3).tolist() == [0, 1, 2]",
    "torch.nn.init.zeros_": "init(nn.init.zeros_).abs().sum().item() == 0",
    "torch.tril": "torch.tril(torch.ones(2, 2)).tolist() == [[1, 0], [1, 1]]",
    "torch.optim.AdamW": "step(optim.AdamW)",
    "torch.nn.ModuleList": "len(nn.ModuleList([layer, layer])) == 2",
    "torch.sin": "torch.sin(x)[0, 0].item() == 0",
    "torch.nn.functional.cross_entropy": "F.cross_entropy(x, torch.tensor([0, 2])).item() > 0",
    "torch.max": "torch.max(x, 1)[1].tolist() == [2, 2] and torch.max(x).item() == 5",
    "torch.nn.MSELoss": "nn.MSELoss()(x, x).item() == 0",
    "torch.nn.Tanh": "nn.Tanh()(x).max().item() < 1",
    "torch.utils.data.Dataset": "issubclass(TensorDataset, Dataset)",
    "torch.nn.LayerNorm": "abs(nn.LayerNorm(3)(x).mean().item()) < 1e-5",
    "torch.rand": "0 <= torch.rand(5).min().item()",
    "torchvision.transforms.Resize": "transforms.Resize((5, 6))(image).shape == (2, 3, 5, 6)",
    "torchvision.utils.save_image": "utils.save_image(image, os.path.join(tempfile.mkdtemp(), 'a.png')) is None",
    "torch.nn.MaxPool2d": "nn.MaxPool2d(2)(image).shape == (2, 3, 2, 2)",
    "torch.nn.Flatten": "nn.Flatten()(image).shape == (2, 48)",
    "torch.sum": "torch.sum(x).item() == 15",
    "torch.exp": "torch.exp(torch.zeros(1)).item() == 1",
    "torch.linspace": "torch.linspace(0, 1, 3).tolist() == [0, 0.5, 1]",
    "torch.multinomial": "torch.multinomial(torch.tensor([0.0, 1.0]), 1).item() == 1",
    "torch.nn.utils.clip_grad_norm_": "clipped()",
    "torch.randperm": "sorted(torch.randperm(4).tolist()) == [0, 1, 2, 3]",
    "torch.nn.LeakyReLU": "abs(nn.LeakyReLU(0.1)(torch.tensor(-1.0)).item() + 0.1) < 1e-6",
    "torch.matmul": "torch.matmul(x, x.t()).shape == (2, 2)",
    "torch.nn.init.normal_": "init(nn.init.normal_, 0.0, 0.02).abs().max().item() < 1",
    "torch.from_numpy": "torch.from_numpy(x.numpy()).tolist() == x.tolist()",
    "torch.nn.ModuleDict": "'a' in nn.ModuleDict({'a': layer})",
    "torch.topk": "torch.topk(x, 2)[0].tolist() == [[2, 1], [5, 4]]",
    "torch.ones_like": "torch.ones_like(x).sum().item() == 6",
    "torch.stack": "torch.stack([x, x]).shape == (2, 2, 3)",
    "torchvision.utils.make_grid": "utils.make_grid(image).shape == (3, 8, 14)",
    "torch.flatten": "torch.flatten(image, 1).shape == (2, 48)",
    "torch.nn.RNN": "nn.RNN(3, 4)(torch.ones(5, 1, 3))[0].shape == (5, 1, 4)",
    "torch.optim.lr_scheduler.StepLR": "scheduled()",
    "torch.int64": "x.to(torch.int64).dtype is torch.int64",
    "torch.tanh": "torch.tanh(torch.zeros(1)).item() == 0",
    "torch.utils.data.RandomSampler": "sorted(RandomSampler(range(3))) == [0, 1, 2]",
    "torch.nn.functional.max_pool2d": "F.max_pool2d(image, 2).shape == (2, 3, 2, 2)",
    "torch.nn.functional.nll_loss": "F.nll_loss(F.log_softmax(x, 1), torch.tensor([0, 2])).item() > 0",
    "torch.utils.data.dataloader.DataLoader": "loader_module() is DataLoader",
    "torchvision.datasets.FashionMNIST": "'Trouser' in datasets.FashionMNIST.classes",
    "torch.empty": "torch.empty(2, 3).shape == (2, 3)",
    "torch.nn.functional.sigmoid": "F.sigmoid(torch.zeros(1)).item() == 0.5",
    "torchvision.models.resnet18": "callable(models.resnet18)",
    "torchvision.transforms.CenterCrop": "transforms.CenterCrop(2)(image).shape == (2, 3, 2, 2)",
    "torch.nn.BCELoss": "nn.BCELoss()(torch.tensor([0.5]), torch.tensor([1.0])).item() > 0.69",
    "torch.nn.LSTM": "nn.LSTM(3, 4)(torch.ones(5, 1, 3))[1][0].shape == (1, 1, 4)",
    "torch.nn.Softmax": "abs(nn.Softmax(1)(x).sum().item() - 2) < 1e-5",
    "torch.cuda.manual_seed_all": "torch.cuda.manual_seed_all(1) is None",
    "torch.eye": "torch.eye(2).tolist() == [[1, 0], [0, 1]]",
    "torch.mm": "torch.mm(x, x.T).shape == (2, 2)",
    "torch.nn.BatchNorm1d": "nn.BatchNorm1d(3)(x).shape == (2, 3)",
    "torch.nn.Sigmoid": "nn.Sigmoid()(torch.zeros(1)).item() == 0.5",
    "torch.optim.Adadelta": "step(optim.Adadelta)",
    "torch.pow": "torch.pow(x, 2)[1, 2].item() == 25",
    "torch.randint": "torch.randint(0, 2, (3,)).max().item() < 2",
    "torch.utils.tensorboard.SummaryWriter": "writes()",
    "torch.nn.BatchNorm2d": "nn.BatchNorm2d(3)(image).shape == image.shape",
    "torch.nn.init.uniform_": "init(nn.init.uniform_, -0.1, 0.1).abs().max().item() <= 0.1",
    "torch.autograd.Variable": "Variable(x, requires_grad=True).requires_grad",
    "torch.nn.functional.tanh": "F.tanh(torch.zeros(1)).item() == 0",
    "torch.full": "torch.full((2,), 3).tolist() == [3, 3]",
    "torch.utils.data.TensorDataset": "len(TensorDataset(x)) == 2",
}
METHODS = {
    "backward": "gradient() == (2 * x).tolist()",
    "parameters": "len(list(model.parameters())) == 4 and len(list(model.named_parameters())) == 4",
    "item size view shape": "x.sum().item() == 15 and x.size() == x.shape == (2, 3) and x.view(3, -1).size(1) == 2",
    "to cpu float type cuda": "x.to('cpu').cpu().float().type() == 'torch.FloatTensor' and refused(lambda: x.cuda())",
    "train eval training": "model.eval().training is False and model.train().training",
    "data device dtype": "x.data.tolist() == x.tolist() and x.device.type == 'cpu' and x.dtype is torch.float32",
    "state_dict load_state_dict": "str(model.load_state_dict(model.state_dict())) == '<All keys matched successfully>'",
    "unsqueeze squeeze": "x.unsqueeze(0).squeeze(0).shape == (2, 3)",
    "sum mean max argmax norm": "x.sum(1).tolist() == [3, 12] and x.mean().item() == 2.5 and x.argmax().item() == 5",
    "transpose T t permute": "x.transpose(0, 1).tolist() == x.T.tolist() == x.t().tolist() == x.permute(1, 0).tolist()",
    "numpy detach clone": "x.detach().clone().numpy().tolist() == x.tolist()",
    "contiguous reshape flatten": "x.t().contiguous().reshape(2, 3).flatten().shape == (6,)",
    "pow exp topk eq": "x.pow(2).exp()[0, 0].item() == 1 and x.topk(1)[1][0, 0].item() == 2 and x.eq(x).all().item()",
    "add_ fill_ zero_ copy_": "torch.ones(2).add_(1).fill_(3).zero_().copy_(torch.ones(2)).tolist() == [1, 1]",
    "masked_fill view_as expand": "x.masked_fill(x > 2, 0).view_as(x[:1].expand(2, 3)).sum().item() == 3",
    "register_buffer apply numel": "buffered()",
    "requires_grad grad_fn new_zeros": "layer(x).grad_fn is not None and x.new_zeros(2).sum().item() == 0",
    "relu forward": "(-x).relu().max().item() == 0 and layer.forward(x).shape == (2, 2)",
}
HELPERS = """
import torch.utils.benchmark, torch.distributed, torch.multiprocessing
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
def profiled(name):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as prof:
        with torch.profiler.record_function(name):
            layer(x)
    return prof
def world():
    torch.distributed.init_process_group("gloo")
    try:
        torch.distributed.all_reduce(x)
        return torch.distributed.get_rank(), torch.distributed.get_world_size(), torch.distributed.is_initialized()
    finally:
        torch.distributed.destroy_process_group()
def causal_agrees():
    q = torch.randn(1, 2, 6, 4)
    mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, 6, 6)
    plain = F.scaled_dot_product_attention(q, q, q, is_causal=True)
    return torch.allclose(flex_attention(q, q, q, block_mask=mask), plain, atol=1e-6)
@torch.library.custom_op("rows::twice", mutates_args=())
def twice(t: torch.Tensor) -> torch.Tensor:
    return t * 2
def gradient():
    p = nn.Parameter(x.clone())
    p.pow(2).sum().backward()
    return p.grad.tolist()
def saved(thing):
    file = io.BytesIO(); torch.save(thing, file); file.seek(0); return file
def MNIST_is_asked_for():
    try:
        datasets.MNIST(tempfile.mkdtemp(), train=True)
    except Exception as error:
        return "download=True" in str(error)
def clipped():
    model(x).sum().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    return sum(p.grad.pow(2).sum().item() for p in model.parameters()) <= 0.0101
def scheduled():
    opt = optim.SGD(model.parameters(), lr=1.0)
    sched = optim.lr_scheduler.StepLR(opt, 1, gamma=0.1)
    opt.step(); sched.step()
    return abs(sched.get_last_lr()[0] - 0.1) < 1e-9
def loader_module():
    import torch.utils.data.dataloader
    return torch.utils.data.dataloader.DataLoader
def writes():
    from torch.utils.tensorboard import SummaryWriter
    folder = tempfile.mkdtemp()
    try:
        with SummaryWriter(folder) as writer:
            writer.add_scalar("a", 1.0, 0)
    except ImportError as error:
        return "tensorboard" in str(error)
    return len(os.listdir(folder)) == 1
def refused(call):
    try:
        call()
    except (RuntimeError, AssertionError) as error:
        return "cuda" in str(error).lower()
def buffered():
    layer.register_buffer("mean", torch.zeros(3))
    seen = []
    model.apply(seen.append)
    return "mean" in layer.state_dict() and len(seen) == 4 and layer.weight.numel() == 6
"""


@pytest.fixture(scope="module")
def space():
    """The names of SETUP, with torch answered by the finder; nothing is left behind."""
    before, path = set(sys.modules), list(sys.meta_path)
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in finder.ROOTS}
    sys.meta_path.insert(0, finder.CompatFinder())
    names: dict = {}
    exec(SETUP + HELPERS, names)
    yield names
    sys.meta_path[:] = path
    for name in set(sys.modules) - before | {n for n in sys.modules if n.partition(".")[0] in finder.ROOTS}:
        if name.partition(".")[0] in finder.ROOTS:
            del sys.modules[name]
    sys.modules.update(hidden)


@pytest.mark.parametrize("name", NAMES)
def test_names(space, name):
    if "save_image" in name:
        pytest.importorskip("PIL")
    found = __import__("importlib").import_module(name.split(".")[0])
    for part in name.split(".")[1:]:
        if not hasattr(found, part):
            found = __import__("importlib").import_module(f"{found.__name__}.{part}")
            continue
        found = getattr(found, part)
    with_grad = space["torch"].is_grad_enabled()
    try:
        assert eval(NAMES[name], space), name
    finally:
        space["torch"].set_grad_enabled(with_grad)


@pytest.mark.parametrize("name", METHODS)
def test_methods(space, name):
    assert eval(METHODS[name], space), name
