"""Models by name, and the `weights` argument of every model.

No trained weights come with Dovetail, and none are downloaded. A published file that is already where PyTorch keeps
them is read, and so is any file whose path is given as `weights`.
"""

from __future__ import annotations

import difflib
import fnmatch
import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from dovetail import nn
from dovetail.base.errors import ArgumentError, FileError, message
from dovetail.io.hub import get_dir
from dovetail.io.safetensors import load_file
from dovetail.io.torch_file import load
from dovetail.vision.transforms.pictures import InterpolationMode
from dovetail.vision.transforms.presets import ImageClassification

SITE = "https://download.pytorch.org/models/"
FILES = (".pth", ".pt", ".bin", ".safetensors")
BICUBIC = InterpolationMode.BICUBIC
MODELS: dict[str, Callable[..., nn.Module]] = {}
TRAINED: dict[str, type[WeightsEnum]] = {}


@dataclass(frozen=True)
class Weights:
    """One published set of weights.

    url: where its authors keep it. transforms: makes the preparation that pictures need. meta: facts about it.
    """

    url: str
    transforms: Callable[[], nn.Module]
    meta: Mapping[str, Any] = field(compare=False)

    @property
    def file(self) -> Path:
        """Where PyTorch keeps the file once it is there."""
        return checkpoints() / self.url.rpartition("/")[2]

    def get_state_dict(self, progress: bool = True, check_hash: bool = False) -> Mapping[str, Any]:
        """The tensors by name.

        Raises: FileError if the file is not there: nothing is downloaded.
        """
        if not self.file.is_file():
            facts = [("file", str(self.file)), ("published as", self.url)]
            cure = "Put that file there, or give weights=the path of a file of your own (.pth or .safetensors)."
            raise FileError(
                message("weights", "trained weights are not part of Dovetail and none are downloaded", facts, cure)
            )
        return load(self.file)


class WeightsEnum(Enum):
    """The published weights of one model; DEFAULT are the best."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """A member by itself or by name; None stays None."""
        if isinstance(obj, str):
            name = obj.replace(cls.__name__ + ".", "")
            if name not in cls.__members__:
                facts = [("weights", obj), ("known", ", ".join(cls.__members__))]
                raise ArgumentError(message(cls.__name__, "there are no weights of that name", facts))
            return cls[name]
        if obj is not None and not isinstance(obj, cls):
            facts = [("weights", str(obj)), ("takes", cls.__name__)]
            raise ArgumentError(message(cls.__name__, "these are the weights of another model", facts))
        return obj

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """The tensors by name, from the file on this machine."""
        return self.value.get_state_dict(*args, **kwargs)

    @property
    def url(self) -> str:
        """Where its authors keep the file."""
        return self.value.url

    @property
    def transforms(self) -> Callable[[], nn.Module]:
        """`weights.transforms()` makes what prepares a picture for the model."""
        return self.value.transforms

    @property
    def meta(self) -> Mapping[str, Any]:
        """Facts: how many parameters."""
        return self.value.meta


def imagenet(
    file: str,
    num_params: int,
    crop: int = 224,
    resize: int = 256,
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    mean: tuple[float, ...] = (0.485, 0.456, 0.406),
    std: tuple[float, ...] = (0.229, 0.224, 0.225),
) -> Weights:
    """Weights learnt on ImageNet's thousand classes."""
    prepare = functools.partial(
        ImageClassification, crop_size=crop, resize_size=resize, interpolation=interpolation, mean=mean, std=std
    )
    return Weights(SITE + file, prepare, {"num_params": num_params})


def checkpoints() -> Path:
    """PyTorch's folder for downloaded weights: $TORCH_HOME/hub/checkpoints, by default below ~/.cache/torch."""
    return Path(get_dir()) / "checkpoints"


