"""The thread team: barriers, launches from several Python threads, fork, denormals, the portable way of waiting."""

import ctypes
import dataclasses
import os
import platform
import re
import sys
import threading
import time

import pytest

from dovetail.runtime import native, pool
from dovetail.runtime.native import Code, object_code, resolve_target
from dovetail.runtime.team import FP_MODE, family, team_text

# counts[thread * 16] += threads in each of `rounds` rounds; a thread that is a round ahead of another sets args[2]
BODY = """
declare void @dv_barrier(ptr, i64)
define void @rounds(ptr %args, i64 %tid, i64 %nt, ptr %bar) {
entry:
  %counts = load ptr, ptr %args
  %np = getelementptr i64, ptr %args, i64 1
  %n = load i64, ptr %np
  %ep = getelementptr i64, ptr %args, i64 2
  %mine = getelementptr [16 x i64], ptr %counts, i64 %tid
  %t1 = add i64 %tid, 1
  %wrap = urem i64 %t1, %nt
  %theirs = getelementptr [16 x i64], ptr %counts, i64 %wrap
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i1, %next ]
  %v = load i64, ptr %mine
  %v1 = add i64 %v, 1
  store i64 %v1, ptr %mine
  call void @dv_barrier(ptr %bar, i64 %nt)
  %o = load i64, ptr %theirs
  %same = icmp eq i64 %o, %v1
  br i1 %same, label %next, label %bad
bad:
  store i64 1, ptr %ep
  br label %next
next:
  call void @dv_barrier(ptr %bar, i64 %nt)
  %i1 = add i64 %i, 1
  %c = icmp slt i64 %i1, %n
  br i1 %c, label %loop, label %done
done:
  ret void
}

; args[0] points at doubles: [1] * [2] goes to [0]
define void @multiply(ptr %args, i64 %tid, i64 %nt, ptr %bar) {
  %d = load ptr, ptr %args
  %ap = getelementptr double, ptr %d, i64 1
  %bp = getelementptr double, ptr %d, i64 2
  %a = load double, ptr %ap
  %b = load double, ptr %bp
  %p = fmul double %a, %b
  store double %p, ptr %d
  ret void
}

; every thread that takes part adds 1 to args[0]; [1] keeps the number of threads
define void @present(ptr %args, i64 %tid, i64 %nt, ptr %bar) {
  %old = atomicrmw add ptr %args, i64 1 seq_cst
  %p = getelementptr i64, ptr %args, i64 1
  store i64 %nt, ptr %p
  ret void
}
"""


class Job:
    """A body with a block of its own."""

    def __init__(self, team, code, name, threads, flush=False, release=True, apart=False):
        self.team = team
        self.block = (ctypes.c_uint64 * 16)()
        self.block[0] = code.address(name)
        self.block[1] = pool.order(threads, flush=flush, release=release, apart=apart)
        self.arguments = (ctypes.c_uint64 * 12).from_buffer(self.block, 8 * pool.HEADER)

    def __call__(self):
        self.team.call(ctypes.addressof(self.block), [], [])


def team_of(kind):
    """The process's team, or one whose threads wait on a pthread condition, or one called through ctypes."""
    if kind == "condition":
        return pool.load_team(object_code(team_text(system="someunix"), resolve_target("generic"), level=2))
    team = pool.team()
    if kind == "ctypes":
        call = pool.foreign_call(team.code.address("dv_run_block"))
        return dataclasses.replace(team, call=call, chain=None, apart=False)
    return team


@pytest.fixture(scope="module", params=["futex", "condition", "ctypes"])
def team(request):
    return team_of(request.param)


@pytest.fixture(scope="module")
def code(team):
    return Code(object_code(BODY, resolve_target()), team.symbols)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_nobody_runs_ahead_of_a_barrier(team, code, threads):
    job = Job(team, code, "rounds", threads)
    counts = (ctypes.c_uint64 * (16 * 8))()
    job.arguments[0], job.arguments[1] = ctypes.addressof(counts), 300
    job()
    assert job.arguments[2] == 0
    assert [counts[16 * k] for k in range(threads)] == [300] * threads


def test_every_thread_takes_part_every_time(team, code):
    for threads in [2, 4, 3, 1, 2] * 20:
        job = Job(team, code, "present", threads)
        job()
        assert job.arguments[1] == threads and job.arguments[0] == threads


def test_a_team_that_sleeps_wakes_up(team, code):
    for _ in range(5):
        time.sleep(0.01)
        job = Job(team, code, "present", 2)
        job()
        assert job.arguments[0] == 2


