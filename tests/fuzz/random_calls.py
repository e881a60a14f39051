"""Random calls over the whole public surface, with right and wrong arguments.

    python tests/fuzz/random_calls.py --calls 10000 --seed 0     # each batch in a process of its own
    python tests/fuzz/random_calls.py --one 4711                 # a single call, with its traceback

A call may succeed or raise an error that a user of PyTorch could get. What must not happen: a segmentation fault, a
call that does not end, or an error that speaks of our insides (AssertionError, KeyError, a bare AttributeError from
inside the package, an error of llvmlite or of the code generator), or a step that could not be compiled.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import dovetail as dv

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "ops"))
from op_calls import arrays_of, converted  # noqa: E402
from op_cases import CASES  # noqa: E402

PACKAGE = os.path.dirname(os.path.abspath(dv.__file__))
PLACES = ["", "nn.functional", "linalg", "fft", "special", "Tensor", "array_api", "array_api.linalg", "array_api.fft",
          "signal.windows", "keras.ops", "distributions", "nn", "func"]  # fmt: skip
LEFT_ALONE = {  # names that end the process's peace rather than compute: files, threads, global modes, debuggers
    "load", "save", "set_num_threads", "set_default_dtype", "set_printoptions", "manual_seed", "seed", "compile",
    "set_rng_state", "set_flush_denormal", "explain", "last_graph", "config", "set_grad_enabled", "inference_mode",
    "no_grad", "enable_grad", "_use_threads", "set_default_device", "set_anomaly_enabled", "set_detect_anomaly",
    "checkpoint", "DataParallel", "__class__", "__setstate__", "share_memory_", "register_hook",
    "__init_subclass__", "__subclasshook__", "__new__", "__del__", "__reduce__", "__reduce_ex__", "__dir__",
    "from_array", "empty", "__getattribute__", "__setattr__", "__delattr__", "__init__", "__sizeof__", "tofile",
}  # fmt: skip
SHAPES = [(), (1,), (3,), (4,), (0,), (3, 4), (4, 3), (3, 3), (2, 3, 4), (0, 3), (1, 1), (2, 3, 4, 4), (1, 2, 3, 4, 5)]
DTYPES = ["float32"] * 6 + ["float64", "float16", "bfloat16", "int64", "int64", "int32", "uint8", "int8", "bool",
                            "complex64", "uint16"]  # fmt: skip
INNER = (AssertionError, KeyError, UnboundLocalError, NameError, RecursionError, SystemError)
SECONDS = 20  # for one call


def names() -> list[tuple[str, str]]:
    """(place, name) of everything public that can be called."""
    found = []
    for place in PLACES:
        space: Any = dv
        for part in filter(None, place.split(".")):
            space = getattr(space, part)
        listed = getattr(space, "__all__", None) or dir(space)
        for name in sorted(set(listed)):
            hidden = name.startswith("_") and not (place == "Tensor" and name.startswith("__"))
            if hidden or name in LEFT_ALONE:
                continue
            thing = getattr(space, name, None)
            if isinstance(thing, type) and (place in ("", "Tensor") or issubclass(thing, BaseException)):
                continue
            if callable(thing):
                found.append((place, name))
    return found


NAMES = names()


class Arguments:
    """Draws arguments, mostly fit to be taken, sometimes not."""

    def __init__(self, r: random.Random):
        self.r = r
        self.numbers = np.random.default_rng(r.randint(0, 1 << 30))

    def tensor(self) -> dv.Tensor:
        shape, dtype = self.r.choice(SHAPES), self.r.choice(DTYPES)
        a = np.asarray(self.numbers.standard_normal(shape)) * self.r.choice([1, 1, 3, 0, 1e30])
        if self.r.random() < 0.05 and a.size:
            a.reshape(-1)[0] = self.r.choice([np.nan, np.inf, -np.inf])
        with np.errstate(all="ignore"):
            t = dv.tensor(a).to(getattr(dv, dtype))
        if self.r.random() < 0.15 and t.is_floating_point():
            t = t.requires_grad_()
        if self.r.random() < 0.15 and t.ndim > 1:
            t = t.transpose(0, -1)
        return t

    def one(self) -> Any:
        r = self.r
        draws: list[tuple[float, Callable[[], Any]]] = [
            (0.42, self.tensor),
            (0.14, lambda: r.choice([0, 1, 2, 3, -1, -2, 4, 5])),
            (0.08, lambda: r.choice([0.5, 1.0, -1.0, 2.5, 1e-3, 0.0])),
            (0.06, lambda: r.choice([(1, 1), (2, 3), (0,), (3, 4), (-1,), (0, 1), [1, 2], [0], (), [2, 2]])),
            (0.05, lambda: r.choice([True, False])),
            (0.05, lambda: None),
            (0.04, lambda: r.choice(["mean", "sum", "none", "nearest", "reflect", "ij", "", "cpu", "ab,bc->ac"])),
            (0.04, lambda: [self.tensor() for _ in range(r.randint(0, 3))]),
            (0.03, lambda: r.choice([10**6, -(10**6), 2**31, 2**40, 2**62, 2**63, -(2**63), 10**25])),
            (0.02, lambda: r.choice([float("nan"), float("inf"), 1e308, -float("inf")])),
            (0.02, lambda: getattr(dv, r.choice(DTYPES))),
            (0.02, lambda: r.choice([dv.device("cpu"), "cuda", "meta", "cuda:7"])),
            (0.01, lambda: r.choice([(2**31, 2**31), (2**40,), [10**12, 10**12]])),
            (0.01, lambda: r.choice([object(), {}, {"a": 1}, b"x", lambda x: x, slice(0, 2), ..., 1j, int, range(3)])),
            (0.01, lambda: np.asarray(self.numbers.standard_normal(r.choice(SHAPES)))),
        ]  # fmt: skip
        pick = r.random() * sum(weight for weight, _ in draws)
        for weight, draw in draws:
            pick -= weight
            if pick <= 0:
                return draw()
        return draws[0][1]()


KEYWORDS = ["dim", "keepdim", "dtype", "out", "size", "input", "other", "reduction", "weight", "device", "n", "axis",
            "requires_grad", "correction", "index", "src", "mode", "p", "eps", "nonsense"]  # fmt: skip


def drawn(seed: int) -> tuple[str, str, list, dict]:
    """The call of this seed: (place, name, arguments, keywords)."""
    r = random.Random(seed)
    a = Arguments(r)
    if r.random() < 0.6:
        return spoilt(r, a)
    place, name = r.choice(NAMES)
    count = r.choice([0, 1, 1, 2, 2, 2, 3, 3, 4, 5])
    args = [a.tensor() if i == 0 and (place == "Tensor" or r.random() < 0.7) else a.one() for i in range(count)]
    given = {r.choice(KEYWORDS): a.one() for _ in range(r.choice([0, 0, 0, 1, 2]))}
    return place, name, args, given


def spoilt(r: random.Random, a: Arguments) -> tuple[str, str, list, dict]:
    """A call that an op's tests make, with one or two arguments exchanged, left out or added."""
    row = r.choice(CASES)
    args, given = arrays_of(row)
    args, given = (converted(x, lambda n: dv.from_numpy(n.copy())) for x in (list(args), dict(given)))
    for _ in range(r.choice([0, 1, 1, 1, 2])):
        kind = r.random()
        if kind < 0.6 and args:
            args[r.randrange(len(args))] = a.one()
        elif kind < 0.75 and given:
            given[r.choice(list(given))] = a.one()
        elif kind < 0.85:
            given[r.choice(KEYWORDS)] = a.one()
        elif kind < 0.92 and args:
            args.pop()
        else:
            args.append(a.one())
    place, _, name = row.name.rpartition(".")
    return "Tensor" if row.method else place, name, args, given