def model(
    trained: type[WeightsEnum] | None,
    published: Mapping[str, Any] = {},  # noqa: B006  never changed
    after: Callable[[Any, dict], None] = lambda made, options: None,
) -> Callable:
    """Decorates a function that makes a model: keeps it by name, and gives it `weights` and `progress`.

    published: options that the published weights need. after: what is done to the model once they are in it.

    weights: None, a member of `trained`, its name, "DEFAULT", or the path of a file of tensors by name.
    """

    def keep(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        name = make.__name__

        @functools.wraps(make)
        def build(*args: Any, weights: Any = None, progress: bool = True, **options: Any) -> nn.Module:
            if args:  # before 0.13 the first argument was `pretrained`
                weights, args = args[0], args[1:]
            weights = options.pop("pretrained", weights)
            if options.pop("weights_backbone", None) is not None or args:
                raise ArgumentError(message(name, "takes weights and options by name"))
            if weights is None or weights is False:
                return make(**options)
            tensors = tensors_of(name, trained, weights)
            made = make(**{**options, **published})
            made.load_state_dict(tensors)
            after(made, options)
            return made

        words = [*inspect.signature(make).parameters.values()]
        extra = [
            inspect.Parameter("weights", inspect.Parameter.KEYWORD_ONLY, default=None),
            inspect.Parameter("progress", inspect.Parameter.KEYWORD_ONLY, default=True),
        ]
        place = next((n for n, p in enumerate(words) if p.kind is p.VAR_KEYWORD), len(words))
        build.__signature__ = inspect.Signature([*words[:place], *extra, *words[place:]])  # type: ignore[attr-defined]
        MODELS[name] = build
        if trained is not None:
            TRAINED[name] = trained
        return build

    return keep


def tensors_of(name: str, trained: type[WeightsEnum] | None, weights: Any) -> Mapping[str, Any]:
    """What `weights` means, as tensors by name.

    Raises: FileError if the file is not there; ArgumentError if there are no such weights.
    """
    if isinstance(weights, os.PathLike) or (isinstance(weights, str) and weights.endswith(FILES)):
        path = Path(weights).expanduser()
        tensors = load_file(path) if path.suffix == ".safetensors" else load(path)
        inner = tensors.get("state_dict", tensors)
        return inner if isinstance(inner, Mapping) else tensors
    if trained is None:
        raise ArgumentError(message(name, "there are no published weights for it", [("weights", str(weights))]))
    member = trained["DEFAULT"] if weights is True else trained.verify(weights)
    return member.get_state_dict()


def get_model(name: str | Callable[..., nn.Module], **config: Any) -> nn.Module:
    """The model of that name, made with the other arguments.

    >>> get_model("lenet5", num_classes=3).num_classes
    3
    """
    return (name if callable(name) else get_model_builder(name))(**config)


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that makes the model of that name.

    Raises: ArgumentError naming the nearest that there is.
    """
    if name.lower() not in MODELS:
        near = difflib.get_close_matches(name.lower(), MODELS, 3)
        facts = [("nearest", ", ".join(near))] if near else []
        raise ArgumentError(message("get_model", f"Unknown model {name}", facts, "list_models() names them all."))
    return MODELS[name.lower()]


def get_model_weights(name: str | Callable[..., nn.Module]) -> type[WeightsEnum]:
    """The published weights of a model.

    Raises: ArgumentError if there are none.
    """
    known = name if isinstance(name, str) else name.__name__
    get_model_builder(known)
    if known not in TRAINED:
        raise ArgumentError(message("get_model_weights", f"there are no published weights for {known}"))
    return TRAINED[known]


def get_weight(name: str) -> WeightsEnum:
    """A member by its full name, as "ResNet50_Weights.IMAGENET1K_V2"."""
    kind, _, member = name.partition(".")
    found = next((each for each in TRAINED.values() if each.__name__ == kind), None)
    if found is None or member not in found.__members__:
        raise ArgumentError(message("get_weight", f"there are no weights {name!r}"))
    return found[member]


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """Names of the models that get_model makes, sorted; include and exclude are patterns as in file names."""
    names = {name for name, make in MODELS.items() if module is None or getattr(module, name, None) is make}
    for patterns, wanted in ((include, True), (exclude, False)):
        if patterns:
            rows = [patterns] if isinstance(patterns, str) else list(patterns)
            hit = {name for name in names if any(fnmatch.fnmatch(name, row) for row in rows)}
            names = hit if wanted else names - hit
    return sorted(names)