def test_python_threads_launch_at_once(team, code):
    wrong = []

    def work():
        job = Job(team, code, "rounds", 2)
        counts = (ctypes.c_uint64 * 32)()
        job.arguments[0] = ctypes.addressof(counts)
        for _ in range(50):
            counts[0], job.arguments[1] = 0, 20
            counts[16] = 0
            job()
            if job.arguments[2] or counts[0] != 20 or counts[16] not in (0, 20):
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


@pytest.mark.parametrize("flush", [False, True])
def test_denormals_count_as_zero_only_inside(team, code, flush):
    if not FP_MODE.get(family(platform.machine())):
        pytest.skip("no such mode on this processor")
    numbers = (ctypes.c_double * 3)(7.0, 1e-200, 1e-120)
    job = Job(team, code, "multiply", 1, flush=flush)
    job.arguments[0] = ctypes.addressof(numbers)
    job()
    assert (numbers[0] == 0.0) is flush
    assert 1e-200 * 1e-120 != 0.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_starts_a_team_of_its_own():
    team = pool.team()
    code = Code(object_code(BODY, resolve_target()), team.symbols)
    Job(team, code, "present", 2)()
    child = os.fork()
    if child == 0:
        good = team.size() == 1
        for _ in range(20):
            job = Job(team, code, "present", 2)
            job()
            good = good and job.arguments[0] == 2
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def waits(team):
    """Wait for what a team does apart."""
    return ctypes.CFUNCTYPE(None)(team.code.address("dv_join"))


@pytest.mark.skipif(not pool.team().apart, reason="nothing runs apart here")
@pytest.mark.parametrize("kind", ["futex", "condition"])
def test_a_worker_runs_a_body_apart(kind):
    team = team_of(kind)
    code, join = Code(object_code(BODY, resolve_target()), team.symbols), waits(team)
    for _ in range(200):
        job, both = Job(team, code, "present", 1, apart=True), Job(team, code, "present", 2)
        job()
        both()  # alone, or with the worker after it has come back
        assert both.arguments[0] == both.arguments[1]
        join()
        assert (job.arguments[0], job.arguments[1]) == (1, 1)


LINGER = """
define internal void @linger() noinline {
  %begin = call i64 @now()
  %end = add i64 %begin, 300000
  br label %loop
loop:
  %now = call i64 @now()
  %on = icmp slt i64 %now, %end
  br i1 %on, label %loop, label %done
done:
  ret void
}
"""


@pytest.mark.skipif(not pool.team().apart, reason="nothing runs apart here")
def test_a_launch_may_follow_the_moment_a_worker_makes_the_team_free():
    text = re.sub(r"(store atomic i32 0, ptr @busy .*)", r"\1\n  call void @linger()", team_text())
    text += LINGER  # as if it had lost its processor there
    team = pool.load_team(object_code(text, resolve_target("generic"), level=2))
    code = Code(object_code(BODY, resolve_target()), team.symbols)
    for _ in range(20):
        first, threads = Job(team, code, "present", 1, apart=True), 1
        first()
        while threads == 1:  # until the team is free
            job = Job(team, code, "present", 2)
            job()
            threads = job.arguments[1]
            assert job.arguments[0] == threads  # everybody is done who takes part
    waits(team)()


def test_wrong_operands_are_refused():
    team = pool.team()
    code = Code(object_code(BODY, resolve_target()), team.symbols)
    job = Job(team, code, "present", 1)
    job.block[2] = 2
    address = ctypes.addressof(job.block)
    for given in [([], []), ([1], []), ([1, 2], [3])]:
        with pytest.raises(ValueError, match="one address for each operand"):
            team.call(address, *given)
    with pytest.raises(TypeError):
        team.call(address, ["x", 1], [])
    team.call(address, [1, 2], [])


@pytest.mark.parametrize("machine", ["x86_64", "AMD64", "aarch64", "arm64", "riscv64", "ppc64le"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_the_text_is_legal_for_every_system(machine, system):
    binding = native.llvm()
    binding.parse_assembly(team_text(machine, system)).verify()


def test_signals_go_to_python(tmp_path):
    if not hasattr(os, "kill") or sys.platform == "win32":
        pytest.skip("no signals here")
    import signal

    team = pool.team()
    code = Code(object_code(BODY, resolve_target()), team.symbols)
    Job(team, code, "present", 2)()
    seen = []
    in_main = lambda: threading.current_thread() is threading.main_thread()  # noqa: E731
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(in_main()))
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.05)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [True]
