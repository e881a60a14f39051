"""Errors and warnings: one builder for every message, and the search for the user's own line.

A message is made of the call, the facts and a cure:

    ShapeError: linear: the input's last axis has 28 values, the weight takes 784
      input  (32, 1, 28, 28) float32
      weight (64, 784) float32
      Images usually need flattening first: x.flatten(1)

The classes derive from the ones PyTorch raises at the same place, so `except RuntimeError` keeps working.
"""

from __future__ import annotations

import os
import sys
import warnings

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class DovetailError(Exception):
    """Base of every error that Dovetail raises on purpose."""


class ShapeError(DovetailError, RuntimeError, ValueError):
    """Sizes that do not fit together. Also a RuntimeError (torch's class) and a ValueError (Keras's)."""


class DTypeError(DovetailError, RuntimeError, TypeError):
    """An element type that the call does not take."""


class DimError(DovetailError, IndexError, RuntimeError):
    """A dimension or index outside its range. torch raises IndexError in most places, RuntimeError in some."""


class ArgumentError(DovetailError, ValueError, RuntimeError):
    """A value that the call does not take."""


class LinAlgError(ArgumentError):
    """A matrix that the factorisation does not take: singular, not positive definite, not converging."""


class GradientError(DovetailError, RuntimeError):
    """A gradient that cannot be computed as asked."""


class DeviceError(DovetailError, RuntimeError, AssertionError):
    """A device that is not there, or two devices in one call."""


class NotCovered(DovetailError, AttributeError, NotImplementedError):
    """A name of another framework that Dovetail does not have; the message names the nearest one it has."""


class NotCoveredImport(DovetailError, ImportError, NotImplementedError):
    """NotCovered where an `import` asked: an ImportError. (Python does not allow one class to be both.)"""


class MissingExtra(DovetailError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""


class FileError(DovetailError, ValueError, RuntimeError):
    """A file that is damaged, cut short or not what its name promises."""


class DovetailWarning(UserWarning):
    """Something that runs, but probably not as meant."""


def message(call: str, problem: str, facts=(), cure: str = "") -> str:
    """Text of an error: `call: problem`, one indented row for each fact (name, value), then the cure.

    A fact may be a plain string or a pair (name, anything with .shape and .dtype or a plain value).
    """
    rows = [f"{call}: {problem}" if call else problem]
    pairs = [(f, "") if isinstance(f, str) else (f[0], describe(f[1])) for f in facts]
    width = max((len(n) for n, v in pairs if v), default=0)
    rows += [f"  {n:<{width}} {v}".rstrip() if v else f"  {n}" for n, v in pairs]
    if cure:
        rows += ["  " + line for line in cure.split("\n")]
    return "\n".join(rows)


def describe(x) -> str:
    """A value as it appears in a message: a tensor by shape and dtype, everything else by repr."""
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{tuple(shape)} {getattr(dtype, 'name', dtype)}"
    return x if isinstance(x, str) else repr(x)


PLAIN = (int, float, complex, str, bytes, list, tuple, dict, set, range, slice, type(None), type(...), type)


def wrong_argument(call: str, names, args, error: AttributeError) -> TypeError | None:
    """The TypeError behind an AttributeError that arose because an argument is of another kind than the call takes.

    None where `error` has another reason. names: of the parameters; args: by position.
    """
    if type(error) is not AttributeError or error.name is None:
        return None  # raised on purpose: NotCovered, or by somebody's own __getattr__
    found, frame = error.obj, error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None or not frame.tb_frame.f_code.co_filename.startswith(PACKAGE):
        return None
    at = next((i for i, a in enumerate(args) if a is found), None)
    if at is None and not isinstance(found, PLAIN):
        return None
    kind = type(found).__name__
    if at is None:
        return TypeError(message(call, f"takes tensors where it was given {kind} ({found!r:.60})"))
    name = f"{names[at]!r} " if at < len(names) else ""
    return TypeError(f"{call}(): argument {name}(position {at + 1}) must be Tensor, not {kind}")


def user_frame():
    """The innermost stack frame outside the package and outside the standard library's import machinery, or None."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE) and not name.startswith("<frozen"):
            return frame
        frame = frame.f_back
    return None


def user_site() -> tuple:
    """What identifies the user's own call that is being made: code object and place in it."""
    frame = user_frame()
    return (None, 0) if frame is None else (frame.f_code, frame.f_lasti)


def user_line() -> tuple[str, int, str]:
    """(file, line, function) of the user's own line that is being run; ("", 0, "") where there is none."""
    frame = user_frame()
    if frame is None:
        return ("", 0, "")
    return (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def warn(text: str, category: type[Warning] = DovetailWarning) -> None:
    """Issue a warning that points at the user's own line."""
    frame = user_frame()
    if frame is None:
        warnings.warn(text, category, stacklevel=2)
        return
    warnings.warn_explicit(
        text,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__", "__main__"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def need(package: str, extra: str, why: str):
    """Import and return an optional package, or raise MissingExtra naming the extra that brings it."""
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError as e:
        name = package.partition(".")[0]
        raise MissingExtra(
            message(why, f"needs the package {name!r}, which is not installed", cure=f"pip install 'dovetail[{extra}]'")
        ) from e
