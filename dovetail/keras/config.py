"""keras.config: the default float type, the small constant and the image layout."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError, message

_settings = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last", "backend": "dovetail"}
FLOATS = ("bfloat16", "float16", "float32", "float64")


def floatx() -> str:
    """The float type of new weights and inputs, 'float32' unless set_floatx changed it."""
    return _settings["floatx"]  # type: ignore[return-value]


def set_floatx(value: str) -> None:
    """Set the float type of new weights and inputs. Raises ArgumentError for anything but a float type's name."""
    if value not in FLOATS:
        raise ArgumentError(
            message("set_floatx", f"unknown floatx {value!r}", cure=f"Expected one of: {', '.join(FLOATS)}")
        )
    _settings["floatx"] = value


def epsilon() -> float:
    """The small number that losses and metrics keep away from zero with."""
    return _settings["epsilon"]  # type: ignore[return-value]


def set_epsilon(value: float) -> None:
    """Set the number that epsilon() gives."""
    _settings["epsilon"] = float(value)


def image_data_format() -> str:
    """'channels_last' or 'channels_first': what layers take where they are not told."""
    return _settings["image_data_format"]  # type: ignore[return-value]


def set_image_data_format(data_format: str) -> None:
    """Set the default layout of images. Raises ArgumentError for anything but the two names."""
    _settings["image_data_format"] = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """The layout's name, the default for None."""
    if data_format is None:
        return image_data_format()
    name = str(data_format).lower()
    if name not in ("channels_first", "channels_last"):
        raise ArgumentError(
            message(
                "data_format", f"unknown layout {data_format!r}", cure="Expected 'channels_first' or 'channels_last'"
            )
        )
    return name


def backend() -> str:
    """The name of the engine. Source: keras.config.backend."""
    return _settings["backend"]  # type: ignore[return-value]


_traceback_filtering = [True]
_interactive = [True]


def enable_traceback_filtering() -> None:
    """Accepted; tracebacks here are short anyway."""
    _traceback_filtering[0] = True


def disable_traceback_filtering() -> None:
    """Accepted."""
    _traceback_filtering[0] = False


def is_traceback_filtering_enabled() -> bool:
    return _traceback_filtering[0]


def enable_interactive_logging() -> None:
    """Print progress on standard output (the default)."""
    _interactive[0] = True


def disable_interactive_logging() -> None:
    """Write no progress lines."""
    _interactive[0] = False


def is_interactive_logging_enabled() -> bool:
    return _interactive[0]


def enable_unsafe_deserialization() -> None:
    """Let load_model run code that comes with the file (Lambda layers)."""
    _settings["unsafe"] = True  # type: ignore[assignment]


def unsafe_deserialization_enabled() -> bool:
    return bool(_settings.get("unsafe", False))


enable_flash_attention = disable_flash_attention = lambda: None


def is_flash_attention_enabled() -> bool:
    return False


def is_nnx_enabled() -> bool:
    return False
