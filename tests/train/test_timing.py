"""torch.utils.benchmark: what is measured is the work, and reports read like torch's."""

import pytest

import dovetail
from dovetail.utils.benchmark import Compare, Measurement, Timer, select_unit, trim_sigfig


def test_the_work_is_measured_and_not_its_recording():
    """A result that nobody reads is never computed; the timer keeps it."""
    small, large = dovetail.rand(8, 8), dovetail.rand(512, 512)
    quick = Timer("x @ x", globals={"x": small}).timeit(3)
    slow = Timer("x @ x", globals={"x": large}).timeit(3)
    assert slow.median > 3 * quick.median  # 260,000 times the arithmetic


def test_reports():
    times = [[1.0e-3, 1.1e-3, 1.2e-3, 1.1e-3], [2.0e-6] * 4]
    made = [
        Measurement(1, t, Timer("f(x)", label="work", sub_label=name, description="ours").task_spec)
        for t, name in zip(times, ("long", "short"), strict=True)
    ]
    assert made[0].median == pytest.approx(1.1e-3) and made[0].iqr == pytest.approx(5e-5)
    assert "1.10 ms" in repr(made[0]) and "work: long" in repr(made[0]) and "4 measurements" in repr(made[0])
    table = Compare(made)
    assert "Times are in microseconds (us)." in str(table) and "1100.0" in str(table)
    table.trim_significant_figures()
    assert "1100" in str(table) and "1100.0" not in str(table)
    assert len(Measurement.merge([made[1], made[1]])[0].times) == 8
    assert select_unit(0.002) == ("ms", 1e-3) and trim_sigfig(1234.5, 2) == 1200


def test_ranges_and_statements():
    calls = []
    timer = Timer("y = f()\ny", setup="f = g", globals={"g": lambda: calls.append(1)})
    assert timer.blocked_autorange(min_run_time=0.01).number_per_run >= 1 and calls
    assert timer.adaptive_autorange(max_run_time=0.05).median > 0
    with pytest.raises(ValueError, match="language"):
        Timer("1;", language="c++")
