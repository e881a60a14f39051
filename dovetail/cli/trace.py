"""What an error of a user's script looks like: the user's frames, then the message.

Frames inside the package are left out, because a reader can change nothing there; DOVETAIL_FULL_TRACE=1 shows all.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from types import TracebackType

from dovetail.base.errors import PACKAGE, DovetailError

OUR_CLASS = re.compile(r"^dovetail(?:\.\w+)+\.(\w+)(?=:|$)")  # a reader needs ShapeError, not its module
HINT = "(frames inside Dovetail are left out; DOVETAIL_FULL_TRACE=1 shows them)"


def install() -> None:
    """Show uncaught errors of this process this way, unless the script puts its own hook in place later."""
    sys.excepthook = show


def show(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    """Print the error as Python would, without the frames nobody can use. Takes what sys.excepthook takes."""
    if os.environ.get("DOVETAIL_FULL_TRACE") not in (None, "", "0"):
        sys.__excepthook__(kind, error, place)
        return
    report = traceback.TracebackException(kind, error, outside_launcher(place))
    shorten(report)
    for text in report.format():
        print(OUR_CLASS.sub(r"\1", text), file=sys.stderr, end="")
    more = explained(error, place)
    if more:
        print(more, file=sys.stderr)
    if not issubclass(kind, (DovetailError, KeyboardInterrupt, SyntaxError)) and ends_inside(place):
        print(HINT, file=sys.stderr)


def explained(error: BaseException, place: TracebackType | None) -> str:
    """A hint for errors of Python's own; "" where there is none, and whatever goes wrong while looking for it."""
    if not isinstance(error, (AttributeError, TypeError)) or isinstance(error, DovetailError):
        return ""
    if "dovetail.tensor.tensor" not in sys.modules:  # a script without tensors
        return ""
    try:
        from dovetail.cli.hints import hint

        return hint(error, place, hidden)
    except Exception:  # the user's error is what matters
        return ""


def outside_launcher(place: TracebackType | None) -> TracebackType | None:
    """The traceback from the script's first frame on: past the command's start and runpy."""
    first = place
    while place is not None:
        name = place.tb_frame.f_code.co_filename
        if name == LAUNCHER or name.startswith("<frozen runpy"):
            first = place.tb_next
        place = place.tb_next
    return first


def shorten(report: traceback.TracebackException) -> None:
    """Drop hidden frames, and earlier errors that happened in hidden frames alone."""
    report.stack = traceback.StackSummary.from_list([frame for frame in report.stack if not hidden(frame.filename)])
    for name in ("__cause__", "__context__"):
        earlier = getattr(report, name)
        if earlier is None:
            continue
        shorten(earlier)
        if not earlier.stack:
            setattr(report, name, None)


def hidden(filename: str) -> bool:
    """Whether a frame is inside the package, or in the import machinery that called it."""
    return filename.startswith((PACKAGE, "<frozen importlib")) or filename == importlib.__file__


def ends_inside(place: TracebackType | None) -> bool:
    """Whether the innermost frame is one that is left out: then the reader should know that there is more."""
    name = ""
    while place is not None:
        name, place = place.tb_frame.f_code.co_filename, place.tb_next
    return hidden(name)


LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run.py")
