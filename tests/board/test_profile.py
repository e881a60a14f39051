"""The profiler: regions, steps by a schedule, tables, trace files."""

import json

import pytest

import dovetail
from dovetail.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)


def test_regions_and_their_table(tmp_path):
    x = dovetail.rand(64, 64)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as prof:
        with record_function("outer"):
            for _ in range(3):
                with record_function("inner"):
                    x @ x
    rows = {row.key: row for row in prof.key_averages()}
    assert rows["inner"].count == 3 and rows["outer"].count == 1
    assert rows["outer"].cpu_time_total >= rows["inner"].cpu_time_total > 0
    total = rows["outer"].self_cpu_time_total + rows["inner"].self_cpu_time_total
    assert total == pytest.approx(rows["outer"].cpu_time_total)
    lines = prof.key_averages().table(sort_by="cpu_time_total", row_limit=1).splitlines()
    assert "outer" in lines[3] and "inner" not in lines[3] and lines[-1].startswith("Self CPU time total")
    with pytest.raises(ValueError, match="no column"):
        prof.key_averages().table(sort_by="moon_time")
    prof.export_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [e["name"] for e in events] == ["inner"] * 3 + ["outer"]


def test_a_region_runs_what_was_recorded_in_it():
    x = dovetail.rand(8, 8)
    with profile():
        with record_function("work"):
            y = x @ x
        assert y._run is None  # it has its value


def test_a_schedule_chooses_steps(tmp_path):
    plan = schedule(skip_first=1, wait=1, warmup=1, active=2, repeat=2)
    none, warm, record, save = (getattr(ProfilerAction, n) for n in ("NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE"))
    cycle = [none, warm, record, save]
    assert [plan(i) for i in range(11)] == [none, *cycle, *cycle, none, none]
    seen, write = [], tensorboard_trace_handler(str(tmp_path), "worker")
    with profile(schedule=plan, on_trace_ready=lambda p: (seen.append([e.name for e in p.events()]), write(p))) as prof:
        for i in range(11):
            with record_function(f"body {i}"):
                pass
            prof.step()
    assert seen == [[f"{w}{n}" for n in pair for w in ("body ", "ProfilerStep#")] for pair in ((3, 4), (7, 8))]
    assert len(list(tmp_path.glob("worker.*.pt.trace.json"))) == 2


def test_decorated_and_outside():
    @record_function("f")
    def f():
        return 1

    assert f() == 1
    with dovetail.autograd.profiler.profile() as prof:
        f()
    assert [e.key for e in prof.key_averages()] == ["f"]
    with dovetail.autograd.profiler.profile(enabled=False) as prof:
        f()
    assert not prof.events()
