"""keras.dtype_policies: in which types a layer computes and keeps its weights."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.keras.config import floatx
from dovetail.keras.dtypes import standardize_dtype
from dovetail.keras.lookup import table

_default: list[Any] = [None]


class DTypePolicy:
    """A type for computing and one for weights: 'float32', ..., or 'mixed_float16' and 'mixed_bfloat16'."""

    quantization_mode = None

    def __init__(self, name: str = "float32", **kwargs):
        if not isinstance(name, str):
            raise TypeError(
                f"'name' must be a string, such as 'mixed_float16'. Received: name={name} (of type {type(name)})"
            )
        self._name = name
        if name.startswith("mixed_"):
            if name not in ("mixed_float16", "mixed_bfloat16"):
                raise ArgumentError(
                    message(
                        "DTypePolicy",
                        f"unknown policy {name!r}",
                        cure="Expected 'mixed_float16', 'mixed_bfloat16' or a dtype",
                    )
                )
            self.compute_dtype, self.variable_dtype = name.removeprefix("mixed_"), "float32"
        else:
            self.compute_dtype = self.variable_dtype = standardize_dtype(name)

    @property
    def name(self) -> str:
        return self._name

    def get_config(self) -> dict[str, Any]:
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        return cls(**config)

    def __eq__(self, other) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are given none."""
    return _default[0] or DTypePolicy(floatx())


def set_dtype_policy(policy: Any) -> None:
    """Set the policy of layers made from now on."""
    _default[0] = get(policy)


def get(identifier: Any) -> DTypePolicy:
    """A policy from a name, a dtype, a config or a policy; the default for None."""
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return DTypePolicy.from_config(identifier["config"])
    if isinstance(identifier, str) and identifier.startswith("mixed_"):
        return DTypePolicy(identifier)
    return DTypePolicy(standardize_dtype(identifier))


def serialize(policy: DTypePolicy) -> dict[str, Any]:
    return {"module": "keras", "class_name": "DTypePolicy", "config": policy.get_config(), "registered_name": None}


def deserialize(config: Any, custom_objects=None) -> DTypePolicy:
    return get(config)


Policy = DTypePolicy
table("policy", "keras.dtype_policies").add(DTypePolicy)
