"""Learning-rate schedules against numbers that PyTorch gave, saving and resuming, averaged models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from optim_cases import SCHEDULES, losses

import dovetail
from dovetail import nn, optim
from dovetail.optim import lr_scheduler
from dovetail.optim.swa_utils import SWALR, AveragedModel, get_ema_avg_fn, update_bn

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())["schedules"]


def optimizer_of_two_groups():
    params = [nn.Parameter(dovetail.ones(2)) for _ in range(2)]
    return optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.05}], lr=0.1, momentum=0.9)


def advance(schedule, optimizer, loss: float) -> list[float]:
    optimizer.step()
    if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
        schedule.step(loss)
    else:
        schedule.step()
    return [g["lr"] for g in optimizer.param_groups] + [g["momentum"] for g in optimizer.param_groups]


@pytest.mark.parametrize("name", SCHEDULES)
def test_agrees_with_torch(name):
    optimizer = optimizer_of_two_groups()
    schedule = SCHEDULES[name](lr_scheduler, optimizer)
    rows = [advance(schedule, optimizer, loss) for loss in losses()]
    np.testing.assert_allclose(rows, REFERENCE[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_saved_and_resumed(name):
    values = losses()
    optimizer = optimizer_of_two_groups()
    schedule = SCHEDULES[name](lr_scheduler, optimizer)
    for loss in values[:7]:
        advance(schedule, optimizer, loss)
    other = optimizer_of_two_groups()
    resumed = SCHEDULES[name](lr_scheduler, other)
    other.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    rows = [advance(resumed, other, loss) for loss in values[7:]]
    np.testing.assert_allclose(rows, REFERENCE[name][7:], rtol=1e-9, atol=1e-12)


def test_step_before_the_optimizers_is_noticed():
    schedule = lr_scheduler.StepLR(optimizer_of_two_groups(), 2)
    with pytest.warns(UserWarning, match="optimizer.step"):
        schedule.step()


def test_wrong_arguments():
    with pytest.raises(TypeError):
        lr_scheduler.StepLR(nn.Linear(1, 1), 2)
    with pytest.raises(ValueError):
        lr_scheduler.OneCycleLR(optimizer_of_two_groups(), 0.1)
    with pytest.raises(KeyError):
        lr_scheduler.StepLR(optimizer_of_two_groups(), 2, last_epoch=3)


def test_averaged_model():
    model = nn.Linear(2, 1)
    average, running = AveragedModel(model), AveragedModel(model, avg_fn=get_ema_avg_fn(0.5))
    for value in (1.0, 2.0, 6.0):
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        running.update_parameters(model)
    assert average.module.weight.tolist() == [[3.0, 3.0]]
    assert running.module.weight.tolist() == [[3.75, 3.75]]
    assert average.n_averaged.item() == 3
    assert average(dovetail.zeros(1, 2)).shape == (1, 1)


def test_update_bn_takes_the_statistics_of_the_data():
    model = nn.BatchNorm1d(3)
    data = dovetail.arange(24.0).view(8, 3)
    update_bn([data[:4], data[4:]], model)
    np.testing.assert_allclose(model.running_mean.numpy(), data.numpy().mean(0), rtol=1e-6)
    assert model.momentum == 0.1


def test_swalr_goes_to_its_rate():
    optimizer = optimizer_of_two_groups()
    schedule = SWALR(optimizer, swa_lr=0.01, anneal_epochs=3)
    rates = []
    for _ in range(5):
        optimizer.step()
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.0775, 0.0325, 0.01, 0.01, 0.01])
