"""torch.utils.dlpack: capsules over tensors' memory. This file is a door."""

from dovetail.tensor.dlpack import DLDeviceType, from_dlpack, to_dlpack

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]
