"""torch.jit's names: scripted and traced modules share everything with the module, and travel in files."""

import pytest

import dovetail
from dovetail import jit, nn
from dovetail.base.errors import FileError, NotCovered


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin, self.drop = nn.Linear(3, 3), nn.Dropout(0.5)
        self.register_buffer("seen", dovetail.zeros(1))

    def forward(self, x):
        self.seen += 1
        if x.sum() > 0:  # Python decides, on each call
            return self.drop(self.lin(x))
        return x

    @jit.export
    def twice(self, x):
        return 2 * x


@pytest.mark.parametrize("wrap", [jit.script, lambda m: jit.trace(m, dovetail.ones(1, 3))])
def test_a_wrapped_module_is_the_module(wrap):
    module = Gate()
    made = wrap(module)
    assert list(made.state_dict()) == list(module.state_dict()) == ["seen", "lin.weight", "lin.bias"]
    assert isinstance(made, jit.ScriptModule) and made.original_name == "Gate"
    made.eval()
    assert not module.training and not module.drop.training
    x = dovetail.ones(2, 3)
    assert dovetail.equal(made(x), module(x)) and made(-x).tolist() == (-x).tolist()
    assert made.twice(x).tolist() == (2 * x).tolist() and made.lin is module.lin
    made(x).sum().backward()
    assert module.lin.weight.grad is not None and made.lin.weight.grad is module.lin.weight.grad
    made.load_state_dict({**made.state_dict(), "seen": dovetail.tensor([7.0])})
    assert module.seen.item() == 7
    with pytest.raises(NotCovered, match="no TorchScript"):
        made.code  # noqa: B018


def test_files_hold_the_module(tmp_path):
    made = jit.script(Gate()).eval()
    made.save(tmp_path / "gate.pt")
    read = jit.load(tmp_path / "gate.pt")
    x = dovetail.rand(2, 3)
    assert isinstance(read, jit.ScriptModule) and dovetail.equal(read(x), made(x)) and not read.training
    (tmp_path / "broken.pt").write_bytes((tmp_path / "gate.pt").read_bytes()[:200])
    with pytest.raises(FileError, match=r"broken\.pt"):
        jit.load(tmp_path / "broken.pt")


def test_functions_and_marks():
    @jit.script
    def add(a, b: int = 2):
        return a + b

    assert add(1) == 3 and add.name == "add" and jit.script(add) is add
    assert jit.fork(add, 1).wait() == jit.wait(jit.fork(add, 1)) == 3
    assert jit.annotate(list[int], []) == [] and not jit.is_scripting() and not jit.is_tracing()
    assert jit.isinstance([1, 2], list[int]) and not jit.isinstance([1, "a"], list[int])
    assert jit.isinstance({"a": (1, 2.0)}, dict[str, tuple[int, float]]) and jit.isinstance(None, int | None)
    with pytest.raises(RuntimeError, match="eval mode"):
        jit.freeze(jit.script(Gate()))
