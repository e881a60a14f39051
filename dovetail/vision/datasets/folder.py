"""Pictures in folders named for their classes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dovetail.base.errors import FileError, message
from dovetail.data.dataset import Dataset
from dovetail.vision.transforms.pictures import pillow

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def default_loader(path: str) -> Any:
    """The PIL image of a file, in RGB.

    Raises: MissingExtra without Pillow.
    """
    with open(path, "rb") as file:
        return pillow("ImageFolder").open(file).convert("RGB")


class DatasetFolder(Dataset):
    """Files in root/class/.../name; the classes are the sorted folder names.

    Item: (what `loader` makes of the path, then `transform`; the class's place, then `target_transform`).
    Raises: FileError if there are no folders, or a class has no file.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        self.root, self.loader, self.extensions = str(root), loader, extensions
        self.transform, self.target_transform = transform, target_transform
        self.classes, self.class_to_idx = self.find_classes(self.root)
        valid = is_valid_file or (lambda path: not extensions or path.lower().endswith(extensions))
        self.samples = [
            (path, place) for name, place in self.class_to_idx.items() for path in self._files(name, valid, allow_empty)
        ]
        self.imgs, self.targets = self.samples, [place for _, place in self.samples]

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """(class names, name -> place)."""
        folder = Path(directory).expanduser()
        classes = sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
        if not classes:
            cure = "Expected one folder for each class, as in root/dog/1.png."
            raise FileError(message(type(self).__name__, "there are no class folders", [("root", directory)], cure))
        return classes, {name: place for place, name in enumerate(classes)}

    def _files(self, name: str, valid: Callable[[str], bool], allow_empty: bool) -> list[str]:
        """The files of one class, in order."""
        folder = Path(self.root).expanduser() / name
        walked = sorted(os.walk(folder, followlinks=True))
        paths = (os.path.join(place, file) for place, _, files in walked for file in sorted(files))
        found = [path for path in paths if valid(path)]
        if not found and not allow_empty:
            facts = [("folder", str(folder)), ("endings", ", ".join(self.extensions or ("any",)))]
            raise FileError(message(type(self).__name__, f"class {name!r} has no file", facts))
        return found

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        sample = self.loader(path)
        shown = self.transform(sample) if self.transform else sample
        return shown, self.target_transform(target) if self.target_transform else target


class ImageFolder(DatasetFolder):
    """Pictures in root/class/name.png and the like, read by Pillow."""

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        super().__init__(root, loader, ENDINGS, transform, target_transform, is_valid_file, allow_empty)
