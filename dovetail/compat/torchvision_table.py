"""torchvision's modules, answered by the vision room."""

from __future__ import annotations

from dovetail.compat.names import Names

VERSION = "0.28.0+dovetail"  # the release that belongs to torch_table.RELEASE

TABLE = {
    "torchvision": Names("dovetail.vision", {"__version__": VERSION}),
    "torchvision.datasets": Names("dovetail.vision.datasets", hidden=frozenset({"Digits"})),
    "torchvision.models": Names("dovetail.vision.models", hidden=frozenset("LeNet lenet lenet5 start".split())),
    "torchvision.models._utils": Names("dovetail.vision.models.feature_extraction"),
    "torchvision.models.mobilenetv2": Names("dovetail.vision.models.mobilenet_v2"),
    "torchvision.models.mobilenetv3": Names("dovetail.vision.models.mobilenet_v3"),
    "torchvision.ops": Names("dovetail.vision.ops", hidden=frozenset({"boxes", "focal", "layers", "regions"})),
    "torchvision.ops.boxes": Names("dovetail.vision.ops"),
    "torchvision.ops.misc": Names("dovetail.vision.ops"),
    "torchvision.transforms": Names("dovetail.vision.transforms"),
    "torchvision.utils": Names("dovetail.vision.utils"),
}
