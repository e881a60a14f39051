"""`dovetail run SCRIPT args...`: as `python SCRIPT args...`, with torch, tensorflow and keras answered by Dovetail.

Same process, same arguments, `__main__` and `__file__` as Python sets them, the script's folder first on the path.
PYTHONPATH and sitecustomize have been honoured by the interpreter before this file runs. An error shows the user's
frames and the message; DOVETAIL_FULL_TRACE=1 shows the frames inside Dovetail too.
"""

from __future__ import annotations

import argparse
import builtins
import io
import os
import sys
import types
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader

from dovetail.cli import trace
from dovetail.compat import finder


def main(words: Sequence[str]) -> int:
    """Run the script named by the first word, with the other words as its arguments."""
    if not words or words[0] in ("-h", "--help"):
        parser().print_help()
        return 0 if words else 2
    if words[0] == "-m":
        return run_module(words[1:])
    path = os.path.abspath(words[0])
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as problem:
        print(f"dovetail run: cannot open {words[0]!r}: {problem.strerror}", file=sys.stderr)
        return 2
    execute(path, source, words)
    return 0


def parser() -> argparse.ArgumentParser:
    """Only for the help text: every word after the script belongs to the script."""
    text = argparse.ArgumentParser(
        prog="dovetail run",
        usage="dovetail run SCRIPT [argument ...]   or   dovetail run -m MODULE [argument ...]",
        description="Run a script that imports torch, tensorflow or keras, unchanged, on Dovetail.",
    )
    text.add_argument("script", metavar="SCRIPT", help="a Python file; the words after it are its own sys.argv")
    return text


def execute(path: str, source: bytes, argv: Sequence[str]) -> None:
    """Run `source` as the program. Errors leave here and are shown by the hook in `trace`; SystemExit is Python's."""
    prepare(list(argv), os.path.dirname(os.path.realpath(path)))
    program = types.ModuleType("__main__")
    loader = SourceFileLoader("__main__", path)
    program.__dict__.update(
        __file__=path, __builtins__=builtins, __cached__=None, __loader__=loader, __annotations__={}
    )
    sys.modules["__main__"] = program
    exec(compile(source, path, "exec", dont_inherit=True), program.__dict__)


def run_module(words: Sequence[str]) -> int:
    """`dovetail run -m MODULE args...`, as `python -m MODULE args...`."""
    import runpy  # only here: scripts do not need it

    if not words:
        print("dovetail run: -m wants the name of a module", file=sys.stderr)
        return 2
    prepare(list(words), os.getcwd())
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    return 0


def prepare(argv: list[str], folder: str) -> None:
    """The process as Python leaves it for a program: arguments, path; and our finder, our display of errors."""
    sys.argv = argv
    if not sys.flags.safe_path:  # `python -P` and PYTHONSAFEPATH leave the script's folder out
        sys.path[0] = folder
    finder.install()
    trace.install()
