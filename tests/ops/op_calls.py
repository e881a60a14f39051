"""How a row of op_cases.py is called, in this package or in torch: draws become tensors, names are looked up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from op_cases import Case, Draw, Fails  # noqa: E402


def random_for(row: Case | Fails) -> np.random.Generator:
    """The same numbers for the same row, wherever it stands in the table."""
    return np.random.default_rng(list((row.name + repr(row.args) + repr(row.given)).encode()))


def drawn(x: Any, random: np.random.Generator) -> Any:
    """`x` with arrays for its draws."""
    if isinstance(x, Draw):
        return x.array(random)
    if isinstance(x, (list, tuple)):
        return type(x)(drawn(v, random) for v in x)
    return {k: drawn(v, random) for k, v in x.items()} if isinstance(x, dict) else x


def arrays_of(row: Case | Fails) -> tuple[list, dict]:
    random = random_for(row)
    return drawn(row.args, random), drawn(row.given, random)


def converted(x: Any, convert) -> Any:
    """`x` with `convert` applied to its arrays."""
    if isinstance(x, np.ndarray):
        return convert(x)
    if isinstance(x, (list, tuple)):
        return type(x)(converted(v, convert) for v in x)
    return {k: converted(v, convert) for k, v in x.items()} if isinstance(x, dict) else x


def function(row: Case | Fails, space: Any) -> Any:
    """The row's function in a namespace that is spelt as torch's."""
    if row.method:
        return lambda x, *args, **given: getattr(x, row.name)(*args, **given)
    found = space
    for part in row.name.split("."):
        found = getattr(found, part)
    return found


def leaves(x: Any) -> list:
    """The tensors of a result, in order."""
    if isinstance(x, (list, tuple)):
        return [leaf for v in x for leaf in leaves(v)]
    return [x]
