"""The `dovetail` command: reads its first word and hands the rest to the file of that name in this folder.

A command's file is imported when it is asked for: `dovetail run` must not pay for what draws tables.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence

from dovetail.base.version import __version__

COMMANDS = {
    "demo": "train the article's classifier on handwritten digits, save it, load it back",
    "doctor": "say what this machine offers: versions, processor, threads, cache, graphics card",
    "run": "run a script that imports torch, tensorflow or keras, unchanged, on Dovetail",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Each command's module has `main(words) -> int`."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMMANDS:
        return importlib.import_module("dovetail.cli." + words[0]).main(words[1:])
    if words and words[0] in ("-V", "--version"):
        print(f"dovetail {__version__}")
        return 0
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    near = difflib.get_close_matches(words[0], COMMANDS, 1)
    print(
        f"dovetail: there is no command {words[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        file=sys.stderr,
    )
    print(usage(), file=sys.stderr)
    return 2


def usage() -> str:
    """The list of commands."""
    rows = [f"  dovetail {name:<8} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        ["usage: dovetail COMMAND ...", "", *rows, "", "dovetail COMMAND --help says more about a command."]
    )


if __name__ == "__main__":
    sys.exit(main())