def look(result: Any, depth: int = 0) -> None:
    """Make the values appear."""
    if isinstance(result, dv.Tensor):
        if result.numel() < 1 << 22:
            repr(result)
        return
    if isinstance(result, (list, tuple)) and depth < 3:
        for x in result[:8]:
            look(x, depth + 1)


def call(seed: int) -> BaseException | None:
    """Make the call; what it raised."""
    place, name, args, given = drawn(seed)
    space: Any = dv
    for part in filter(None, place.split(".")):
        space = getattr(space, part)
    dv.config.tier = 2 if seed % 8 == 0 else 1
    try:
        for _ in range(2):  # the second time the trace is followed
            result = getattr(space, name)(*args, **given)
            look(result)
            if isinstance(result, dv.nn.Module) and args:
                look(result(args[0]))
    except Exception as e:
        return e
    return None


def health(seed: int) -> BaseException | None:
    """What an innocent call raises after the call of this seed: a bad call must leave nothing behind."""
    try:
        if (dv.ones(3) * 2 + seed).sum().item() != 6 + 3 * seed:
            return AssertionError("3 * (2 + seed) is wrong")
    except Exception as e:
        return AssertionError(f"the next call is broken: {type(e).__name__}: {e}").with_traceback(e.__traceback__)
    return None


