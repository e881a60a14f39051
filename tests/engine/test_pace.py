"""One thread or the team: simulated programs on idle and busy machines."""

import random

import pytest

import dovetail as dv
from dovetail.base.config import config
from dovetail.engine.pace import Pace
from dovetail.runtime.pool import APART
from dovetail.tensor.recorder import current


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setattr(config, "threads", 2)


def total(pace, runs, times, seed=0):
    """Simulate; returns the number of runs on the team. times(threads, run) in nanoseconds."""
    dice, on_team = random.Random(seed), 0
    for k in range(runs):
        threads = pace.order & 255
        on_team += threads > 1
        spike = 4e6 if dice.random() < 0.03 else 0.0  # another process takes a time slice
        pace.note(times(threads, k) * dice.uniform(0.9, 1.2) + spike)
    return on_team


def test_an_idle_machine_keeps_the_team():
    assert total(Pace(None, 200e3), 2000, lambda threads, k: 200e3 / threads) > 1800


def test_a_busy_machine_runs_on_one_thread():
    assert total(Pace(None, 100e3), 2000, lambda threads, k: 100e3 if threads == 1 else 700e3) < 150


def test_the_choice_follows_the_machine():
    pace = Pace(None, 200e3)
    idle = lambda threads, k: 200e3 / threads  # noqa: E731
    busy = lambda threads, k: 200e3 if threads == 1 else 900e3  # noqa: E731
    assert total(pace, 1000, idle) > 850
    assert total(pace, 1000, busy) < 150
    assert total(pace, 6000, idle) > 1500


def test_a_program_that_may_not_fly_after_all_goes_on_trying(monkeypatch):
    monkeypatch.setattr(config, "tier", 2)
    x, orders = dv.rand(128, 128), []
    for _ in range(300):
        y = x @ x
        y._settle()
        pace = current().last.program.pace
        pace.may_fly = True  # as if it could have flown once
        orders.append(pace.order)
    tried = [order for order in orders if order & APART]
    assert pace.watched
    assert 0 < len(tried) < 150


def test_only_who_runs_on_the_team_leaves_the_compiler_a_processor(monkeypatch):
    monkeypatch.setattr(config, "threads", 8)
    for work, threads in ((10e3, 1), (100e3, 1), (5e6, 7)):
        pace = Pace(None, work)
        assert pace.spare & 255 == threads


def test_where_there_is_no_choice_nothing_is_watched(monkeypatch):
    assert not Pace(None, 10e3).watched and not Pace(1, 5e6).watched
    assert Pace(None, 100e3).order & 255 == 1  # a brief program begins on one thread
    pace = Pace(None, 5e6)
    assert pace.watched and pace.order & 255 == 2
    monkeypatch.setattr(config, "threads", 1)
    pace.obey()
    assert not pace.watched and pace.order & 255 == 1
