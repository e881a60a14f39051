"""Files of models: .keras archives (config, weights, optimizer), and weights as .weights.h5 or .safetensors."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, FileError, message, need
from dovetail.keras import lookup
from dovetail.keras.layers.layer import Layer, weight_path, write
from dovetail.keras.naming import snake_case
from dovetail.nn.module import Module

KERAS_VERSION = "3.15.1"
H5, NPZ = "model.weights.h5", "model.weights.npz"


# -- whole models
# --------------------------------------------------------------------------------------------------------


def save_model(model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True, **kwargs) -> None:
    """Write config, weights and optimizer state into a .keras archive, atomically."""
    path = Path(os.fspath(filepath))
    if path.suffix != ".keras":
        raise ArgumentError(
            message(
                "model.save",
                f"the name {str(path)!r} needs the extension .keras",
                [],
                f"model.save({str(path.with_suffix('') if path.suffix in ('.h5', '.hdf5') else path)!r} + '.keras') "
                "saves the whole model (write "
                f"'{path.stem}.keras'); model.export('{path.name}') would write a bundle for serving; weights alone: "
                f"save_weights('{path.stem}.weights.h5')",
            )
        )
    if path.exists() and not overwrite:
        raise FileError(message("model.save", f"the file {path} exists already", cure="Pass overwrite=True"))
    replace_file(path, archive_of(model, include_optimizer))


def archive_of(model: Any, include_optimizer: bool = True) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(
            "metadata.json",
            json.dumps({"keras_version": KERAS_VERSION, "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S")}),
        )
        config = lookup.serialize(model)
        config["compile_config"] = safe_compile_config(model)
        config["build_config"] = getattr(model, "_build_shapes", None)
        archive.writestr("config.json", json.dumps(config, default=plain))
        store = weight_store(model, include_optimizer)
        if has_h5py():
            archive.writestr(H5, h5_bytes(store))
        else:
            archive.writestr(NPZ, npz_bytes(store))
    return buffer.getvalue()


def safe_compile_config(model: Any) -> Any:
    try:
        return model.get_compile_config() if hasattr(model, "get_compile_config") else None
    except ArgumentError:  # a lambda as loss: the model can be saved, but not compiled again from the file
        return None


def plain(x: Any) -> Any:
    if isinstance(x, (np.integer, np.floating, np.bool_)):
        return x.item()
    if isinstance(x, np.ndarray):
        return x.tolist()
    if isinstance(x, (set, frozenset)):
        return list(x)
    return getattr(x, "name", None) or str(x)


def load_model(filepath: Any, custom_objects: dict | None = None, compile: bool = True, safe_mode: bool = True) -> Any:
    """A model from a .keras archive. Raises FileError for a file that is damaged or of another kind."""
    path = Path(os.fspath(filepath))
    if not path.exists():
        raise FileError(
            message(
                "load_model", f"there is no file {path}", cure="Check the name; model.save(...) writes .keras files"
            )
        )
    if path.suffix in (".h5", ".hdf5"):
        raise FileError(
            message(
                "load_model",
                f"{path.name} is a file of the older HDF5 format, which is not covered",
                cure="Save it as .keras with Keras 3, or load its weights with load_weights",
            )
        )
    try:
        content = path.read_bytes()
        return from_bytes(content, custom_objects, compile)
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, EOFError) as error:
        raise FileError(
            message("load_model", f"{path} is damaged or no .keras file", [("problem", str(error))])
        ) from error


def as_bytes(model: Any) -> bytes:
    return archive_of(model)


def from_bytes(content: bytes, custom_objects: dict | None = None, compile: bool = True) -> Any:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        config = json.loads(archive.read("config.json"))
        with lookup.CustomObjectScope(custom_objects or {}):
            model = lookup.deserialize(config)
            build = config.get("build_config")
            if build and not model.built and hasattr(model, "build_from_config"):
                model.build_from_config(build)
            if compile and config.get("compile_config"):
                model.compile_from_config(config["compile_config"])
        names = archive.namelist()
        store = h5_store(archive.read(H5)) if H5 in names else npz_store(archive.read(NPZ))
    fill(model, store, False, "load_model")
    return model


def to_json(model: Any, **kwargs) -> str:
    return json.dumps(lookup.serialize(model), default=plain, **kwargs)


def model_from_json(text: str, custom_objects: dict | None = None) -> Any:
    """A model from the text of `to_json`."""
    return lookup.deserialize(json.loads(text), custom_objects)


# -- weights
# -------------------------------------------------------------------------------------------------------------


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write the weights; the suffix decides the format."""
    path = Path(os.fspath(filepath))
    if path.exists() and not overwrite:
        raise FileError(message("save_weights", f"the file {path} exists already", cure="Pass overwrite=True"))
    if str(path).endswith(".weights.h5"):
        need_h5py("save_weights")
        replace_file(path, h5_bytes(weight_store(model, False)))
    elif path.suffix == ".safetensors":
        replace_file(path, safetensors_bytes(named_weights(model)))
    elif path.suffix == ".npz":
        replace_file(path, npz_bytes(weight_store(model, False)))
    else:
        raise ArgumentError(
            message(
                "save_weights",
                f"the name {path.name!r} says no format",
                [],
                f"Use {path.name + '.weights.h5'!r} or {path.name + '.safetensors'!r}",
            )
        )


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **kwargs) -> None:
    """Read weights; nothing is written unless all fit (or skip_mismatch)."""
    path = Path(os.fspath(filepath))
    if not path.exists():
        raise FileError(message("load_weights", f"there is no file {path}"))
    if str(path).endswith(".h5"):
        need_h5py("load_weights")
        fill(model, h5_store(path.read_bytes()), skip_mismatch, "load_weights")
    elif path.suffix == ".safetensors":
        fill_named(model, safetensors_store(path), skip_mismatch)
    elif path.suffix == ".npz":
        fill(model, npz_store(path.read_bytes()), skip_mismatch, "load_weights")
    elif path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            fill(
                model,
                h5_store(archive.read(H5)) if H5 in names else npz_store(archive.read(NPZ)),
                skip_mismatch,
                "load_weights",
            )
    else:
        raise ArgumentError(
            message(
                "load_weights", f"the name {path.name!r} says no format", cure="Use .weights.h5, .safetensors or .keras"
            )
        )


