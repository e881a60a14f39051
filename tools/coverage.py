"""Write docs/coverage.md: which of PyTorch's operators and names are there, which agree in full, and why some do not.

    python tools/coverage.py RESULTS.json          # writes docs/coverage.md
    python tools/coverage.py RESULTS.json --check  # exit 1 where the page says something else

RESULTS.json holds the records of a run of PyTorch's own operator samples (OpInfo) against both frameworks, and of its
public names. For each operator: the status, counts of samples, and notes on what differs; for each namespace: how many
names there are, how often programs use them, and which are missing.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"

LAST_DIGIT = "the last digit: PyTorch's float32 kernel rounds otherwise; for whole inputs all must agree"
TIES = "equal elements: PyTorch's sort is not stable, so which of them comes first is its own affair"
REASONS = {  # operator -> why it differs, where the numbers do not say it
    "as_strided_scatter": "PyTorch's gradient of `input` flows where it was overwritten, not where it was kept",
    "argsort": TIES,
    "kthvalue": TIES,
    "mode": TIES,
    "sort": TIES,
    "topk": TIES,
    "chalf": "complex32 is no dtype here",
    "linalg.pinv": "a `hermitian=True` input that is not hermitian: its gradient has no meaning",
}
STATUS = {
    "missing": "not there",
    "forward": "a result differs",
    "grad": "a gradient differs",
    "variant": "a method, in-place or operator form differs",
    "crash": "the run ended",
    "timeout": "no answer in time",
}
OF_SECOND_KIND = re.compile(r"value (.+?) at \(.*?\), expected (.+?) \((\d+) of (\d+) differ\)")
Record = dict[str, Any]


# ------------------------------------------------------------------ operators


def family(name: str) -> str:
    """The file of ops an operator lives in, or its namespace."""
    found: Any = importlib.import_module("dovetail")
    for part in ("Tensor." + name if name.startswith("__") else name).split("."):
        try:
            door = is_door(found, part)
            found = importlib.import_module(f"{found.__name__}.{part}") if door else getattr(found, part)
        except (ImportError, AttributeError):
            return "wrappers and others"
    home = getattr(found, "__module__", "") or ""
    return home.rpartition(".")[2] if home.startswith("dovetail.ops.") else "wrappers and others"


def is_door(found: Any, part: str) -> bool:
    """Whether `part` is a module below a module."""
    return isinstance(found, ModuleType) and (ROOT.joinpath(*found.__name__.split("."), part + ".py")).exists()


def number(text: str) -> complex | None:
    """The number in "np.float32(1.5)", "np.complex64(1+2j)" or "3"."""
    inner = re.fullmatch(r"np\.\w+\((.*)\)", text.strip())
    try:
        return complex((inner[1] if inner else text).strip("() "))
    except ValueError:
        return None


def last_digit(note: str) -> bool:
    """Whether a note tells of floating-point numbers that differ by rounding only."""
    found = OF_SECOND_KIND.search(note)
    if not found or "float" not in found[1] and "complex" not in found[1]:
        return False
    a, b = number(found[1]), number(found[2])
    return a is not None and b is not None and abs(a - b) <= 2e-6 * max(abs(a), abs(b)) + 1e-6


def differences(record: Record) -> list[str]:
    """What differs in results and gradients, of the dtypes that count."""
    notes = [n for n in record.get("notes", []) if not n.startswith("errors:")]
    return [n for n in notes if not n.startswith("complex64")] or notes


def reason(name: str, record: Record) -> str:
    """Why an operator does not pass, in one sentence."""
    notes = differences(record)
    if name in REASONS:
        return REASONS[name]
    if notes and all(last_digit(n) for n in notes):
        return LAST_DIGIT
    return STATUS.get(record["status"], record["status"])


def first_difference(record: Record) -> str:
    """The first difference, short."""
    notes = differences(record)
    text = re.sub(r"np\.\w+\(([^()]*)\)", r"\1", notes[0]) if notes else ""
    return text.replace("|", "\\|")[:110]


def summary(ops: dict[str, Record]) -> list[str]:
    """The figures of all operators together."""
    counted = {n: r for n, r in ops.items() if r["status"] != "empty"}
    passing = sum(r["status"] == "pass" for r in counted.values())
    totals: Counter = Counter()
    kinds: dict[str, Counter] = defaultdict(Counter)
    errors = [0, 0, 0]
    for record in counted.values():
        totals.update(record.get("samples", {}))
        errors = [a + b for a, b in zip(errors, record.get("errors", [0, 0, 0]), strict=True)]
        for dtype, counts in record.get("dtypes", {}).items():
            kinds[dtype].update(counts)
    rows = [
        "| measure | of | agree | share |",
        "| --- | ---: | ---: | ---: |",
        row("operators, every sample of every dtype and form", len(counted), passing),
        row("samples, results", totals["n"], totals["forward"]),
        row("samples, gradients", totals["grad_n"], totals["grad"]),
    ]
    rows += [row(f"samples of {dtype}", c["n"], c["forward"]) for dtype, c in sorted(kinds.items())]
    rows += [
        row("wrong inputs that raise", errors[0], errors[2]),
        row("wrong inputs that raise the same class", errors[0], errors[1]),
    ]
    return rows


def row(what: str, whole: int, part: int) -> str:
    return f"| {what} | {whole} | {part} | {share(part, whole)} |"


def share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def families(ops: dict[str, Record]) -> list[str]:
    """A row for each family, with the operators that do not pass."""
    table: dict[str, list[str]] = defaultdict(list)
    for name, record in ops.items():
        if record["status"] != "empty":
            table[family(name)].append(name)
    rows = ["| family | operators | pass | do not |", "| --- | ---: | ---: | --- |"]
    for kind, names in sorted(table.items()):
        bad = sorted(n for n in names if ops[n]["status"] != "pass")
        rows.append(f"| {kind} | {len(names)} | {len(names) - len(bad)} | {', '.join(f'`{n}`' for n in bad)} |")
    return rows


def failures(ops: dict[str, Record]) -> list[str]:
    """A row for each operator that does not pass."""
    rows = ["| operator | samples | why | first difference |", "| --- | ---: | --- | --- |"]
    for name, record in sorted(ops.items()):
        if record["status"] in ("pass", "empty"):
            continue
        count = record.get("samples", {})
        rows.append(
            f"| `{name}` | {count.get('forward', 0)} of {count.get('n', 0)} | {reason(name, record)} | "
            f"{first_difference(record)} |"
        )
    return rows


# ------------------------------------------------------------------ names


def namespaces(surface: dict[str, Record]) -> list[str]:
    """A row for each namespace: names that are there, plain and weighted by use, and the most used missing ones."""
    rows = [
        "| namespace | names | there | weighted by use | missing names that programs use |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for space, record in sorted(surface.items()):
        if not record.get("names"):
            continue
        wanted = [full.removeprefix(space + ".") for full, used in record.get("missing", []) if used]
        more = f" and {len(wanted) - 12} more" if len(wanted) > 12 else ""
        listed = ", ".join(f"`{n}`" for n in wanted[:12]) + more
        part = share(record["present"], record["names"])
        used = share(record["weight_present"], record["weight"])
        rows.append(f"| `{space}` | {record['names']} | {part} | {used} | {listed} |")
    return rows


# ------------------------------------------------------------------ the page


def page(results: dict[str, Any]) -> str:
    """The whole page."""
    ops, surface = (results["records"].get(suite, {}) for suite in ("ops", "surface"))
    parts = [
        "# Coverage of PyTorch's operators and names",
        "Written by `tools/coverage.py` from a run of PyTorch's own operator samples on both frameworks; PyTorch is\n"
        "the reference. An operator passes when every sample agrees: results, shapes and dtypes for float32, float64,\n"
        "int64 and bool, gradients for float32, and the method, in-place and operator forms.",
    ]
    if ops:
        parts += ["## Figures", "\n".join(summary(ops)), "## By family", "\n".join(families(ops))]
        parts += ["## What does not pass, and why", "\n".join(failures(ops))]
    if surface:
        parts += ["## Names", "Weights are how often public programs use a name.", "\n".join(namespaces(surface))]
    return "\n\n".join(parts) + "\n"


def main(words: list[str]) -> int:
    """Write or check."""
    paths = [w for w in words if not w.startswith("--")]
    if len(paths) != 1:
        print(__doc__)
        return 2
    sys.path.insert(0, str(ROOT))
    text = page(json.loads(Path(paths[0]).read_text(encoding="utf-8")))
    if "--check" in words:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text else 1
    beside = PAGE.with_name(".coverage.md.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(PAGE)
    print(f"written: {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
