"""Machine code in this process: relocations, symbols nobody defines, targets, code that is freed."""

import ctypes
import gc
import platform

import pytest

from dovetail.base.errors import ArgumentError
from dovetail.runtime import native
from dovetail.runtime.elf import Image, LoadError
from dovetail.runtime.native import Code, CompileError, object_code, resolve_target

TEXT = """
declare double @tgamma(double)
@table = internal constant [4 x double] [double 1.0, double 2.0, double 3.0, double 4.0]
@state = global i64 7
@pointer = global ptr @state
define double @f(double %x, i64 %i) {
  %p = getelementptr double, ptr @table, i64 %i
  %y = load double, ptr %p
  %g = call double @tgamma(double %x)
  %s = fadd double %g, %y
  %q = load ptr, ptr @pointer
  %o = load i64, ptr %q
  %n = add i64 %o, 1
  store i64 %n, ptr %q
  ret double %s
}
define i64 @choose(i64 %i) {
  switch i64 %i, label %other [ i64 0, label %a
    i64 1, label %b
    i64 2, label %c
    i64 3, label %d
    i64 4, label %e ]
a: ret i64 10
b: ret i64 31
c: ret i64 17
d: ret i64 5
e: ret i64 99
other: ret i64 -1
}
"""


@pytest.fixture(scope="module")
def code():
    return Code(object_code(TEXT, resolve_target()))


def test_constants_libm_and_global_state(code):
    f = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_int64)(code.address("f"))
    state = ctypes.c_int64.from_address(code.address("state"))
    before = state.value
    assert f(5.0, 2) == 27.0 and f(4.0, 3) == 10.0
    assert state.value == before + 2


def test_jump_tables(code):
    choose = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.address("choose"))
    assert [choose(i) for i in range(-1, 6)] == [-1, 10, 31, 17, 5, 99, -1]


def test_given_symbols_come_first():
    inner = Code(object_code("define i64 @answer() {\n ret i64 42\n}", resolve_target()))
    text = "declare i64 @answer()\ndefine i64 @ask() {\n %r = call i64 @answer()\n ret i64 %r\n}"
    outer = Code(object_code(text, resolve_target()), {"answer": inner.address("answer")})
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(outer.address("ask"))() == 42


def test_an_undefined_function_is_an_exception():
    text = "declare void @nobody_has_this()\ndefine void @g() {\n call void @nobody_has_this()\n ret void\n}"
    with pytest.raises(CompileError, match="nobody_has_this"):
        Code(object_code(text, resolve_target()))


def test_bad_text_is_an_exception_with_llvms_words():
    with pytest.raises(CompileError, match="LLVM"):
        object_code("define nonsense", resolve_target())


def test_an_unknown_entry_is_an_exception(code):
    with pytest.raises(CompileError, match="no_such_entry"):
        code.address("no_such_entry")


def test_damaged_object_code_is_an_exception():
    good = object_code(TEXT, resolve_target())
    for bad in (b"", b"\x7fELF", good[:80], b"MZ" + good[2:]):
        with pytest.raises((LoadError, CompileError)):
            Image(bad, native.process_symbol)


def test_targets():
    assert resolve_target("generic").vector_bytes == 16
    with pytest.raises(ArgumentError, match="there is no target"):
        resolve_target("sse9")
    if platform.machine() == "x86_64":
        assert resolve_target("host").name in ("avx512", "avx2", "generic")


@pytest.mark.parametrize("name", ["avx512", "avx2", "generic"])
def test_every_target_this_processor_has_runs(name):
    try:
        target = resolve_target(name)
    except ArgumentError:
        pytest.skip("not on this processor")
    again = Code(object_code(TEXT, target))
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(again.address("choose"))(4) == 99


@pytest.mark.skipif(not platform.system() == "Linux", reason="reads /proc")
def test_code_is_freed():
    def mapped():
        with open("/proc/self/maps") as f:
            return sum(1 for line in f)

    machine_code = object_code(TEXT, resolve_target())
    many = [Code(machine_code) for _ in range(50)]
    with_many = mapped()
    many.clear()
    gc.collect()
    assert mapped() < with_many


def test_llvms_own_loader_serves_where_ours_cannot():
    loaded = native.Loaded(object_code(TEXT, resolve_target()), {})
    choose = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.symbols["choose"])
    assert choose(2) == 17
    with pytest.raises(KeyError):
        loaded.symbols["no_such_entry"]


def test_assembly_to_read():
    assert "choose" in native.emit(TEXT, resolve_target(), assembly=True)
