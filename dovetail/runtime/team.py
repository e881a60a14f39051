"""The thread team's code, as LLVM IR text; `pool` explains what it does and makes it callable."""

from __future__ import annotations

import platform
import sys

FUTEX_NUMBER = {"x86_64": 202, "aarch64": 98, "riscv64": 98}
PAUSE = {"x86_64": "call void @llvm.x86.sse2.pause()", "aarch64": "call void @llvm.aarch64.hint(i32 1)"}

# Nanoseconds that a thread looks again and again before it sleeps. Giving way in between (sched_yield) would be kinder
# to others, but Linux since 6.6 counts every call as a slice that was had: after a few hundred of them the thread waits
# for tens of milliseconds as soon as there is anybody else.
AWAKE = 150_000  # between launches: what a brief step's Python takes
AWAKE_AT_BARRIER = 50_000  # inside a launch the others are near
CLOCK = {"darwin": 6}  # the number of CLOCK_MONOTONIC, elsewhere 1

STATE = """
@word = internal global i32 0, align 128
@sleepers = internal global i32 0, align 128
@remaining = internal global i32 0, align 128
@waiting = internal global i32 0, align 128
@busy = internal global i32 0, align 128 ; 1 while a launch has the team, 2 while one of it works apart
@started = internal global i32 0
@body = internal global ptr null, align 128
@args = internal global ptr null
@order = internal global i64 0
@launcher = internal global i32 -1
@barrier = internal global [384 x i8] zeroinitializer, align 128

declare i32 @clock_gettime(i32, ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""

WAITING = """
define internal i64 @now() noinline {
  %time = alloca [2 x i64], align 16
  %r = call i32 @clock_gettime(i32 CLOCK, ptr %time)
  %seconds = load i64, ptr %time
  %rest_at = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %rest_at
  %whole = mul i64 %seconds, 1000000000
  %all = add i64 %whole, %rest
  ret i64 %all
}

; Wait until the word is another than `old`, and return it: `most` nanoseconds awake, then asleep.
define internal i32 @wait(ptr %word, i32 %old, ptr %sleepers, i64 %most) noinline {
entry:
  br label %spin
spin:
  %i = phi i64 [ 0, %entry ], [ %i1, %again ], [ 0, %timed ]
  %until = phi i64 [ 0, %entry ], [ %until, %again ], [ %end, %timed ]
  %w = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %w, %old
  br i1 %same, label %again, label %out
again:
  PAUSE
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, 32
  br i1 %more, label %spin, label %look
look:
  %now = call i64 @now()
  %begun = icmp ne i64 %until, 0
  %first = add i64 %now, %most
  %end = select i1 %begun, i64 %until, i64 %first
  %early = icmp slt i64 %now, %end
  br i1 %early, label %timed, label %sleep
timed:
  br label %spin
sleep:
  %before = atomicrmw add ptr %sleepers, i32 1 seq_cst
  br label %asleep
asleep:
  %w3 = load atomic i32, ptr %word seq_cst, align 4
  %same3 = icmp eq i32 %w3, %old
  br i1 %same3, label %park, label %awake
park:
  call void @park(ptr %word, i32 %old)
  br label %asleep
awake:
  %after = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  ret i32 %w3
out:
  ret i32 %w
}

define internal void @wake(ptr %word, ptr %sleepers) alwaysinline {
  fence seq_cst
  %n = load atomic i32, ptr %sleepers seq_cst, align 4
  %any = icmp ne i32 %n, 0
  br i1 %any, label %unpark, label %done
unpark:
  call void @unpark(ptr %word)
  br label %done
done:
  ret void
}
"""

FUTEX = """
declare i64 @syscall(i64, ...)

define internal void @park(ptr %word, i32 %old) noinline {
  %r = call i64 (i64, ...) @syscall(i64 NUMBER, ptr %word, i32 128, i32 %old, ptr null, ptr null, i32 0)
  ret void
}

define internal void @unpark(ptr %word) noinline {
  %r = call i64 (i64, ...) @syscall(i64 NUMBER, ptr %word, i32 129, i32 2147483647, ptr null, ptr null, i32 0)
  ret void
}
"""

CONDITION = """
@mutex = internal global [128 x i8] zeroinitializer, align 64
@condition = internal global [128 x i8] zeroinitializer, align 64
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)

