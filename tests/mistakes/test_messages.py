"""What Dovetail says to programs with common mistakes, and that it says nothing to their corrected twins.

Each case is a program whose lines ending in `#- ` hold the mistake; `#+ ` lines replace them in the twin.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

IMPORTS = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
LOOP = IMPORTS + "model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))\n"


@dataclass
class Case:
    name: str
    program: str
    says: tuple[str, ...]  # regular expressions that the output must match
    stops: bool = True


CASES = [
    Case("a branch of no use twice", IMPORTS + """\
net = nn.Linear(3, 2)
out = net(torch.ones(5, 3)).tanh()
for turn in range(2):
    out = net(torch.ones(5, 3)).tanh()  #+
    out.sum().backward()
""", ("second time", "made on line 5 of main.py", r"retain_graph=True", "forward pass again")),
    Case("a bias moved in place", IMPORTS + """\
bias = torch.zeros(4, requires_grad=True)
(bias * 3).sum().backward()
bias.add_(bias.grad, alpha=-0.5)  #-
with torch.no_grad():  #+
    bias.add_(bias.grad, alpha=-0.5)  #+
""", ("in-place", r"\bbias, a leaf", "requires grad", r"no_grad\(\): bias\.add_")),
    Case("exp written over", IMPORTS + """\
score = torch.ones(3, requires_grad=True)
weight = torch.exp(score)
weight.div_(2)  #-
weight = weight.div(2)  #+
weight.sum().backward()
""", ("result of exp", "line 6 of main.py", r"weight = weight\.div\(2\)", "clone")),
    Case("an input of a product written over", IMPORTS + """\
a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
c = a * 2
d = c * b
c += 1  #-
c = c + 1  #+
d.sum().backward()
""", ("input of mul", "line 7 of main.py", r"c = c \+ 1")),
    Case("a second way back after a step", IMPORTS + """\
gain, x = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
trainer = torch.optim.SGD([gain], lr=1.0)
cost = (gain * x).sum()
cost.backward(retain_graph=True)
trainer.step()  #-
cost.backward()
trainer.step()  #+
""", ("changed in place", "forward pass again")),
    Case("float() before backward", IMPORTS + """\
net = nn.Linear(3, 1)
error = float(net(torch.ones(2, 3)).pow(2).mean())  #-
error = net(torch.ones(2, 3)).pow(2).mean()  #+
error.backward()
""", ("error is a float", "line 5 of main.py", "call backward before float")),
    Case("a decorator that switches gradients off", IMPORTS + """\
net = nn.Linear(3, 1)
@torch.inference_mode()  #-
def cost(x):
    return net(x).abs().sum()
value = cost(torch.ones(2, 3))
value.backward()
""", ("does not require grad", r"Remove torch.inference_mode\(\) on line 5 of main.py", "value")),
    Case("NumPy of a result", IMPORTS + """\
net = nn.Linear(3, 1)
shown = net(torch.ones(2, 3))
print(shown.numpy().shape)  #-
print(shown.detach().numpy().shape)  #+
""", ("requires grad", r"shown\.detach\(\)\.numpy\(\)", "no_grad")),
    Case("a recurrent layer's two results", IMPORTS + """\
rnn, head = nn.GRU(3, 4), nn.Linear(4, 2)
steps = rnn(torch.ones(5, 1, 3))  #-
steps, _ = rnn(torch.ones(5, 1, 3))  #+
print(head(steps).shape)
""", ("steps is a tuple of 2", r"\(5, 1, 4\)", r"steps\[0\]")),
    Case("a forward without return", IMPORTS + """\
class Block(nn.Module):
    def forward(self, x):
        x = x.relu()
        return x  #+
block = Block()
got = block(torch.ones(2))
print(got.shape)
""", ("got is None", "Block.forward", "return")),
    Case("the method instead of its result", IMPORTS + """\
net = nn.Linear(3, 1)
torch.optim.Adam(net.parameters)  #-
torch.optim.Adam(net.parameters())  #+
""", ("method parameters", r"Adam\(model\.parameters\(\)")),
    Case("a device that is not there", IMPORTS + """\
net = nn.Conv2d(1, 2, 3).to("cuda:0" if True else "cpu")  #-
net = nn.Conv2d(1, 2, 3).to("cpu")  #+
""", ("cuda:0' is not available", r"is_available\(\)", "this machine")),
    Case("a rate that is far too large", LOOP + """\
torch.manual_seed(1)
model = nn.Linear(6, 1)
trainer = torch.optim.SGD(model.parameters(), lr=9.0)  #-
trainer = torch.optim.SGD(model.parameters(), lr=0.01)  #+
for _ in range(90):
    trainer.zero_grad()
    F.mse_loss(model(torch.randn(8, 6) * 3), torch.zeros(8, 1)).backward()
    trainer.step()
""", ("nan|inf", r"step \d+", "lr=9", "line 7 of main.py", "Lower the learning rate"), stops=False),
    Case("a total with its graphs", LOOP + """\