def named_weights(model: Any) -> dict[str, np.ndarray]:
    """Weights by path, numbered where two have the same."""
    found: dict[str, np.ndarray] = {}
    for v in model.weights:
        name = weight_path(v)
        base, i = name, 1
        while name in found:
            name, i = f"{base}_{i}", i + 1
        found[name] = v._array()
    return found


def fill_named(model: Any, store: dict[str, np.ndarray], skip: bool) -> None:
    mine = list(model.weights)
    names = list(named_weights(model))
    if (
        set(names) != set(store)
        and len(store) == len(names)
        and list(a.shape for a in store.values()) == [tuple(v._meta.shape) for v in mine]
    ):
        names = list(store)  # the same model under other automatic names
    missing = [n for n in names if n not in store]
    wrong = [f"{n}: the file has {store[n].shape}, the model "
        f"{tuple(v._meta.shape)}" for n, v in zip(names, mine, strict=True)
             if n in store and store[n].shape != tuple(v._meta.shape)]  # fmt: skip
    if (missing or wrong) and not skip:
        raise ArgumentError(
            message("load_weights", "the file does not fit the model", [*(f"missing: {n}" for n in missing), *wrong])
        )
    for n, v in zip(names, mine, strict=True):
        if n in store and store[n].shape == tuple(v._meta.shape):
            write(v, store[n])


# -- the layout of Keras's weight files: a group for each layer, by attribute or by class
# --------------------------------------


def weight_store(model: Any, include_optimizer: bool) -> dict[str, np.ndarray]:
    """'layers/dense/vars/0' -> array, as Keras 3 names them."""
    store: dict[str, np.ndarray] = {}
    for path, layer in places(model):
        for i, v in enumerate(own_weights(layer)):
            store[f"{path}vars/{i}"] = v._array()
    optimizer = getattr(model, "optimizer", None)
    if include_optimizer and optimizer is not None and hasattr(optimizer, "save_own_variables") and optimizer.built:
        kept: dict[str, np.ndarray] = {}
        optimizer.save_own_variables(kept)
        store.update({f"optimizer/vars/{k}": v for k, v in kept.items()})
    return store


def own_weights(layer: Any) -> list:
    return list(layer._tracked()) if isinstance(layer, Layer) else [p for p in walk_own(layer)]


def walk_own(module: Module):
    yield from (p for p in module._parameters.values() if p is not None)
    yield from (b for b in module._buffers.values() if b is not None)