define internal void @park(ptr %word, i32 %old) noinline {
entry:
  %a = call i32 @pthread_mutex_lock(ptr @mutex)
  br label %check
check:
  %w = load atomic i32, ptr %word seq_cst, align 4
  %same = icmp eq i32 %w, %old
  br i1 %same, label %sleep, label %done
sleep:
  %b = call i32 @pthread_cond_wait(ptr @condition, ptr @mutex)
  br label %check
done:
  %c = call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
}

define internal void @unpark(ptr %word) noinline {
  %a = call i32 @pthread_mutex_lock(ptr @mutex)
  %b = call i32 @pthread_cond_broadcast(ptr @condition)
  %c = call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
}
"""

# Which processor a thread is on. Some kernels wake a thread where its waker runs, though another processor is idle
# (seen in virtual machines that show no shared cache): launcher and worker then take turns, and a step takes twice as
# long on two threads as on one. A worker that finds itself there moves away, and is free to go anywhere after that.
ASIDE = """
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)

define internal i32 @processor() alwaysinline {
  %n = call i32 @sched_getcpu()
  ret i32 %n
}

define internal void @step_aside(i32 %taken) noinline {
entry:
  %mask = alloca [128 x i8], align 16
  %here = call i32 @sched_getcpu()
  %same = icmp eq i32 %here, %taken
  %fits = icmp ult i32 %taken, 1024
  %meant = and i1 %same, %fits
  br i1 %meant, label %ask, label %done
ask:
  %failed = call i32 @sched_getaffinity(i32 0, i64 128, ptr %mask)
  %ok = icmp eq i32 %failed, 0
  br i1 %ok, label %move, label %done
move:
  %byte = lshr i32 %taken, 3
  %at = getelementptr i8, ptr %mask, i32 %byte
  %low = and i32 %taken, 7
  %number = trunc i32 %low to i8
  %bit = shl i8 1, %number
  %others = xor i8 %bit, -1
  %all = load i8, ptr %at
  %rest = and i8 %all, %others
  store i8 %rest, ptr %at
  %a = call i32 @sched_setaffinity(i32 0, i64 128, ptr %mask)
  store i8 %all, ptr %at
  %b = call i32 @sched_setaffinity(i32 0, i64 128, ptr %mask)
  br label %done
done:
  ret void
}
"""
NO_ASIDE = """
define internal i32 @processor() alwaysinline {
  ret i32 -1
}

define internal void @step_aside(i32 %taken) alwaysinline {
  ret void
}
"""

CONDITION_RESET = """
  %r1 = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %r2 = call i32 @pthread_cond_init(ptr @condition, ptr null)"""

# A barrier is [count, generation, sleepers], each on cache lines of its own: those who wait read the generation only.
BARRIER = """
define void @dv_barrier(ptr %bar, i64 %nt) noinline {
entry:
  %alone = icmp sle i64 %nt, 1
  br i1 %alone, label %done, label %enter
enter:
  %generation = getelementptr i8, ptr %bar, i64 128
  %sleepers = getelementptr i8, ptr %bar, i64 256
  %g = load atomic i32, ptr %generation acquire, align 4
  %before = atomicrmw add ptr %bar, i32 1 acq_rel
  %count = trunc i64 %nt to i32
  %others = sub i32 %count, 1
  %last = icmp eq i32 %before, %others
  br i1 %last, label %open, label %stay
open:
  store atomic i32 0, ptr %bar monotonic, align 4
  %g1 = add i32 %g, 1
  store atomic i32 %g1, ptr %generation seq_cst, align 4
  call void @wake(ptr %generation, ptr %sleepers)
  br label %done
stay:
  %w = call i32 @wait(ptr %generation, i32 %g, ptr %sleepers, i64 AT_BARRIER)
  br label %done
done:
  ret void
}
"""

TEAM = """
define internal void @run_flushed(ptr %body, ptr %args, i64 %tid, i64 %nt, ptr %bar, i64 %order) noinline {
entry:
  %bit = and i64 %order, 256
  %flush = icmp ne i64 %bit, 0
  br i1 %flush, label %flushed, label %plain
plain:
  call void %body(ptr %args, i64 %tid, i64 %nt, ptr %bar)
  ret void
flushed:
  %old = call i64 @fp_mode()
  %new = or i64 %old, FLUSH_BITS
  call void @set_fp_mode(i64 %new)
  call void %body(ptr %args, i64 %tid, i64 %nt, ptr %bar)
  call void @set_fp_mode(i64 %old)
  ret void
}

