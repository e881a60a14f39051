"""Averaged weights: AveragedModel (SWA, Izmailov et al. 2018, or an exponential mean), update_bn, SWALR.

Names and meaning are torch.optim.swa_utils's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

from dovetail.base.errors import ArgumentError
from dovetail.nn.layers.norm import _BatchNorm
from dovetail.nn.module import Module
from dovetail.optim.lr_scheduler import LRScheduler, per_group
from dovetail.optim.optimizer import Optimizer
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor


def check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ArgumentError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """An averaging function: decay * average + (1 - decay) * new."""
    check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable:
    """An averaging function: the mean of all values so far."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """get_ema_avg_fn for lists of tensors, in place."""
    one = get_ema_avg_fn(decay)

    @no_grad()
    def ema_update(ema_param_list, current_param_list, num_averaged) -> None:
        for average, new in zip(ema_param_list, current_param_list, strict=True):
            average.copy_(one(average, new, num_averaged))

    return ema_update


def get_swa_multi_avg_fn() -> Callable:
    """get_swa_avg_fn for lists of tensors, in place."""
    one = get_swa_avg_fn()

    @no_grad()
    def swa_update(averaged_param_list, current_param_list, num_averaged) -> None:
        for average, new in zip(averaged_param_list, current_param_list, strict=True):
            average.copy_(one(average, new, num_averaged))

    return swa_update


class AveragedModel(Module):
    """A copy of a model that holds averages of its parameters: call update_parameters(model) after steps.

    avg_fn(average, new, count) or multi_avg_fn(averages, news, count): how to average (default: the mean).
    use_buffers: average the buffers too; otherwise they are copied.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device=None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", Tensor.from_data(0))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present values into the averages."""
        averages, news = list(self._members(self.module)), [t.detach() for t in self._members(model)]
        with no_grad():
            if self.n_averaged.item() == 0:
                for average, new in zip(averages, news, strict=True):
                    average.copy_(new)
            else:
                self._average([a.detach() for a in averages], news)
            if not self.use_buffers:
                for mine, theirs in zip(self.module.buffers(), model.buffers(), strict=True):
                    mine.copy_(theirs)
            self.n_averaged += 1

    def _members(self, model: Module):
        return chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()

    def _average(self, averages, news) -> None:
        if self.multi_avg_fn is not None:
            self.multi_avg_fn(averages, news, self.n_averaged)
            return
        one = self.avg_fn or get_swa_avg_fn()
        for average, new in zip(averages, news, strict=True):
            average.copy_(one(average, new, self.n_averaged))


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device=None) -> None:
    """Run the data through the model once, so that its batch norms hold the statistics of the averaged weights."""
    norms = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not norms:
        return
    was_training = model.training
    model.train()
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # the plain mean over all batches
    for batch in loader:
        batch = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(batch if device is None else batch.to(device))
    for module, momentum in norms.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present rate to swa_lr over anneal_epochs, then constant. anneal_strategy: "cos" or "linear"."""

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for rate, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ArgumentError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """How far along the change is at share t of its time."""
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list:
        self._check_called_by_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        length = max(1, self.anneal_epochs)
        before = self.anneal_func(max(0, min(1, (step - 1) / length)))
        now = self.anneal_func(max(0, min(1, step / length)))
        rates = []
        for group in self.optimizer.param_groups:
            goal = group["swa_lr"]
            start = goal if before == 1 else (group["lr"] - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates


__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]
