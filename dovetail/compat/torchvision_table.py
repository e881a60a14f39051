"""torchvision's modules, answered by the vision room."""

from __future__ import annotations

from dovetail.compat.names import Names
from dovetail.data.dataset import Dataset

VERSION = "0.28.0+dovetail"  # the release that belongs to torch_table.RELEASE

TABLE = {
    "torchvision": Names("dovetail.vision", {"__version__": VERSION}, frozenset({"files"})),
    "torchvision.datasets": Names(
        "dovetail.vision.datasets", {"VisionDataset": Dataset}, frozenset({"Digits", "ImageSet"})
    ),
    "torchvision.models": Names("dovetail.vision.models", hidden=frozenset("LeNet lenet lenet5 start".split())),
    "torchvision.models._utils": Names("dovetail.vision.models.feature_extraction"),
    "torchvision.models.mobilenetv2": Names("dovetail.vision.models.mobilenet_v2"),
    "torchvision.models.mobilenetv3": Names("dovetail.vision.models.mobilenet_v3"),
    "torchvision.ops": Names("dovetail.vision.ops", hidden=frozenset({"boxes", "focal", "layers", "regions"})),
    "torchvision.ops.boxes": Names("dovetail.vision.ops"),
    "torchvision.ops.misc": Names("dovetail.vision.ops"),
    "torchvision.transforms": Names("dovetail.vision.transforms"),
    "torchvision.transforms.transforms": Names("dovetail.vision.transforms"),
    "torchvision.transforms.autoaugment": Names("dovetail.vision.transforms"),
    "torchvision.transforms.v2": Names("dovetail.vision.transforms.v2"),
    "torchvision.transforms.v2.functional": Names("dovetail.vision.transforms.functional_v2"),
    "torchvision.io": Names("dovetail.vision.files"),
    "torchvision.io.image": Names("dovetail.vision.files"),
    "torchvision.tv_tensors": Names("dovetail.vision.tv_tensors"),
    "torchvision.datasets.folder": Names("dovetail.vision.datasets.folder"),
    "torchvision.datasets.mnist": Names("dovetail.vision.datasets"),
    "torchvision.datasets.cifar": Names("dovetail.vision.datasets"),
    "torchvision.utils": Names("dovetail.vision.utils"),
}
