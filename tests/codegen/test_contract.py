"""Compiled products against NumPy: every stride order, odd sizes, batches, threads, targets."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest

from dovetail.base import dtypes
from dovetail.codegen import cuts
from dovetail.codegen.builder import Builder
from dovetail.codegen.contract import Operand, gemm_kernel, plan, scratch_bytes
from dovetail.codegen.target import AVX2, AVX512, GENERIC
from dovetail.codegen.vectors import WORD
from dovetail.ir.sym import Sym

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
HOST = llvm.get_host_cpu_features()
TARGETS = [GENERIC] + [AVX2] * bool(HOST.get("avx2")) + [AVX512] * bool(HOST.get("avx512f"))


def plain_store(dtype, row_stride, batch_stride=0):
    """An epilogue that writes each vector to %out, and counts nothing."""
    word = WORD[dtype.name]

    def epilogue(b, acc, row, col, lanes, mask, batch):
        start = b.op(f"mul i64 {row}, {row_stride}")
        start = b.op(f"add i64 {start}, {col}")
        start = b.op(f"add i64 {start}, {b.op(f'mul i64 {batch}, {batch_stride}')}")
        pointer = b.op(f"getelementptr {word}, ptr %out, i64 {start}")
        kind = word if lanes == 1 else f"<{lanes} x {word}>"
        if mask is None:
            b.line(f"store {kind} {acc}, ptr {pointer}, align {dtype.itemsize}")
        else:
            short = f"v{lanes}{'f' if dtype.kind == 'f' else 'i'}{dtype.itemsize * 8}"
            b.line(f"call void @llvm.masked.store.{short}.p0({kind} {acc}, ptr {pointer}, "
                   f"i32 {dtype.itemsize}, <{lanes} x i1> {mask})")
            b.needs.add(f"declare void @llvm.masked.store.{short}.p0({kind}, ptr, i32, <{lanes} x i1>)")

    return epilogue


def compiled(target, write, level=1):
    """A ctypes function (a, b, out, scratch, tid, nt, sizes) of what `write(builder)` writes."""
    b = Builder()
    b.needs = set()
    needs = write(b) | b.needs
    pointers = ", ".join(f"ptr noalias %{name}" for name in ("a", "b", "out", "scratch"))
    text = f"define void @f({pointers}, i64 %tid, i64 %nt, ptr %sizes) {{\nentry:\n"
    text += b.text() + "\n  ret void\n}\n" + "\n".join(sorted(needs))
    module = llvm.parse_assembly(text)
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, jit=True)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
    function = kind(engine.get_function_address("f"))
    function.keep = engine
    function.assembly = lambda: machine.emit_assembly(module)
    return function


def strides_of(x):
    return tuple(s // x.itemsize for s in x.strides)


def product(target, dtype, x, y, threads=1, sizes=None, compact=False):
    """x @ y by compiled code; x (..., m, k), y (..., k, n). sizes: Syms to use for (m, n, k)."""
    m, k, n = x.shape[-2], x.shape[-1], y.shape[-1]
    batch = x.shape[:-2]
    sx, sy = strides_of(x), strides_of(y)
    a = Operand("%a", sx[-2], sx[-1], sx[:-2])
    b_ = Operand("%b", sy[-2], sy[-1], sy[:-2])
    out = np.full((*batch, m, n), 77, dtype=dtype.np)
    mm, nn, kk = sizes or (m, n, k)
    table = np.array([m, n, k], dtype=np.int64)
    names = {}

    def write(b):
        def extent(size):
            if not isinstance(size, Sym):
                return str(size)
            return names[repr(size.expr)] if repr(size.expr) in names else compute(b, size)

        def compute(b, size):
            if not isinstance(size, Sym):
                return str(size)
            op, *args = size.expr
            if op == "table":
                return names[repr(size.expr)]
            word = {"+": "add", "-": "sub", "*": "mul", "//": "udiv"}[op]
            return b.op(f"{word} i64 {compute(b, args[0])}, {compute(b, args[1])}")

        for i in range(3):
            p = b.op(f"getelementptr i64, ptr %sizes, i64 {i}")
            names[repr(("table", i))] = b.op(f"load i64, ptr {p}")
        return gemm_kernel(b, target=target, dtype=dtype, m=mm, n=nn, k=kk, a=a, b_=b_, tid="%tid", nt="%nt",
                           scratch="%scratch", epilogue=plain_store(dtype, n, m * n), batch=batch, extent=extent,
                           compact=compact)

    function = compiled(target, write)
    need = int(scratch_bytes(target, dtype, m, n, k, a, b_, compact))
    space = np.zeros(need * threads + 64, dtype=np.uint8)
    start = -space.ctypes.data % 64
    for t in range(threads):
        pointers = (x.ctypes.data, y.ctypes.data, out.ctypes.data, space.ctypes.data + start)
        function(*pointers, t, threads, table.ctypes.data)
    return out


def random_matrix(rng, dtype, shape, turned):
    shape = (*shape[:-2], shape[-1], shape[-2]) if turned else shape
    x = rng.standard_normal(shape) if dtype.kind == "f" else rng.integers(-9, 9, shape)
    x = x.astype(dtype.np)
    return np.swapaxes(x, -1, -2) if turned else x


def close(got, want, k):
    eps = np.finfo(got.dtype).eps if got.dtype.kind == "f" else 0
    np.testing.assert_allclose(got, want, rtol=20 * eps, atol=4 * eps * max(k, 1) ** 0.5 * 4)


SHAPES = [(1, 1, 1), (3, 5, 7), (6, 64, 4), (13, 10, 17), (4, 1, 33), (1, 70, 19), (32, 100, 3), (7, 33, 40),
          (2, 17, 0), (0, 4, 3), (3, 0, 2), (65, 129, 20), (8, 16, 300), (5, 12, 31)]


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
@pytest.mark.parametrize("turn", ["NN", "NT", "TN", "TT"])
def test_products_match_numpy(target, turn):
    rng = np.random.default_rng(0)
    for dtype in (dtypes.float32, dtypes.float64, dtypes.int32):
        for m, n, k in SHAPES if dtype is dtypes.float32 else SHAPES[1:8]:
            x = random_matrix(rng, dtype, (m, k), turn[0] == "T")
            y = random_matrix(rng, dtype, (k, n), turn[1] == "T")
            close(product(target, dtype, x, y), x @ y, k)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_threads_and_batches_share_the_tiles(target):
    rng = np.random.default_rng(1)
    for turn in ("NN", "NT", "TN"):
        x = random_matrix(rng, dtypes.float32, (2, 3, 9, 20), turn[0] == "T")
        y = random_matrix(rng, dtypes.float32, (2, 3, 20, 37), turn[1] == "T")
        alone = product(target, dtypes.float32, x, y)
        close(alone, x @ y, 20)
        for threads in (2, 5):
            assert np.array_equal(product(target, dtypes.float32, x, y, threads), alone)


def test_large_products_copy_their_panels():
    rng = np.random.default_rng(4)
    x, y = random_matrix(rng, dtypes.float32, (130, 400), False), random_matrix(rng, dtypes.float32, (400, 350), False)
    operands = Operand("%a", 400, 1), Operand("%b", 350, 1)
    assert plan(TARGETS[-1], dtypes.float32, 130, 350, 400, *operands).pack
    close(product(TARGETS[-1], dtypes.float32, x, y), x @ y, 400)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
@pytest.mark.parametrize("turn", ["NN", "NT", "TN", "TT"])
def test_every_shape_of_tile(target, turn, monkeypatch):
    """Random sizes, with sums in small blocks and epilogues in loops."""
    rng = np.random.default_rng(5)
    monkeypatch.setattr(cuts, "BLOCK", 16)
    for trial in range(6):
        monkeypatch.setattr(cuts, "CACHE", 1 << 11 if trial % 2 else 1 << 19)
        monkeypatch.setattr(cuts, "WAITING", 1 << 12)
        m, n, k = (int(rng.choice([1, 2, 3, 7, 8, 16, 31, 50, 65, 256])) for _ in range(3))
        x = random_matrix(rng, dtypes.float32, (m, k), turn[0] == "T")
        y = random_matrix(rng, dtypes.float32, (k, n), turn[1] == "T")
        for threads in (1, 3):
            got = product(target, dtypes.float32, x, y, threads, compact=trial % 3 == 0)
            close(got, x @ y, k)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_operands_read_across_their_memory_are_copied_into_tiles(target, monkeypatch):
    """Sums in one block and in several, whole and ragged tiles, more tiles than are copied at a time."""
    rng = np.random.default_rng(7)
    monkeypatch.setattr(cuts, "LEFT", 1 << 15)
    cases = [(132, 64, 64, "TN"), (144, 70, 200, "TT"), (131, 129, 530, "TN"), (200, 66, 1030, "TN")]
    for number, (m, n, k, turn) in enumerate(cases):
        x = random_matrix(rng, dtypes.float32, (m, k), turn[0] == "T")
        y = random_matrix(rng, dtypes.float32, (k, n), turn[1] == "T")
        operands = Operand("%a", *strides_of(x)), Operand("%b", *strides_of(y))
        assert m * n * k < cuts.WORTHWHILE or plan(target, dtypes.float32, m, n, k, *operands).pack_left
        alone = product(target, dtypes.float32, x, y, compact=number % 2 == 1)
        close(alone, x @ y, k)
        assert np.array_equal(product(target, dtypes.float32, x, y, 3, compact=number % 2 == 1), alone)


def several_dims(target, x, y, rows, sums, columns, threads=2, compact=False):
    """out[rows, columns] = sum of x[rows, sums] * y[sums, columns]; each side several dims of strided views."""
    sx, sy = strides_of(x), strides_of(y)
    m, k, n = x.shape[:rows], x.shape[rows:], y.shape[sums:]
    a, b_ = Operand("%a", sx[:rows], sx[rows:]), Operand("%b", sy[:sums], sy[sums:])
    count = int(np.prod(n))
    out = np.full((*m, *n), 77, np.float32)

    def write(b):
        return gemm_kernel(b, target=target, dtype=dtypes.float32, m=m, n=n, k=k, a=a, b_=b_, tid="%tid", nt="%nt",
                           scratch="%scratch", epilogue=plain_store(dtypes.float32, count), compact=compact)

    need = scratch_bytes(target, dtypes.float32, m, n, k, a, b_, compact)
    space = np.zeros(need * threads + 64, np.uint8)
    function = compiled(target, write)
    for t in range(threads):
        where = space.ctypes.data - space.ctypes.data % -64
        function(x.ctypes.data, y.ctypes.data, out.ctypes.data, where, t, threads, 0)
    return out


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_sides_of_several_dims(target, monkeypatch):
    """A convolution and its weight gradient: overlapping windows of an image as one side of a product."""
    rng = np.random.default_rng(6)
    for small in (False, True):
        if small:
            monkeypatch.setattr(cuts, "BLOCK", 16)
            monkeypatch.setattr(cuts, "CACHE", 1 << 11)
            monkeypatch.setattr(cuts, "WORTHWHILE", 0)
            monkeypatch.setattr(cuts, "ACROSS", 8)
        for channels, outs in ((3, 20), (8, 16), (1, 70)):
            image = rng.standard_normal((2, 9, 11, channels)).astype(np.float32)
            windows = np.lib.stride_tricks.sliding_window_view(image, (3, 2), axis=(1, 2))[:, ::2]  # n h w c kh kw
            windows = windows.transpose(0, 1, 2, 4, 5, 3)
            weight = rng.standard_normal((outs, channels, 3, 2)).astype(np.float32).transpose(2, 3, 1, 0)
            want = np.tensordot(windows, weight, 3)
            got = several_dims(target, windows, weight, 3, 3, 1)
            close(got, want, 6 * channels)
            turned = windows.transpose(3, 4, 5, 0, 1, 2)
            close(several_dims(target, turned, want, 3, 3, 1, compact=small), np.tensordot(turned, want, 3), 200)
            close(several_dims(target, weight.transpose(3, 0, 1, 2), windows.transpose(3, 4, 5, 0, 1, 2), 1, 3, 3),
                  np.moveaxis(want, -1, 0), 6 * channels)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_strided_operands(target):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((40, 60)).astype(np.float32)[::2, ::3]
    y = rng.standard_normal((40, 90)).astype(np.float32)[1::2, 5::4]
    close(product(target, dtypes.float32, x, y), x @ y, 20)
    x = np.broadcast_to(x[:, :1], (20, 20))
    close(product(target, dtypes.float32, x, y), x @ y, 20)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_sizes_known_at_run_time_only(target):
    """Samples decide the tiles, yet the code is right for other sizes."""
    rng = np.random.default_rng(3)
    samples = [Sym(32, ("table", 0)), Sym(70, ("table", 1)), Sym(20, ("table", 2))]
    for m, n, k in [(32, 70, 20), (1, 1, 1), (7, 64, 0), (33, 130, 9), (0, 3, 2), (2, 0, 2)]:
        x, y = random_matrix(rng, dtypes.float32, (m, k), False), random_matrix(rng, dtypes.float32, (k, n), False)
        close(product(target, dtypes.float32, x, y, sizes=samples), x @ y, k)
