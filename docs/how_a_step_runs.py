"""How a step runs: from `x + y` down to the machine's instructions, and back up to a whole training step.

    python docs/how_a_step_runs.py

Read it beside its output. Every claim is an assert, and CI runs this file, so what it says is so. The names of the
rooms (desk, language, machine room) are those of docs/architecture.md.
"""

import time

import numpy as np

import dovetail
import dovetail.nn as nn
import dovetail.nn.functional as F
import dovetail.optim as optim
from dovetail.autodiff.gradient import gradients
from dovetail.base.config import config
from dovetail.base.dtypes import float32
from dovetail.codegen.lower import lower
from dovetail.engine.interpret import interpret
from dovetail.engine.order import run_passes
from dovetail.engine.program import compile
from dovetail.ir.core import Graph, Value, building
from dovetail.ir.printing import graph_text
from dovetail.prims.elementwise import add, exp
from dovetail.prims.reduce import reduce_sum
from dovetail.runtime.native import emit, resolve_target


def chapter(title: str) -> None:
    print(f"\n{'=' * 100}\n{title}\n{'=' * 100}")


chapter("1. The desk: an operation is noted, not computed, until somebody looks")

x = dovetail.tensor([0.0, 1.0, 2.0, 3.0])
y = dovetail.tensor([1.0, 1.0, 1.0, 1.0])
z = dovetail.exp(x + y)
# `z` is a Tensor. Its shape and element type are known, since shape rules run at once, and so are mistakes:
assert z.shape == (4,) and z.dtype is dovetail.float32
# What it does not have yet is a value. `_run` is the run of the trace that will compute it.
assert z._run is not None
print("z before anybody looks:", z.shape, z.dtype, "pending" if z._run is not None else "computed")
print("z looked at:           ", z)  # print looks: the trace is closed here and run
assert z._run is None

try:
    x + dovetail.zeros(3)
except dovetail.ShapeError as error:
    print("a mistake, told on its own line although nothing has been computed:")
    print("   ", str(error).replace("\n", "\n    "))
else:
    raise AssertionError("shapes (4,) and (3,) must not fit together")


chapter("2. The language: what was noted is a graph of primitives")

# Below the desk there are no Tensors but Values: results of nodes in a graph. The desk builds such graphs for you;
# here is one by hand. A primitive called with Values appends a node to the graph that is being built.
with building() as nodes:
    a, b = Value((4,), float32), Value((4,), float32)
    total = reduce_sum(exp(add(a, b)), dims=(0,))
graph = Graph([a, b], nodes, [total])
print(graph_text(graph))

# Every primitive has a stated meaning, a NumPy function. Running the meanings one by one is tier 0. It needs no
# compiler, so the first step of a program never waits; and it says what is right when compiled code is tested.
arrays = [np.arange(4, dtype=np.float32), np.ones(4, np.float32)]
(expected,) = interpret(graph, arrays)
print("interpreted:", expected)
assert np.isclose(expected, np.exp(arrays[0] + arrays[1]).sum())


chapter("3. Gradients: from graph to graph")

# A gradient rule is written in primitives too. So the gradient is more graph, and its gradient is again.
with building(nodes):
    (slope,) = gradients([total], [None], [a])
graph = Graph([a, b], nodes, [total, slope])
print(graph_text(graph))
value, da = interpret(graph, arrays)
assert np.allclose(da, np.exp(arrays[0] + arrays[1])), "the derivative of a sum of exponentials"


chapter("4. The machine room: passes, kernels, LLVM text, instructions")

# Passes are functions from graph to graph: simplify, remove what is computed twice or never used.
graph = run_passes(graph)
print(graph_text(graph))

# Lowering groups nodes into kernels (here, everything fits into one or two) and writes each as LLVM text, already
# vectorised for the target.
target = resolve_target()
lowered = lower(graph, target=target)
print("\nkernels:", *(f"\n  {kernel.name}: {kernel.words}" for kernel in lowered.kernels))
vectors = [line.strip() for line in lowered.text.splitlines() if f"<{target.lanes(4)} x float>" in line]
length = len(lowered.text.splitlines())
print(f"\ntarget {target.name}: {target.lanes(4)} float32 to a vector; {length} lines of text, such as")
print(*(f"  {line}" for line in vectors[:3]), sep="\n")
assert vectors

assembly = emit(lowered.text, target, assembly=True)
instructions = [line.strip() for line in assembly.splitlines() if line.startswith("\t") and not line.startswith("\t.")]
print(f"{len(instructions)} instructions for {target.cpu or 'this machine'}, among them")
arithmetic = ("vfmadd213ps", "vfmadd231ps", "mulps", "fmla", "vaddps")
interesting = [line for line in instructions if line.split()[0] in arithmetic]
print(*(f"  {line}" for line in interesting[:3]), sep="\n")

# A Program is the same as loaded machine code. It reads its inputs and writes its outputs at the addresses it is given.
program = compile(graph)
outputs = [np.empty((), np.float32), np.empty(4, np.float32)]
program.run([array.ctypes.data for array in arrays], [array.ctypes.data for array in outputs])
print("\ncompiled:", outputs[0], " interpreted:", value)
assert np.allclose(outputs[0], value, rtol=1e-6) and np.allclose(outputs[1], da, rtol=1e-6)


chapter("5. A training step: recorded once, then recognised")


class SimpleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 64), nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


dovetail.manual_seed(0)
model = SimpleNet()
optimizer = optim.Adam(model.parameters(), lr=0.001)
criterion = nn.CrossEntropyLoss()
random = np.random.default_rng(0)
data = dovetail.from_numpy(random.standard_normal((32, 784), np.float32))
target_class = dovetail.from_numpy(random.integers(0, 10, 32))


def step():
    optimizer.zero_grad()
    output = model(data)
    loss = criterion(output, target_class)
    loss.backward()
    optimizer.step()
    return loss


# The first round records: each op's body runs on Values and the calls are noted. backward() and step() are single
# events, for which gradient and update rule are appended to the graph. At the end of step() the trace is closed
# and run, interpreted for now. The second round meets the same calls: the cursor hands out the next Tensor for each,
# and no body runs. After two equal rounds the step is compiled in the background and takes over between two steps.
times, losses = [], []
for _ in range(150):
    start = time.perf_counter()
    losses.append(step())
    times.append(time.perf_counter() - start)
    if len(times) == 20:
        time.sleep(1.5)  # let the background compiler finish, so that the figures below are of one kind
losses = [loss.item() for loss in losses]
print(f"first round (recorded, interpreted)  {times[0] * 1e6:8.0f} us")
print(f"third round (replayed, interpreted)  {times[2] * 1e6:8.0f} us")
print(f"last 50 rounds, median               {np.median(times[-50:]) * 1e6:8.0f} us")
print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}")
assert losses[-1] < 0.1 * losses[0]

# Nothing was traced "for good". Another batch size, another branch, a changed number are simply recorded beside what is
# known. The learning rate becomes an input when it first changes; the step's program is not compiled once per value.
for group in optimizer.param_groups:
    group["lr"] = 0.0005
step()
# Looking at a value in the middle closes the step there. The result is the same, only in two parts.
optimizer.zero_grad()
output = model(data)
print("looked at in the middle of a step:", output[0, :3])
criterion(output, target_class).backward()
optimizer.step()

print("\nTo see the graph of your own steps: DOVETAIL_DUMP=graph python your_script.py (also: fused, ir, asm)")
print(f"This process: tier {config.tier}, {config.threads} threads, target {resolve_target().name}")
