"""keras's and tensorflow's modules. The Keras room mirrors Keras's tree: its public modules answer for both roots.

Of tensorflow itself dovetail.compat.tf has what Keras programs and programs with tapes use.
"""

from __future__ import annotations

from dovetail.compat.names import Names

TENSORFLOW_VERSION = "2.21.0+dovetail"  # the release that is followed; scripts that compare versions see this
KERAS = Names("dovetail.keras")
OWN = frozenset("Any annotations arrays contextmanager custom modules named tape variable".split())
TABLE = {
    "keras": KERAS,
    "tensorflow": Names("dovetail.compat.tf", {"__version__": TENSORFLOW_VERSION}, OWN),
    "tensorflow.keras": KERAS,
    "tensorflow.version": Names(None, {"VERSION": TENSORFLOW_VERSION, "GIT_VERSION": "dovetail"}),
}  # keras.layers, tensorflow.nn and their like are modules among the public names and need no row