define internal ptr @worker(ptr %birth) {
entry:
  %b = ptrtoint ptr %birth to i64
  %tid = lshr i64 %b, 32
  %first = trunc i64 %b to i32
  br label %rest
rest:
  %seen = phi i32 [ %first, %entry ], [ %w, %rest ], [ %w, %together ], [ %w, %apart ], [ %w, %last ]
  %w = call i32 @wait(ptr @word, i32 %seen, ptr @sleepers, i64 AWAKE)
  %low = and i32 %w, 255
  %nt = zext i32 %low to i64
  %mine = icmp ult i64 %tid, %nt
  br i1 %mine, label %working, label %rest
working:
  %body = load ptr, ptr @body
  %args = load ptr, ptr @args
  %order = load i64, ptr @order
  %taken = load i32, ptr @launcher
  call void @step_aside(i32 %taken)
  %bit = and i64 %order, 1024
  %alone = icmp ne i64 %bit, 0
  br i1 %alone, label %apart, label %together
apart:
  call void @run_flushed(ptr %body, ptr %args, i64 0, i64 1, ptr null, i64 %order)
  store atomic i32 0, ptr @busy seq_cst, align 4
  call void @wake(ptr @busy, ptr @waiting)
  br label %rest
together:
  call void @run_flushed(ptr %body, ptr %args, i64 %tid, i64 %nt, ptr @barrier, i64 %order)
  %left = atomicrmw sub ptr @remaining, i32 1 acq_rel
  %is_last = icmp eq i32 %left, 1
  br i1 %is_last, label %last, label %rest
last:
  call void @wake(ptr @remaining, ptr @waiting)
  br label %rest
}

; Bring the team to `wanted` threads besides the caller; how many there are then. Workers take no signals: Python's
; handlers belong to Python's threads.
define internal i64 @recruit(i64 %wanted) noinline {
entry:
  %all = alloca [128 x i8], align 16
  %mask = alloca [128 x i8], align 16
  %thread = alloca i64
  %have32 = load i32, ptr @started
  %have = zext i32 %have32 to i64
  %enough = icmp uge i64 %have, %wanted
  br i1 %enough, label %rich, label %poor
rich:
  ret i64 %wanted
poor:
  call void @llvm.memset.p0.i64(ptr %all, i8 -1, i64 128, i1 false)
  %s1 = call i32 @pthread_sigmask(i32 BLOCK, ptr %all, ptr %mask)
  %word = load atomic i32, ptr @word monotonic, align 4
  %word64 = zext i32 %word to i64
  br label %next
next:
  %n = phi i64 [ %have, %poor ], [ %n1, %born ]
  %more = icmp ult i64 %n, %wanted
  br i1 %more, label %create, label %done
create:
  %n1 = add i64 %n, 1
  %high = shl i64 %n1, 32
  %birth64 = or i64 %high, %word64
  %birth = inttoptr i64 %birth64 to ptr
  %e = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr %birth)
  %ok = icmp eq i32 %e, 0
  br i1 %ok, label %born, label %done
born:
  %id = load i64, ptr %thread
  %d = call i32 @pthread_detach(i64 %id)
  br label %next
done:
  %got = phi i64 [ %n, %next ], [ %n, %create ]
  %got32 = trunc i64 %got to i32
  store i32 %got32, ptr @started
  %s2 = call i32 @pthread_sigmask(i32 SETMASK, ptr %mask, ptr null)
  ret i64 %got
}

