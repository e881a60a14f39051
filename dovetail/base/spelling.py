"""What the package is called where its objects are printed: dovetail.float32, dovetail.Size([2, 3]).

A program that imports torch (`dovetail run`) prints what PyTorch prints, so that its output, and whatever reads that,
stays as it was.
"""

from __future__ import annotations

package = "dovetail"


def as_torch() -> None:
    """From now on in this process, print as PyTorch does."""
    global package
    package = "torch"
