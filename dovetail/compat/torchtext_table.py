"""torchtext's helpers that tutorials use, answered by the text room."""

from __future__ import annotations

from dovetail.compat.names import Names

OURS = frozenset({"BytePairTokenizer", "CharacterTokenizer", "tokenizers", "vocabulary"})

TABLE = {
    "torchtext": Names(None, {"__version__": "0.18.0+dovetail"}),
    "torchtext.data": Names("dovetail.text", hidden=OURS),
    "torchtext.data.utils": Names("dovetail.text", hidden=OURS),
    "torchtext.vocab": Names("dovetail.text", hidden=OURS),
}