def complaint(error: BaseException | None) -> str:
    """Why this error must not reach a user; empty where it may."""
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    inside = frames and frames[-1].filename.startswith(PACKAGE)
    if isinstance(error, dv.DovetailWarning) and "could not be compiled" in str(error):
        return "a step could not be compiled"
    if isinstance(error, dv.DovetailError):
        return "" if str(error) else "an error without words"
    if isinstance(error, INNER):
        return type(error).__name__
    if "llvm" in (type(error).__module__ or "") or type(error).__name__ in ("CompileError", "LoadError"):
        return "an error of the code generator"
    if isinstance(error, AttributeError) and inside and "has no attribute" in str(error):
        return "a bare AttributeError"
    return ""


def told(seed: int) -> str:
    """The call in words."""
    place, name, args, given = drawn(seed)

    def word(x: Any) -> str:
        if isinstance(x, dv.Tensor):
            return f"{x.dtype.name}{list(x.shape)}{'*' if x.requires_grad else ''}"
        return f"[{', '.join(map(word, x))}]" if isinstance(x, list) else repr(x)

    words = [word(x) for x in args] + [f"{k}={word(x)}" for k, x in given.items()]
    return f"{seed}: {place + '.' if place else ''}{name}({', '.join(words)})"


def batch(first: int, last: int) -> Iterator[str]:
    """Complaints about the calls of these seeds. Every call is announced, so that a crash has a name."""
    faulthandler.enable()

    def late(*_: Any) -> None:
        raise TimeoutError("the call does not end")

    signal.signal(signal.SIGALRM, late)
    warnings.simplefilter("ignore")
    warnings.filterwarnings("error", message=".*could not be compiled.*")
    for seed in range(first, last):
        os.write(2, f"#{seed}\n".encode())
        signal.alarm(SECONDS)
        error = call(seed)
        error = health(seed) or error
        signal.alarm(0)
        why = "no end" if isinstance(error, TimeoutError) else complaint(error)
        if why:
            at = traceback.extract_tb(error.__traceback__)[-1]
            words = str(error).partition("\n")[0][:160]
            yield f"{why}: {told(seed)}\n    {type(error).__name__}: {words}\n    {at.filename}:{at.lineno}"


def limited() -> None:
    """At most 6 GB of addresses for what is asked beyond reason: the system must refuse, not kill."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", type=int, help="make this one call and show what it raises")
    parser.add_argument("--batch", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(told(given.one))
        error = call(given.one)
        error = health(given.one) or error
        if error is not None:
            traceback.print_exception(error)
        return bool(complaint(error))
    if given.batch is not None:
        found = 0
        for text in batch(*given.batch):
            print(text, flush=True)
            found += 1
        return found > 0
    return run(given.seed, given.calls)


def run(first: int, count: int, size: int = 500) -> int:
    """All calls, in batches that run in processes of their own; one that dies goes on behind its last call."""
    bad, seed, last = 0, first, first + count
    while seed < last:
        end = min(seed + size, last)
        command = [sys.executable, os.path.abspath(__file__), "--batch", str(seed), str(end)]
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limited)
        print(done.stdout, end="", flush=True)
        bad += done.stdout.count("\n    ") // 2
        if done.returncode not in (0, 1):
            reached = [line for line in done.stderr.splitlines() if line.startswith("#")]
            at = int(reached[-1][1:]) if reached else seed
            print(f"the process died ({done.returncode}) at {told(at)}\n{done.stderr[-800:]}", flush=True)
            bad, seed = bad + 1, at + 1
            continue
        seed = end
    print(f"{count} calls, {bad} complaints")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
