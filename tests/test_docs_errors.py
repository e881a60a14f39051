"""The pages in docs/errors say what really happens, and there is one for each class.

`python tests/test_docs_errors.py` writes the real messages into the pages.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from dovetail.base import errors

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "errors"
PAGES = sorted(path.stem for path in FOLDER.glob("[A-Z]*Error.md")) + ["MissingExtra", "NotCovered"]
LEFT_OUT = {"DovetailError", "NotCoveredImport"}  # the common base, and a twin that NotCovered's page explains


def example(name: str) -> str:
    """The Python on a page."""
    return re.search(r"```python\n(.*?)```", (FOLDER / f"{name}.md").read_text(encoding="utf-8"), re.S)[1]


def shown(name: str) -> str:
    """The message on a page."""
    found = re.search(r"```\n(" + name + r": .*?)\n```", (FOLDER / f"{name}.md").read_text(encoding="utf-8"), re.S)
    return found[1] if found else ""


def real(name: str) -> str:
    """The message that the page's example gives."""
    finders = list(sys.meta_path)
    try:
        exec(compile(example(name), f"{name}.md", "exec"), {"__name__": "page"})
    except getattr(errors, name) as error:
        return f"{name}: {error}"
    finally:
        sys.meta_path[:] = finders
        for module in [m for m in sys.modules if m.partition(".")[0] == "torch" and name == "NotCovered"]:
            del sys.modules[module]
    raise AssertionError(f"the example of {name} raises nothing")


def test_every_class_has_a_page():
    classes = {n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, errors.DovetailError)}
    assert classes - LEFT_OUT == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_page(name):
    assert real(name) == shown(name)


def write() -> None:
    """Put the real messages into the pages."""
    for name in PAGES:
        path = FOLDER / f"{name}.md"
        text = path.read_text(encoding="utf-8")
        block = f"```\n{real(name)}\n```"
        text = text.replace("MESSAGE", block) if not shown(name) else text.replace(f"```\n{shown(name)}\n```", block)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
