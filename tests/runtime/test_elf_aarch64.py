"""The loader's relocations for 64-bit Arm: code is placed here and run by an emulator, where one is installed."""

import os
import shutil
import struct
import subprocess
from types import SimpleNamespace

import pytest

from dovetail.runtime import elf, native
from dovetail.runtime.elf import SHT_RELA, Image, read_moves, read_sections

OTHER = """
@shared = global i64 5
define double @ext(double %x) {
  %y = fadd double %x, 0.5
  ret double %y
}
"""

# Ten checks; the program's exit code is the number of those that hold.
MAIN = """
declare double @ext(double)
@shared = external global i64
@tab = internal constant [8 x double] [double 1.25, double 2.5, double 3.75, double 4.0,
  double 5.0, double 6.0, double 7.0, double 8.0]
@bytes = internal constant [5 x i8] c"\\01\\02\\03\\04\\05"
@halfs = internal constant [4 x i16] [i16 10, i16 20, i16 30, i16 40]
@vec = internal constant <4 x float> <float 1.0, float 2.0, float 3.0, float 4.0>, align 16
@state = global i64 7
@ptr = global ptr @state
define internal i64 @choose(i64 %i) noinline {
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
declare void @exit(i64)
define void @start() {
  %a = load double, ptr getelementptr ([8 x double], ptr @tab, i64 0, i64 2)
  %e = call double @ext(double %a)
  %c1 = fcmp oeq double %e, 4.25
  %by = load volatile i8, ptr getelementptr ([5 x i8], ptr @bytes, i64 0, i64 3)
  %c2 = icmp eq i8 %by, 4
  %h = load volatile i16, ptr getelementptr ([4 x i16], ptr @halfs, i64 0, i64 1)
  %c3 = icmp eq i16 %h, 20
  %v = load volatile <4 x float>, ptr @vec
  %v2 = extractelement <4 x float> %v, i32 2
  %c4 = fcmp oeq float %v2, 3.0
  %p = load volatile ptr, ptr @ptr
  %s = load i64, ptr %p
  %c5 = icmp eq i64 %s, 7
  store i64 8, ptr %p
  %s2 = load volatile i64, ptr @state
  %c6 = icmp eq i64 %s2, 8
  %sh = load volatile i64, ptr @shared
  %c7 = icmp eq i64 %sh, 5
  %ch = call i64 @choose(i64 %s2)
  %c8 = icmp eq i64 %ch, -1
  %ch2 = call i64 @choose(i64 4)
  %c9 = icmp eq i64 %ch2, 99
  %k = load volatile double, ptr getelementptr ([8 x double], ptr @tab, i64 0, i64 0)
  %k2 = fmul double %k, 0x3FBF9ADD3C0CA458
  %c10 = fcmp ogt double %k2, 0.15
  %n = add i64 0, 0
  %z1 = zext i1 %c1 to i64
  %z2 = zext i1 %c2 to i64
  %z3 = zext i1 %c3 to i64
  %z4 = zext i1 %c4 to i64
  %z5 = zext i1 %c5 to i64
  %z6 = zext i1 %c6 to i64
  %z7 = zext i1 %c7 to i64
  %z8 = zext i1 %c8 to i64
  %z9 = zext i1 %c9 to i64
  %z10 = zext i1 %c10 to i64
  %t1 = add i64 %z1, %z2
  %t2 = add i64 %t1, %z3
  %t3 = add i64 %t2, %z4
  %t4 = add i64 %t3, %z5
  %t5 = add i64 %t4, %z6
  %t6 = add i64 %t5, %z7
  %t7 = add i64 %t6, %z8
  %t8 = add i64 %t7, %z9
  %t9 = add i64 %t8, %z10
  call void @exit(i64 %t9)
  unreachable
}
"""

EXIT = struct.pack("<II", 0xD2800BA8, 0xD4000001)  # mov x8, #93; svc #0


def object_code(text, level):
    binding = native.llvm()
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    target = binding.Target.from_triple("aarch64-unknown-linux-gnu")
    machine = target.create_target_machine(cpu="", opt=level, reloc="pic", codemodel="small")
    return machine.emit_object(binding.parse_assembly('target triple = "aarch64-unknown-linux-gnu"\n' + text))


def executable(images, entry):
    """A file that the emulator can run: each image where it believes to be."""
    headers, body, offset = b"", b"", 4096
    for image in images:
        data = bytes(image._memory)
        place = struct.pack("<IIQQQQQQ", 1, 7, offset, image.base, image.base, len(data), len(data), 4096)
        headers, body, offset = headers + place, body + data, offset + len(data)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, entry, 64, 0, 0, 64, 56, len(images), 64, 0, 0)
    return (head + headers).ljust(4096, b"\0") + body


@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_relocation_leads_where_it_should(level, tmp_path, monkeypatch):
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if emulator is None:
        pytest.skip("no emulator for 64-bit Arm")
    bases = iter(range(0x20000000, 0x40000000, 0x4000000))  # far from each other, so that calls need their stubs
    real = elf.ctypes
    monkeypatch.setattr(elf, "ctypes", SimpleNamespace(addressof=lambda _: next(bases), c_char=real.c_char))
    monkeypatch.setattr(Image, "_protect", lambda self: None)
    try:
        codes = [object_code(text, level) for text in (OTHER, MAIN)]
    except RuntimeError:
        pytest.skip("this LLVM was built without the target")
    other = Image(codes[0], lambda name: 0)
    leave = SimpleNamespace(base=0x10000000, _memory=EXIT.ljust(4096, b"\0"))
    main = Image(codes[1], lambda name: leave.base if name == "exit" else other.symbols[name])
    path = tmp_path / "program"
    path.write_bytes(executable([leave, other, main], main.symbols["start"]))
    os.chmod(path, 0o755)
    assert subprocess.run([emulator, str(path)], timeout=60).returncode == 10
    if level:
        assert kinds(codes[1]) >= {257, 275, 277, 278, 283, 284, 286, 299, 311, 312}


def kinds(code):
    sections = read_sections(code)
    relocated = [s for s in sections if s.kind == SHT_RELA and sections[s.info].placed]
    return {kind for s in relocated for _, kind, _, _ in read_moves(code, s)}
