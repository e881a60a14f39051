"""`dovetail doctor`: what this machine offers, as a table for people or as JSON for a bug report."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import tempfile
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from dovetail.base.config import available_cores, config
from dovetail.base.version import __version__
from dovetail.runtime import machine

EXTRAS = ("rich", "Pillow", "h5py", "onnx", "tensorboard", "matplotlib", "safetensors")


def main(words: Sequence[str]) -> int:
    """Print the report; the exit status is 1 when something needs attention."""
    parser = argparse.ArgumentParser(prog="dovetail doctor", description="Say what this machine offers.")
    parser.add_argument("--json", action="store_true", help="print JSON, to attach to a bug report")
    options = parser.parse_args(words)
    report = examine()
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report, Console())
    return 1 if report["attention"] else 0


def examine() -> dict:
    """Everything the command knows, by topic. Sizes are in bytes."""
    llvmlite_version, llvm_version = machine.compiler_versions()
    cards, no_card = machine.gpus()
    report = {
        "versions": {
            "dovetail": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "llvmlite": llvmlite_version,
            "LLVM": llvm_version,
            "system": f"{platform.system()} {platform.machine()}",
        },
        "optional packages": {name: installed(name) for name in EXTRAS},
        "processor": {
            "name": machine.cpu_name(),
            "LLVM calls it": machine.cpu_llvm_name(),
            "features": machine.cpu_features(),
            "code is made for": config.target,
            "memory": machine.memory_bytes(),
        },
        "threads": {"used": config.threads, "cores for this process": available_cores(), "cores": os.cpu_count() or 1},
        "cache": examine_cache(config.cache_dir),
        "graphics cards": [vars(card) for card in cards],
        "no graphics card because": no_card,
    }
    report["attention"] = needs_attention(report)
    return report


def installed(name: str) -> str | None:
    """The version of an installed package, else None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def examine_cache(folder: str | None) -> dict:
    """Where compiled programs are kept, how many, how large, and whether new ones can be written."""
    if folder is None:
        return {"folder": None, "files": 0, "bytes": 0, "writable": False}
    files = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.path.getsize(os.path.join(place, name))
            except OSError:
                continue  # another process may clear the cache meanwhile
            files += 1
    return {"folder": folder, "files": files, "bytes": size, "writable": can_write(folder)}


def can_write(folder: str) -> bool:
    """Whether files can be made in the folder, or in the nearest one above it that exists. Tried, not asked."""
    place = folder
    while not os.path.exists(place) and os.path.dirname(place) != place:
        place = os.path.dirname(place)
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def needs_attention(report: dict) -> list[str]:
    """What the user should know, each with its cure."""
    found = []
    cache = report["cache"]
    if cache["folder"] and not cache["writable"]:
        found.append(
            f"The cache folder {cache['folder']} cannot be written: every start compiles anew. "
            "Set DOVETAIL_CACHE_DIR to a folder of yours."
        )
    return found


def show(report: dict, console: Console) -> None:
    """The report as a table, what needs attention last."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows(report):
        table.add_row(name, text)
    console.print(table)
    for text in report["attention"]:
        console.print(f"\n[bold yellow]Attention:[/] {text}")
    if not report["attention"]:
        console.print("\n[green]Nothing needs attention.[/]")


def rows(report: dict) -> list[tuple[str, str]]:
    """(topic, one line) for each row of the table."""
    versions, processor, threads, cache = (report[key] for key in ("versions", "processor", "threads", "cache"))
    extras = [f"{name} {version}" for name, version in report["optional packages"].items() if version]
    cards = [
        f"{c['name']}, {readable(c['memory_bytes'])}, capability {c['capability']}, driver {c['driver']} "
        "(training on it comes with a later release)"
        for c in report["graphics cards"]
    ]
    return [
        ("Dovetail", versions["dovetail"]),
        ("Python", f"{versions['python']} on {versions['system']}"),
        ("NumPy", versions["numpy"]),
        ("llvmlite", f"{versions['llvmlite']} with LLVM {versions['LLVM']}"),
        ("Optional", ", ".join(extras) or "none installed"),
        ("Processor", f"{processor['name']} ({processor['LLVM calls it']})"),
        ("Features", " ".join(processor["features"]) or "none that matter here"),
        ("Code for", processor["code is made for"] + " (DOVETAIL_TARGET)"),
        ("Memory", readable(processor["memory"])),
        (
            "Threads",
            f"{threads['used']} of {threads['cores for this process']} cores this process may use, "
            f"{threads['cores']} in the machine (DOVETAIL_THREADS)",
        ),
        (
            "Cache",
            "off (DOVETAIL_CACHE_DIR=off)"
            if cache["folder"] is None
            else f"{cache['folder']}: {cache['files']} files, {readable(cache['bytes'])}, "
            + ("writable" if cache["writable"] else "NOT writable"),
        ),
        ("Graphics", "\n".join(cards) or report["no graphics card because"]),
    ]


def readable(size: int) -> str:
    """1536 -> '1.5 KB'."""
    amount, unit = float(size), "bytes"
    for unit in ("bytes", "KB", "MB", "GB", "TB"):  # noqa: B007  the unit is used after the loop
        if amount < 1024 or unit == "TB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
