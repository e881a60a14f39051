"""Random programs over the whole op set agree however they are run: interpreted, compiled, replayed, threads, targets.

DOVETAIL_RANDOM_PROGRAMS=500 runs that many; DOVETAIL_RANDOM_SEED=7 others than the usual ones.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from dovetail.base.config import config
from dovetail.tensor.recorder import current

sys.path.insert(0, str(Path(__file__).resolve().parent))
from op_programs import CASES, KINDS, Runner, check  # noqa: E402

COUNT = int(os.environ.get("DOVETAIL_RANDOM_PROGRAMS", "8"))
SEED = int(os.environ.get("DOVETAIL_RANDOM_SEED", "0"))
SIZES = [{}, {}, {3: 5, 4: 7}, {3: 0}, {4: 1}, {3: 1, 4: 33}, {4: 0}]


def author(seed: int) -> tuple[list, int, bool]:
    """A program of about ten steps: (steps, seed of its numbers, whether NaN and infinities are among them)."""
    r = random.Random(seed)
    steps: list[tuple] = []
    kind = r.choice(KINDS)
    for _ in range(r.randint(4, 12)):
        choice = r.random()
        if choice < 0.7:
            picks = [r.randint(0, 60) for _ in range(6)]
            steps.append(("call", r.randrange(len(CASES)), picks, r.choice([kind, "float32"]), r.choice(SIZES)))
        elif choice < 0.85:
            steps.append(("view", r.randint(0, 99), r.randint(0, 60), r.randint(0, 9)))
        else:
            steps.append(("write", r.randint(0, 99), r.randint(0, 60), r.randint(0, 60)))
    return steps, r.randint(0, 10**6), r.random() < 0.3


def configured(tier: int, threads: int, target: str) -> None:
    config.tier, config.threads, config.target = tier, threads, target
    for root in current().roots.values():
        root.children.clear()
    current().roots.clear()
    current().enter_root()


@pytest.fixture(autouse=True)
def restore():
    before = config.tier, config.threads, config.target
    yield
    configured(*before)


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_all_ways_of_running_agree(seed):
    with np.errstate(all="ignore"):
        tried(seed)


def tried(seed: int) -> None:
    program, numbers, special = author(seed)
    configured(0, 1, "host")
    first = Runner(program, numbers, special)
    looked = first.run(tolerant=True)
    program = [program[i] for i in first.good]
    wanted = Runner(program, numbers, special).run()
    shifted = [Runner(program, numbers, special, np.random.default_rng(n)).run() for n in (1, 2)]
    names = [t.dtype.name for t in first.pool]
    for n, (f, w, *s) in enumerate(zip(looked, wanted, *shifted, strict=True)):
        check(f, w, s, names[n], f"seed {seed}: looked at after every step, tensor {n} {names[n]}\n{told(program)}")
    ways = [(2, 1, "host", 2), (2, 2, "host", 1), (2, 1, ("generic", "avx2")[seed % 2], 1)]
    for tier, threads, target, repeats in ways:
        configured(tier, threads, target)
        for turn in range(repeats):
            found = Runner(program, numbers, special).run()
            assert len(found) == len(wanted)
            for n, (f, w, *s) in enumerate(zip(found, wanted, *shifted, strict=True)):
                where = f"seed {seed}: {target}, {threads} threads, run {turn}, tensor {n} {names[n]}\n{told(program)}"
                check(f, w, s, names[n], where)


def told(program: list) -> str:
    """A program in words."""
    rows = []
    for step in program:
        row = CASES[step[1]] if step[0] == "call" else None
        rows.append(f"  {step}" if row is None else f"  {step}: {row.name} {row.args} {row.given}")
    return "\n".join(rows)