define void @dv_launch(ptr %body, ptr %args, i64 %order) noinline {
entry:
  %wanted = and i64 %order, 255
  %many = icmp ugt i64 %wanted, 1
  br i1 %many, label %ask, label %solo
ask:
  %apart_bit = and i64 %order, 1024
  %apart = icmp ne i64 %apart_bit, 0
  %taken = select i1 %apart, i32 2, i32 1
  %pair = cmpxchg ptr @busy, i32 0, i32 %taken acquire monotonic
  %free = extractvalue { i32, i1 } %pair, 1
  br i1 %free, label %gather, label %solo
solo:
  call void @run_flushed(ptr %body, ptr %args, i64 0, i64 1, ptr null, i64 %order)
  ret void
gather:
  %helpers_wanted = sub i64 %wanted, 1
  %helpers = call i64 @recruit(i64 %helpers_wanted)
  %none = icmp eq i64 %helpers, 0
  br i1 %none, label %give_up, label %go
give_up:
  store atomic i32 0, ptr @busy release, align 4
  br label %solo
go:
  %nt = add i64 %helpers, 1
  store ptr %body, ptr @body
  store ptr %args, ptr @args
  store i64 %order, ptr @order
  %here = call i32 @processor()
  store i32 %here, ptr @launcher
  %helpers32 = trunc i64 %helpers to i32
  store atomic i32 %helpers32, ptr @remaining monotonic, align 4
  %word = load atomic i32, ptr @word monotonic, align 4
  %counted = and i32 %word, -256
  %counted1 = add i32 %counted, 256
  %nt32 = trunc i64 %nt to i32
  %word1 = or i32 %counted1, %nt32
  store atomic i32 %word1, ptr @word seq_cst, align 4
  call void @wake(ptr @word, ptr @sleepers)
  br i1 %apart, label %leave, label %share
leave:
  ret void
share:
  call void @run_flushed(ptr %body, ptr %args, i64 0, i64 %nt, ptr @barrier, i64 %order)
  br label %join
join:
  %left = load atomic i32, ptr @remaining acquire, align 4
  %done = icmp eq i32 %left, 0
  br i1 %done, label %finish, label %stay
stay:
  %w = call i32 @wait(ptr @remaining, i32 %left, ptr @waiting, i64 AT_BARRIER)
  br label %join
finish:
  store atomic i32 0, ptr @busy release, align 4
  ret void
}

; Until the work that was launched apart is done.
define void @dv_join() {
  %w = call i32 @wait(ptr @busy, i32 2, ptr @waiting, i64 AWAKE)
  ret void
}

; In the child of a fork the workers are gone, whatever the state says.
define void @dv_reset() {
  store i32 0, ptr @sleepers
  store i32 0, ptr @remaining
  store i32 0, ptr @waiting
  store i32 0, ptr @busy
  store i32 0, ptr @started
  call void @llvm.memset.p0.i64(ptr @barrier, i8 0, i64 384, i1 false)RESET
  ret void
}

define i64 @dv_team_size() {
  %n = load i32, ptr @started
  %n64 = zext i32 %n to i64
  %all = add i64 %n64, 1
  ret i64 %all
}
"""

NO_TEAM = """
define void @dv_barrier(ptr %bar, i64 %nt) {
  ret void
}

define void @dv_launch(ptr %body, ptr %args, i64 %order) {
  call void %body(ptr %args, i64 0, i64 1, ptr null)
  ret void
}

define void @dv_join() {
  ret void
}

define void @dv_reset() {
  ret void
}