trainer = torch.optim.Adam(model.parameters())
running = torch.zeros(1)
for _ in range(5):
    cost = model(torch.ones(3, 6)).square().mean()
    trainer.zero_grad()
    cost.backward()
    trainer.step()
    running = running + cost  #-
    running = running + cost.item()  #+
""", ("running", "graph", r"cost\.item\(\)", 'main.py:12'), stops=False),
    Case("no backward", LOOP + """\
trainer = torch.optim.RMSprop(model.parameters())
for _ in range(3):
    cost = model(torch.ones(3, 6)).mean()
    cost.backward()  #+
    trainer.step()
    trainer.zero_grad()
""", ("no parameter has a gradient", r"loss\.backward\(\)"), stops=False),
    Case("gradients cleared too early", LOOP + """\
trainer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    trainer.zero_grad()  #+
    model(torch.ones(3, 6)).mean().backward()
    trainer.zero_grad()  #-
    trainer.step()
""", ("cleared before the step", "line 7 of main.py", "zero_grad"), stops=False),
    Case("the optimizer of another model", LOOP + """\
other = nn.Linear(2, 2)
trainer = torch.optim.SGD(other.parameters(), lr=0.1)  #-
trainer = torch.optim.SGD(model.parameters(), lr=0.1)  #+
for _ in range(3):
    trainer.zero_grad()
    model(torch.ones(3, 6)).mean().backward()
    trainer.step()
""", ("reached none of the parameters", "line 6 of main.py"), stops=False),
    Case("layers in a list", IMPORTS + """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = [nn.Linear(2, 2), nn.Linear(2, 2)]  #-
        self.steps = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])  #+
        self.head = nn.Linear(2, 1)
torch.optim.SGD(Net().parameters(), lr=0.1)
""", ("4 parameters of Net", "steps", "ModuleList", "line 7 of main.py"), stops=False),
    Case("raw scores for NLLLoss", LOOP + """\
scores = nn.Linear(6, 3)(torch.ones(2, 6))
F.nll_loss(scores, torch.tensor([0, 2]))  #-
F.nll_loss(scores.log_softmax(1), torch.tensor([0, 2]))  #+
""", ("log-probabilities", "log_softmax", "cross_entropy"), stops=False),
]  # fmt: skip

QUIET = [
    """\
a, b = nn.Linear(3, 3), nn.Linear(3, 1)
first, second = torch.optim.Adam(a.parameters()), torch.optim.Adam(b.parameters())
for _ in range(3):
    second.zero_grad()
    real = b(torch.ones(2, 3)).mean()
    real.backward()
    made = a(torch.ones(2, 3))
    wrong = b(made.detach()).mean()
    wrong.backward()
    both = real + wrong
    second.step()
    first.zero_grad()
    b(made).mean().backward()
    first.step()
    both.item()
""",
    """\
net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.Conv2d(2, 2, 1))
trainer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(3):
    x = net(torch.ones(2, 1, 5, 5))
    y = x.clone()
    y += x
    F.relu_(y).mean().backward()
    trainer.step()
    trainer.zero_grad()
""",
    """\
net = nn.Linear(3, 1)
trainer = torch.optim.SGD(net.parameters(), lr=0.1)
plan = torch.optim.lr_scheduler.ExponentialLR(trainer, 0.9)
for _ in range(5):
    trainer.step()
    plan.step()
total = 0
for _ in range(4):
    loss = sum(net(torch.ones(2, 3)).mean() for _ in range(2))
    total += loss.detach()
    trainer.zero_grad()
    loss.backward()
    trainer.step()
""",
]


def variant(program: str, fixed: bool) -> str:
    """The program with its mistake, or its corrected twin."""
    rows = []
    for row in program.split("\n"):
        mark = re.search(r"\s*#([-+])\s*$", row)
        if mark is None or (mark[1] == "+") == fixed:
            rows.append(row[: mark.start()] if mark else row)
    return "\n".join(rows)


def run(folder, text: str) -> tuple[int, str]:
    (folder / "main.py").write_text(text)
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    answer = subprocess.run(
        [sys.executable, "-m", "dovetail.cli.main", "run", "main.py"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": here}, timeout=120,
    )  # fmt: skip
    return answer.returncode, answer.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name.replace(" ", "-"))
def test_mistake_is_named(case, tmp_path):
    status, said = run(tmp_path, variant(case.program, fixed=False))
    assert (status != 0) == case.stops, said
    for fact in case.says:
        assert re.search(fact, said), f"{fact!r} is not said:\n{said}"
    assert len(said.strip().split("\n")) <= 14


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name.replace(" ", "-"))
def test_corrected_twin_is_silent(case, tmp_path):
    status, said = run(tmp_path, variant(case.program, fixed=True))
    assert (status, said) == (0, "")


@pytest.mark.parametrize("program", QUIET)
def test_right_programs_are_left_alone(program, tmp_path):
    assert run(tmp_path, IMPORTS + program) == (0, "")
