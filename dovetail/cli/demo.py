"""`dovetail demo`: train the article's classifier on the digits in the package, look at it, save it, load it back.

What a newcomer sees first, so it must be quick, honest and work in any terminal or in none.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from dovetail.base.errors import DovetailError
from dovetail.cli.demo_start import BATCH, Scores
from dovetail.vision.datasets.digits import load_digits

DIALECTS = {"torch": "TorchStyle", "keras": "KerasStyle"}  # class in dovetail/cli/demo_<dialect>.py
BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
SHOWN = 4  # predictions in the table
DRAWN = 16  # pixels across a drawn digit


def main(words: Sequence[str]) -> int:
    """Run the demo; the exit status is 0 when the loaded model is the trained one."""
    options = parse(words)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # no traceback where blocks cannot be shown
    console = Console(highlight=False)
    train, test = (prepared(*load_digits(half)) for half in (True, False))
    console.print(
        f"Training a classifier (784 inputs, 64 relu, 64 relu, 10) on {len(train[1])} handwritten digits, "
        f"{len(test[1])} held out.\n"
        f"Dialect: [bold]{options.dialect}[/]; epochs: {options.epochs}; batches of {BATCH}.\n"
    )
    started = time.perf_counter()
    file = importlib.import_module(f"dovetail.cli.demo_{options.dialect}")  # the other dialect need not be loaded
    model = getattr(file, DIALECTS[options.dialect])()
    learn(model, train, test, options.epochs, console)
    seconds = time.perf_counter() - started
    answers = model.predict(test[0])
    right = int((answers.argmax(1) == test[1]).sum())
    console.print(
        f"\n[bold]{right / len(test[1]):.1%}[/] of the held-out digits are right ({right} of {len(test[1])}), "
        f"after {seconds:.1f} s of training.\n"
    )
    console.print(predictions(test, answers))
    return finish(model, options, test[0], answers, console)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command's own words."""
    parser = argparse.ArgumentParser(
        prog="dovetail demo", description="Train the article's classifier on the handwritten digits in the package."
    )
    parser.add_argument(
        "--dialect", choices=sorted(DIALECTS), default="torch", help="how the program is written; both give the same"
    )
    parser.add_argument("--epochs", type=int, default=30, help="rounds over the training digits (default: 30)")
    parser.add_argument(
        "--save",
        type=Path,
        default=Path("digits.safetensors"),
        metavar="PATH",
        help="where the trained weights go (default: digits.safetensors, in this folder)",
    )
    options = parser.parse_args(words)
    if options.epochs < 1:
        parser.error("--epochs must be at least 1")
    return options


def prepared(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bytes (n, 28, 28) -> float32 (n, 784) in -1..1; labels as int64."""
    return images.reshape(len(images), -1).astype(np.float32) / 127.5 - 1, labels.astype(np.int64)


def learn(model, train, test, epochs: int, console: Console) -> None:
    """Train with a live bar; a line for each epoch that is worth one."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    batches = -(-len(train[1]) // BATCH)
    console.print("epoch     loss  accuracy  held out")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("steps", total=epochs * batches, loss="")

        def after_epoch(scores: Scores) -> None:
            bar.update(task, completed=scores.epoch * batches, loss=f"loss {scores.loss:.4f}")
            if scores.epoch in (1, 2, 3, epochs) or scores.epoch % 5 == 0:
                bar.console.print(f"{scores.epoch:5d} {scores.loss:8.4f} {scores.accuracy:9.1%} {scores.held_out:9.1%}")

        model.fit(train, test, epochs, step=lambda: bar.advance(task), after_epoch=after_epoch)


def predictions(test, answers: np.ndarray) -> Table:
    """A few held-out digits, drawn, with what the network says; the first mistake is among them if there is one."""
    guess = answers.argmax(1)
    wrong = np.flatnonzero(guess != test[1])[:1].tolist()
    right = [i for i in range(0, len(guess), 7) if guess[i] == test[1][i]]
    chosen = [*right[: SHOWN - len(wrong)], *wrong]
    table = Table(title="Some held-out digits", title_justify="left", show_lines=False, pad_edge=False)
    for i in chosen:
        verdict = "right" if guess[i] == test[1][i] else f"wrong, it is a {test[1][i]}"
        table.add_column(
            f"{guess[i]}, {answers[i].max():.0%} sure\n{verdict}",
            justify="center",
            header_style="green" if guess[i] == test[1][i] else "bold red",
        )
    table.add_row(*(Text(drawn(test[0][i])) for i in chosen))
    return table


def drawn(pixels: np.ndarray) -> str:
    """A digit in half-block characters: two pixel rows for each line of text.

    Shape: (784,) in -1..1 -> DRAWN / 2 lines of DRAWN characters
    """
    places = (np.arange(DRAWN) + 0.5) * 28 / DRAWN
    small = pixels.reshape(28, 28)[np.ix_(places.astype(int), places.astype(int))] > -0.1
    return "\n".join(
        "".join(BLOCKS[bool(a), bool(b)] for a, b in zip(upper, lower, strict=True))
        for upper, lower in zip(small[::2], small[1::2], strict=True)
    )


def finish(model, options: argparse.Namespace, x: np.ndarray, answers: np.ndarray, console: Console) -> int:
    """Save, load into a new model, compare, and say what to try next."""
    try:
        options.save.parent.mkdir(parents=True, exist_ok=True)
        model.save(options.save)
        again = type(model)(seed=1)
        again.load(options.save)
    except (OSError, DovetailError) as problem:
        console.print(
            f"\n[bold red]Not saved to {options.save}:[/] {problem}\nChoose another place with --save PATH."
        )
        return 1
    pairs = zip(model.weights(), again.weights(), strict=True)
    # answers may differ in the last bit: one model's may be compiled and the other's interpreted
    same = all(np.array_equal(a, b) for a, b in pairs) and np.allclose(again.predict(x), answers, rtol=1e-4, atol=1e-6)
    size = options.save.stat().st_size / 1024
    console.print(
        f"\nSaved to [bold]{options.save}[/] ({size:.0f} KB), loaded into a new model: "
        + ("the same weights, bit for bit, and the same answers." if same else "[bold red]something differs.[/]")
    )
    if same:
        console.print(what_next(options.dialect))
    return 0 if same else 1


def what_next(dialect: str) -> str:
    """The last words."""
    other = "keras" if dialect == "torch" else "torch"
    return f"""
What to try next
  dovetail demo --dialect {other:<7} the same network in the other dialect
  dovetail run your_script.py     your own script, unchanged: it may say
                                  import torch or import tensorflow
  dovetail doctor                 what this machine offers
  examples/article_torch.py       this program; article_keras.py is its twin"""