define i64 @dv_team_size() {
  ret i64 1
}
"""

ENTRY = """
; NAME(address, inputs, outputs), with Python's calling convention for positional arguments
define ptr @NAME(ptr %self, ptr %given, i64 %count) {
entry:
  %enough = icmp eq i64 %count, 3
  br i1 %enough, label %start, label %refuse
refuse:
  %class = load ptr, ptr @PyExc_ValueError
  call void @PyErr_SetString(ptr %class, ptr @wrong)
  br label %fail
fail:
  ret ptr null
start:
  %address = load ptr, ptr %given
  %words = call ptr @PyLong_AsVoidPtr(ptr %address)
  %null = icmp eq ptr %words, null
  br i1 %null, label %fail, label %pack
pack:
  %ins_at = getelementptr ptr, ptr %given, i64 1
  %ins = load ptr, ptr %ins_at
  %outs_at = getelementptr ptr, ptr %given, i64 2
  %outs = load ptr, ptr %outs_at
  %n_in_at = getelementptr i64, ptr %words, i64 N_IN
  %n_in = load i64, ptr %n_in_at
  %n_out_at = getelementptr i64, ptr %words, i64 N_OUT
  %n_out = load i64, ptr %n_out_at
  %addresses = getelementptr i64, ptr %words, i64 ADDRESSES
  %ok_in = call i1 @copy_list(ptr %ins, i64 %n_in, ptr %addresses)
  br i1 %ok_in, label %pack_outs, label %fail
pack_outs:
  %addresses_out = getelementptr i64, ptr %addresses, i64 %n_in
  %ok_out = call i1 @copy_list(ptr %outs, i64 %n_out, ptr %addresses_out)
  br i1 %ok_out, label %go, label %fail
go:
  %order_at = getelementptr i64, ptr %words, i64 ORDER
  %order = load i64, ptr %order_at
  %bit = and i64 %order, 512
  %release = icmp ne i64 %bit, 0
  br i1 %release, label %long, label %short
short:
  call void @RUN(ptr %words)
  br label %done
long:
  %state = call ptr @PyEval_SaveThread()
  call void @RUN(ptr %words)
  call void @PyEval_RestoreThread(ptr %state)
  br label %done
done:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
}
"""


def entry(name: str, run: str, **places: int) -> str:
    """A function for Python that puts lists of addresses where they belong among `words`, and runs these.

    run: the function to call with the words; places: which of them hold the counts of inputs and outputs and the order,
    and from where on the addresses go.
    """
    text = ENTRY.replace("NAME", name).replace("RUN", run)
    for word, place in places.items():
        text = text.replace(word.upper(), str(place))
    return text


# A block is [body, order, number of inputs, number of outputs, arguments...]; the arguments are what the body gets.
HEADER = 4
CALL = entry("dv_call", "dv_run_block", n_in=2, n_out=3, addresses=HEADER, order=1)
FOR_PYTHON = """
@_Py_NoneStruct = external global i8
@PyExc_ValueError = external global ptr
@wrong = internal constant [46 x i8] c"a program takes one address for each operand.\\00"
declare ptr @PyLong_AsVoidPtr(ptr)
declare i64 @PyList_Size(ptr)
declare ptr @PyList_GetItem(ptr, i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @Py_IncRef(ptr)
declare ptr @PyErr_Occurred()
declare void @PyErr_SetString(ptr, ptr)

; Write the addresses in a Python list of `expected` ints to `at`; false with an exception set where that fails.
define internal i1 @copy_list(ptr %list, i64 %expected, ptr %at) noinline {
entry:
  %n = call i64 @PyList_Size(ptr %list)
  %fits = icmp eq i64 %n, %expected
  br i1 %fits, label %head, label %misfit
misfit:
  %set = call ptr @PyErr_Occurred()
  %none = icmp eq ptr %set, null
  br i1 %none, label %complain, label %fail
complain:
  %class = load ptr, ptr @PyExc_ValueError
  call void @PyErr_SetString(ptr %class, ptr @wrong)
  br label %fail
fail:
  ret i1 false
head:
  %i = phi i64 [ 0, %entry ], [ %i1, %stored ]
  %more = icmp slt i64 %i, %expected
  br i1 %more, label %item, label %done
item:
  %object = call ptr @PyList_GetItem(ptr %list, i64 %i)
  %address = call ptr @PyLong_AsVoidPtr(ptr %object)
  %null = icmp eq ptr %address, null
  br i1 %null, label %check, label %stored
check:
  %error = call ptr @PyErr_Occurred()
  %fine = icmp eq ptr %error, null
  br i1 %fine, label %stored, label %fail
stored:
  %slot = getelementptr ptr, ptr %at, i64 %i
  store ptr %address, ptr %slot
  %i1 = add i64 %i, 1
  br label %head
done:
  ret i1 true
}
"""

WAIT = """
define ptr @dv_wait(ptr %self, ptr %given, i64 %count) {
  %state = call ptr @PyEval_SaveThread()
  call void @dv_join()
  call void @PyEval_RestoreThread(ptr %state)
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
}
"""

# A chain is [inputs, outputs, words to set, bodies, order, table of addresses..., (where a word stands, its place in
# the table)..., (body, its arguments)...].
CHAIN_HEADER = 5
CHAIN = entry("dv_chain", "run_chain", n_in=0, n_out=1, addresses=CHAIN_HEADER, order=4) + """
define internal void @run_chain(ptr %chain) noinline {
entry:
  %n_in = load i64, ptr %chain
  %n_out_at = getelementptr i64, ptr %chain, i64 1
  %n_out = load i64, ptr %n_out_at
  %words_at = getelementptr i64, ptr %chain, i64 2
  %words = load i64, ptr %words_at
  %bodies_at = getelementptr i64, ptr %chain, i64 3
  %bodies = load i64, ptr %bodies_at
  %order_at = getelementptr i64, ptr %chain, i64 4
  %order = load i64, ptr %order_at
  %table = getelementptr i64, ptr %chain, i64 5
  %operands = add i64 %n_in, %n_out
  %settings = getelementptr i64, ptr %table, i64 %operands
  %twice = mul i64 %words, 2
  %calls = getelementptr i64, ptr %settings, i64 %twice
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i1, %set ]
  %more = icmp slt i64 %i, %words
  br i1 %more, label %set, label %body
set:
  %at = mul i64 %i, 2
  %where_at = getelementptr i64, ptr %settings, i64 %at
  %where = load ptr, ptr %where_at
  %place_at = getelementptr i64, ptr %where_at, i64 1
  %place = load i64, ptr %place_at
  %operand_at = getelementptr i64, ptr %table, i64 %place
  %operand = load i64, ptr %operand_at
  store i64 %operand, ptr %where
  %i1 = add i64 %i, 1
  br label %next
body:
  %k = phi i64 [ 0, %next ], [ %k1, %run ]
  %left = icmp slt i64 %k, %bodies
  br i1 %left, label %run, label %over
run:
  %from = mul i64 %k, 2
  %call_at = getelementptr i64, ptr %calls, i64 %from
  %code = load ptr, ptr %call_at
  %args_at = getelementptr i64, ptr %call_at, i64 1
  %args = load ptr, ptr %args_at
  call void @dv_launch(ptr %code, ptr %args, i64 %order)
  %k1 = add i64 %k, 1
  br label %body
over:
  ret void
}
"""

RUN_BLOCK = """
define void @dv_run_block(ptr %block) {
  %body = load ptr, ptr %block
  %order_at = getelementptr i8, ptr %block, i64 8
  %order = load i64, ptr %order_at
  %args = getelementptr i8, ptr %block, i64 32
  call void @dv_launch(ptr %body, ptr %args, i64 %order)
  ret void
}
"""

FP_MODE = {
    # bits 15 and 6 of MXCSR: results and operands that are denormal count as zero
    "x86_64": ("32832", """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define internal i64 @fp_mode() alwaysinline {
  %at = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %at)
  %mode = load i32, ptr %at
  %wide = zext i32 %mode to i64
  ret i64 %wide
}
define internal void @set_fp_mode(i64 %wide) alwaysinline {
  %at = alloca i32
  %mode = trunc i64 %wide to i32
  store i32 %mode, ptr %at
  call void @llvm.x86.sse.ldmxcsr(ptr %at)
  ret void
}
"""),
    # bit 24 of FPCR, and bit 19 for half precision
    "aarch64": ("17301504", """
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
define internal i64 @fp_mode() alwaysinline {
  %mode = call i64 @llvm.aarch64.get.fpcr()
  ret i64 %mode
}
define internal void @set_fp_mode(i64 %mode) alwaysinline {
  call void @llvm.aarch64.set.fpcr(i64 %mode)
  ret void
}
"""),
    "": ("0", """
