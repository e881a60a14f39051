"""GradScaler: losses are scaled up so that small gradients survive float16, and steps that overflowed are left out.

Where the loss itself is not finite, or no scale is low enough, scaling cannot help: that is said once, with the layer
and the step (`overflow.py`).

Source: Micikevicius et al. 2018; the behaviour of torch.amp.GradScaler 2.13.
"""

from __future__ import annotations

from collections import defaultdict
from enum import Enum
from typing import Any

from dovetail.base.dtypes import float16, float32
from dovetail.base.errors import ArgumentError, GradientError, message, warn
from dovetail.ops.compare import all_finite
from dovetail.ops.elementwise import mul
from dovetail.optim import overflow
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor


class OptState(Enum):
    """What has been done with one optimizer since the last update()."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def fresh_state() -> dict[str, Any]:
    return {"stage": OptState.READY, "finite": None}


class GradScaler:
    """Scales losses and leaves out the steps whose gradients are infinite or NaN.

    device: "cpu", or a kind that is not there ("cuda"), for which the scaler warns and does nothing, as in torch.
    init_scale, growth_factor, backoff_factor, growth_interval: the scale starts at init_scale, is multiplied by
    backoff_factor after a step that was left out and by growth_factor after growth_interval good ones in a row.

        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        self._device, self._enabled = device, enabled
        if enabled and device != "cpu":
            problem = f"GradScaler is enabled, but there is no device {device!r} here. Disabling"
            warn(message("GradScaler", problem, cure='GradScaler("cpu") works on the CPU'))
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._good_steps = 0
        self._set_scale(float(init_scale))
        self._states: defaultdict[int, dict[str, Any]] = defaultdict(fresh_state)
        self._losses: list[Tensor] = []
        self._steps = 0
        self._told = False

    def _set_scale(self, value: float) -> None:
        self._scale_value = value
        self._scale = Tensor.from_data(value, float32)
        self._inverse = Tensor.from_data(1.0 / value if value else float("inf"), float32)

    # -- a step ------------------------------------------------------------------------------------------------------

    def scale(self, outputs: Any) -> Any:
        """A tensor, or tensors in nested containers, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            self._losses.append(outputs.detach())
            return mul(outputs, self._scale)
        if isinstance(outputs, (list, tuple)):
            made = [self.scale(o) for o in outputs]
            return type(outputs)(*made) if hasattr(outputs, "_fields") else type(outputs)(made)
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise ArgumentError(message("GradScaler.scale", "outputs must be a Tensor or an iterable of Tensors"))

    def unscale_(self, optimizer: Any) -> None:
        """Divide the optimizer's gradients by the scale, e.g. to clip them before step().

        Raises: GradientError (a RuntimeError) for a second call before update().
        """
        if not self._enabled:
            return
        state = self._states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise GradientError(
                message("GradScaler", "unscale_() has already been called on this optimizer since the last update().")
            )
        if state["stage"] is OptState.STEPPED:
            raise GradientError(message("GradScaler", "unscale_() is being called after step()."))
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            if g.dtype is float16:
                raise ArgumentError(
                    message(
                        "GradScaler",
                        "Attempting to unscale FP16 gradients.",
                        [("gradient", g)],
                        "Keep the parameters in float32 and let autocast convert them: no model.half()",
                    )
                )
        with no_grad():
            state["finite"] = all_finite(*grads) if grads else None
            for g in grads:
                g.mul_(self._inverse)
        state["stage"] = OptState.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """optimizer.step(), unless a gradient is infinite or NaN. Returns what the step returned, else None.

        Raises: GradientError (a RuntimeError) for a closure, and for a second call before update().
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise GradientError(
                message("GradScaler.step", "Closure use is not currently supported if GradScaler is enabled.")
            )
        state = self._states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise GradientError(message("GradScaler", "step() has already been called since the last update()."))
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if state["finite"] is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        self._steps += 1
        fine = state["finite"] = bool(state["finite"])
        state["stage"] = OptState.STEPPED
        if fine:
            return optimizer.step(*args, **kwargs)
        self._explain(optimizer)
        return None

    def _explain(self, optimizer: Any) -> None:
        """Say, once, where an overflow comes from that no scale can mend."""
        if self._told:
            return
        evidence = overflow.Evidence()
        spoiled = not all(bool(all_finite(loss)) for loss in self._losses)
        if spoiled or self._scale_value <= 1.0:
            self._told = True
            warn(overflow.report(optimizer, evidence, self._steps, self._scale_value, spoiled))

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Lower or raise the scale after the steps of all optimizers; new_scale sets it.

        Raises: AssertionError where no optimizer has been stepped since the last update().
        """
        if not self._enabled:
            return
        if new_scale is not None:
            self._set_scale(float(new_scale))
        else:
            found = [s["finite"] for s in self._states.values() if s["finite"] is not None]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            self._adapt(all(bool(f) for f in found))
        self._states.clear()
        self._losses.clear()

    def _adapt(self, fine: bool) -> None:
        if not fine:
            self._good_steps = 0
            self._set_scale(self._scale_value * self._backoff_factor)
            return
        self._good_steps += 1
        if self._good_steps == self._growth_interval:
            self._good_steps = 0
            raised = self._scale_value * self._growth_factor
            if raised < 3.4e38:
                self._set_scale(raised)

    # -- settings ----------------------------------------------------------------------------------------------------

    def get_scale(self) -> float:
        """The scale; 1 where the scaler is disabled."""
        return self._scale_value if self._enabled else 1.0

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def get_growth_factor(self) -> float:
        """By what the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Change by what the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """By what the scale is multiplied after a step that was left out."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Change by what the scale is multiplied after a step that was left out."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many good steps in a row the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Change after how many good steps in a row the scale grows."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """Scale and counters, by torch's names; empty where the scaler is disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale_value,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._good_steps,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved state.

        Raises: GradientError (a RuntimeError) for the empty state of a disabled scaler.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise GradientError(
                message(
                    "GradScaler",
                    "The source state dict is empty, possibly because it was saved from a disabled instance of "
                    "GradScaler.",
                )
            )
        self._set_scale(float(state_dict["scale"]))
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._good_steps = int(state_dict["_growth_tracker"])

    def __getstate__(self) -> dict[str, Any]:
        if self._enabled and self._states:
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end after "
                "scaler.update()."
            )
        return {k: v for k, v in vars(self).items() if k not in ("_scale", "_inverse", "_states", "_losses")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._enabled:
            self._states, self._losses = defaultdict(fresh_state), []
            self._set_scale(self._scale_value)


