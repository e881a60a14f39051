"""torch's modules. The torch dialect is the house language, so most of them are answered by a door of the same name."""

from __future__ import annotations

from dovetail.compat.names import Names

RELEASE = "2.13.0"  # the release whose behaviour is followed; scripts that compare versions see this
VERSION = RELEASE + "+dovetail"
OURS = frozenset(
    {  # at our top level, not at torch's
        "keras",
        "tf",
        "datasets",
        "vision",
        "text",
        "base",
        "ir",
        "prims",
        "passes",
        "codegen",
        "runtime",
        "engine",
        "tensor_",
        "ops",
        "data",
        "io",
        "board",
        "train",
        "quantize",
        "export_",
        "serve",
        "compat",
        "cli",
        "config",
        "explain",
        "DovetailError",
        "ShapeError",
        "DTypeError",
        "DimError",
        "ArgumentError",
        "GradientError",
        "DeviceError",
        "NotCovered",
        "NotCoveredImport",
        "MissingExtra",
        "FileError",
        "DovetailWarning",
    }
)

TABLE = {
    "torch": Names("dovetail", {"__version__": VERSION}, OURS),
    "torch.version": Names(
        None, {"__version__": VERSION, "cuda": None, "hip": None, "debug": False, "git_version": "dovetail"}
    ),
    "torch.nn": Names("dovetail.nn"),
    "torch.nn.functional": Names("dovetail.nn.functional"),
    "torch.nn.init": Names("dovetail.nn.init"),
    "torch.nn.parameter": Names("dovetail.nn.parameter"),
    "torch.nn.utils": Names("dovetail.nn.utils"),
    "torch.optim": Names("dovetail.optim"),
    "torch.optim.lr_scheduler": Names("dovetail.optim.lr_scheduler"),
    "torch.utils": Names("dovetail.utils"),
    "torch.utils.data": Names("dovetail.utils.data"),
    "torch.autograd": Names("dovetail.autograd"),
    "torch.cuda": Names("dovetail.cuda"),
    "torch.backends": Names("dovetail.backends"),
    "torch.linalg": Names("dovetail.linalg"),
    "torch.random": Names("dovetail.random"),
}