define internal i64 @fp_mode() alwaysinline {
  ret i64 0
}
define internal void @set_fp_mode(i64 %mode) alwaysinline {
  ret void
}
"""),
}


def team_text(machine: str | None = None, system: str = sys.platform, python: bool = True) -> str:
    """The IR of the team for a processor and an operating system. python: with the entry that Python calls."""
    machine = family(machine or platform.machine())
    flush_bits, fp_mode = FP_MODE.get(machine, FP_MODE[""])
    parts = [RUN_BLOCK, FOR_PYTHON, CALL, CHAIN, WAIT] if python else [RUN_BLOCK]  # in the C interface of CPython
    if system.startswith("win"):
        return "\n".join([NO_TEAM, *parts])
    futex = FUTEX_NUMBER.get(machine) if system.startswith("linux") else None
    aside = ASIDE if system.startswith("linux") else NO_ASIDE
    parts += [STATE, WAITING, FUTEX if futex else CONDITION, aside, BARRIER, fp_mode, TEAM]
    text = "\n".join(parts)
    if machine == "x86_64":
        text += "declare void @llvm.x86.sse2.pause()\n"
    elif machine == "aarch64":
        text += "declare void @llvm.aarch64.hint(i32)\n"
    replacements = {
        "AT_BARRIER": AWAKE_AT_BARRIER, "AWAKE": AWAKE, "CLOCK": CLOCK.get(system, 1),
        "PAUSE": PAUSE.get(machine, "fence seq_cst"), "NUMBER": futex, "FLUSH_BITS": flush_bits,
        "SETMASK": 3 if system == "darwin" else 2, "BLOCK": 1 if system == "darwin" else 0,
        "RESET": "" if futex else CONDITION_RESET,
    }
    for word, value in replacements.items():
        text = text.replace(word, str(value))
    return text


def family(machine: str) -> str:
    """One name for each kind of processor, whatever the system calls it."""
    machine = machine.lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
