"""Matrix products on one core against NumPy's OpenBLAS: `python benchmarks/gemm.py [--quick] [shape ...]`.

Both are called in a compiled loop (OpenBLAS by the pointer that NumPy's library exports, else through np.matmul), turn
by turn; the table shows medians of CPU time. A shape is written MxKxN with NN, NT, TN or TT: 32x784x64:NT.
"""

from __future__ import annotations

import ctypes
import glob
import os
import sys
import time
from pathlib import Path
from statistics import median

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[_name] = "1"

import llvmlite.binding as llvm  # noqa: E402
import numpy as np  # noqa: E402

from dovetail.base import dtypes  # noqa: E402
from dovetail.codegen.builder import Builder  # noqa: E402
from dovetail.codegen.contract import Operand, gemm_kernel, scratch_bytes  # noqa: E402
from dovetail.codegen.target import AVX2, AVX512, GENERIC  # noqa: E402

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
F32 = dtypes.float32
ARTICLE = ["32x784x64:NT", "64x784x64:NT", "128x784x64:NT", "32x64x64:NT", "32x64x10:NT", "32x784x64:NN",
           "128x784x64:NN", "32x64x64:NN", "32x64x10:NN", "32x10x64:NN", "64x32x784:TN", "64x64x784:TN",
           "64x128x784:TN", "64x32x64:TN", "10x32x64:TN"]
CUBES = [f"{n}x{n}x{n}:{turn}" for n in (32, 64, 96, 128, 192, 256, 384, 512) for turn in ("NN", "NT", "TN")]
LARGE = ["1024x1024x1024:NN", "1024x1024x1024:NT", "768x128x3072:NT", "2048x2048x2048:NN"]


def host_target():
    features = llvm.get_host_cpu_features()
    return AVX512 if features.get("avx512vl") else AVX2 if features.get("avx2") else GENERIC


def store(b, acc, row, col, lanes, mask, batch, width=0):
    start = b.op(f"mul i64 {row}, {width}")
    pointer = b.op(f"getelementptr float, ptr %out, i64 {b.op(f'add i64 {start}, {col}')}")
    kind = "float" if lanes == 1 else f"<{lanes} x float>"
    if mask is None:
        b.line(f"store {kind} {acc}, ptr {pointer}, align 4")
    else:
        name = f"@llvm.masked.store.v{lanes}f32.p0"
        b.line(f"call void {name}({kind} {acc}, ptr {pointer}, i32 4, <{lanes} x i1> {mask})")
        b.masked = f"declare void {name}({kind}, ptr, i32, <{lanes} x i1>)"


def kernel_text(target, m, n, k, a, b_):
    b = Builder()
    b.masked = ""

    def epilogue(*args):
        store(*args, width=n)

    needs = gemm_kernel(b, target=target, dtype=F32, m=m, n=n, k=k, a=a, b_=b_, scratch="%scratch", epilogue=epilogue)
    return ("define internal void @once(ptr noalias %a, ptr noalias %b, ptr noalias %out, ptr noalias %scratch) {\n"
            f"entry:\n{b.text()}\n  ret void\n}}\n" + "\n".join(sorted(needs | {b.masked})) + "\n")


REPEAT = """
define void @repeat(i64 %times, ptr %a, ptr %b, ptr %out, ptr %scratch) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %head ]
  call CALL
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %times
  br i1 %more, label %head, label %done
done:
  ret void
}
"""


def native(target, text, level=2):
    """The address of @repeat, the object that keeps it alive, and the time it took."""
    start = time.process_time()
    module = llvm.parse_assembly(text)
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, jit=True)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 4)(engine.get_function_address("repeat"))
    return function, (engine, machine, module), time.process_time() - start