def places(model: Any, path: str = "", seen: set | None = None):
    """(path in the file, layer) of the model and everything below, each once."""
    seen = set() if seen is None else seen
    if id(model) in seen:
        return
    seen.add(id(model))
    yield path, model
    if hasattr(model, "layers") and isinstance(model, Layer):
        counts: dict[str, int] = {}
        for layer in model.layers:
            name = snake_case(type(layer).__name__)
            count = counts.get(name, 0)
            counts[name] = count + 1
            yield from places(layer, f"{path}layers/{name if not count else f'{name}_{count}'}/", seen)
        return
    for name, child in model._modules.items():
        if child is not None:
            yield from places(child, f"{path}{name}/", seen)


def fill(model: Any, store: dict[str, np.ndarray], skip: bool, call: str) -> None:
    """Write stored weights into the model, after everything was compared."""
    pairs, problems = [], []
    for path, layer in places(model):
        mine = own_weights(layer)
        for i, v in enumerate(mine):
            key = f"{path}vars/{i}"
            if key not in store:
                problems.append(f"missing in the file: {weight_path(v)} ({key})")
            elif store[key].shape != tuple(v._meta.shape):
                problems.append(f"{weight_path(v)}: the file has {store[key].shape}, the model {tuple(v._meta.shape)}")
            else:
                pairs.append((v, store[key]))
    if problems and not skip:
        cure = (
            "" if model.built else "The model is not built yet: call it on data, or build(input_shape), before loading"
        )
        raise ArgumentError(message(call, "the file does not fit the model", problems[:8], cure))
    for v, array in pairs:
        write(v, array)
    optimizer = getattr(model, "optimizer", None)
    kept = {k.removeprefix("optimizer/vars/"): a for k, a in store.items() if k.startswith("optimizer/vars/")}
    if kept and optimizer is not None and hasattr(optimizer, "load_own_variables"):
        optimizer.build(model.trainable_variables)
        optimizer.load_own_variables(kept)


# -- bytes
# ---------------------------------------------------------------------------------------------------------------


def has_h5py() -> bool:
    try:
        import h5py  # noqa: F401
    except ImportError:
        return False
    return True


def need_h5py(call: str) -> Any:
    return need("h5py", "keras-io", f"{call} with .weights.h5")


def h5_bytes(store: dict[str, np.ndarray]) -> bytes:
    h5py = need_h5py("save_weights")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in store.items():
            file.create_dataset(name, data=array)
    return buffer.getvalue()


def h5_store(content: bytes) -> dict[str, np.ndarray]:
    h5py = need_h5py("load_weights")
    found: dict[str, np.ndarray] = {}
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            file.visititems(
                lambda name, item: found.__setitem__(name, np.array(item)) if isinstance(item, h5py.Dataset) else None
            )
    except OSError as error:
        raise FileError(
            message("load_weights", "the file is damaged or no HDF5 file", [("problem", str(error))])
        ) from error
    return found


def npz_bytes(store: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **store)
    return buffer.getvalue()


def npz_store(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def safetensors_bytes(named: dict[str, np.ndarray]) -> bytes:
    """The safetensors layout: length of the header, JSON header, raw little-endian data."""
    kinds = {
        "float32": "F32",
        "float64": "F64",
        "float16": "F16",
        "bfloat16": "BF16",
        "int64": "I64",
        "int32": "I32",
        "int16": "I16",
        "int8": "I8",
        "uint8": "U8",
        "bool": "BOOL",
    }
    header: dict[str, Any] = {"__metadata__": {"format": "dovetail"}}
    parts, at = [], 0
    for name, array in named.items():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {
            "dtype": kinds[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + len(data)],
        }
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def safetensors_store(path: Path) -> dict[str, np.ndarray]:
    kinds = {
        "F32": np.float32,
        "F64": np.float64,
        "F16": np.float16,
        "I64": np.int64,
        "I32": np.int32,
        "I16": np.int16,
        "I8": np.int8,
        "U8": np.uint8,
        "BOOL": np.bool_,
    }
    content = path.read_bytes()
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        found = {}
        for name, facts in header.items():
            if name != "__metadata__":
                start, stop = facts["data_offsets"]
                data = content[8 + size + start : 8 + size + stop]
                found[name] = np.frombuffer(data, kinds[facts["dtype"]]).reshape(facts["shape"])
        return found
    except (ValueError, KeyError) as error:
        raise FileError(
            message("load_weights", f"{path} is damaged or no safetensors file", [("problem", str(error))])
        ) from error


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


__all__ = ["load_model", "load_weights", "model_from_json", "save_model", "save_weights"]