def openblas_call(m, n, k, turn):
    """A call of cblas_sgemm with everything but the pointers filled in, or None where NumPy brings no OpenBLAS."""
    place = Path(np.__file__).parent.parent / "numpy.libs"
    for path in glob.glob(str(place / "*openblas*")):
        library = ctypes.CDLL(path)
        if hasattr(library, "scipy_cblas_sgemm64_"):
            address = ctypes.cast(library.scipy_cblas_sgemm64_, ctypes.c_void_p).value
            codes = [111 + (t == "T") for t in turn]
            lda, ldb = (m if turn[0] == "T" else k), (k if turn[1] == "T" else n)
            return (f"void inttoptr (i64 {address} to ptr)(i32 101, i32 {codes[0]}, i32 {codes[1]}, i64 {m}, i64 {n}, "
                    f"i64 {k}, float 1.0, ptr %a, i64 {lda}, ptr %b, i64 {ldb}, float 0.0, ptr %out, i64 {n})")
    return None


def matrix(rng, rows, cols, turned):
    return rng.standard_normal((cols, rows), dtype=np.float32).T if turned else \
        rng.standard_normal((rows, cols), dtype=np.float32)


def compare(target, shape, rounds):
    sizes, turn = shape.split(":")
    m, k, n = map(int, sizes.split("x"))
    rng = np.random.default_rng(0)
    x, y = matrix(rng, m, k, turn[0] == "T"), matrix(rng, k, n, turn[1] == "T")
    out, reference = np.empty((m, n), np.float32), np.empty((m, n), np.float32)
    a = Operand("%a", x.strides[0] // 4, x.strides[1] // 4)
    b_ = Operand("%b", y.strides[0] // 4, y.strides[1] // 4)
    space = np.zeros(int(scratch_bytes(target, F32, m, n, k, a, b_)) + 64, np.uint8)
    scratch = space.ctypes.data + (-space.ctypes.data) % 64
    text = kernel_text(target, m, n, k, a, b_)
    text += REPEAT.replace("CALL", "void @once(ptr %a, ptr %b, ptr %out, ptr %scratch)")
    ours, keep, compile_time = native(target, text)
    call = openblas_call(m, n, k, turn)
    theirs = native(target, REPEAT.replace("CALL", call)) if call else None
    pointers = (x.ctypes.data, y.ctypes.data)
    flops = 2 * m * n * k
    times = max(1, int(2e-3 * 1e11 / flops))

    def run_ours():
        ours(times, *pointers, out.ctypes.data, scratch)

    def run_pointer():
        theirs[0](times, *pointers, reference.ctypes.data, scratch)

    def run_numpy():
        for _ in range(times):
            np.matmul(x, y, out=reference)

    taken = {run_ours: [], run_numpy: [], run_pointer if theirs else run_numpy: []}
    for turn_number in range(rounds + 1):
        for function, record in taken.items():
            start = time.process_time_ns()
            function()
            if turn_number:
                record.append((time.process_time_ns() - start) / times / 1e3)
    np.testing.assert_allclose(out, reference, rtol=1e-3, atol=1e-4 * k**0.5)
    mine, numpy_time, *pointer_time = (median(record) for record in taken.values())
    other = pointer_time[0] if pointer_time else numpy_time
    print(f"{shape:20} {mine:10.2f} {other:10.2f} {numpy_time:10.2f}   {mine / other:5.2f} {mine / numpy_time:5.2f}   "
          f"{flops / mine / 1e3:6.1f} {flops / other / 1e3:6.1f}   {compile_time * 1e3:5.1f}", flush=True)
    return mine / other, mine / numpy_time


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    shapes = arguments or ARTICLE + CUBES + ([] if "--quick" in sys.argv else LARGE)
    target = host_target()
    print(f"{target.name}; microseconds: ours, OpenBLAS by pointer, np.matmul; ours over each; GFLOP/s; compile ms")
    ratios = np.array([compare(target, shape, 9 if "--quick" in sys.argv else 21) for shape in shapes])
    means, worst = np.exp(np.log(ratios).mean(0)), ratios.max(0)
    print(f"ours over OpenBLAS, over np.matmul: geometric means {means[0]:.3f} {means[1]:.3f}, "
          f"worst {worst[0]:.2f} {worst[1]:.2f}")


if __name__ == "__main__":
    main()
