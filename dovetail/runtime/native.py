"""IR text to machine code to an address that can be called. llvmlite is imported when the first text is compiled.

All LLVM work happens behind one lock, since a background thread compiles while others may want to.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Callable
from functools import cache

from dovetail.base.errors import ArgumentError, DovetailError, message
from dovetail.codegen.target import AVX2, AVX512, GENERIC, Target
from dovetail.runtime.elf import Image, LoadError

V3 = frozenset("avx avx2 bmi1 bmi2 f16c fma movbe".split())
V4 = V3 | frozenset("avx512f avx512bw avx512cd avx512dq avx512vl".split())
BY_NAME = {"avx512": (AVX512, V4), "avx2": (AVX2, V3), "generic": (GENERIC, frozenset())}

Store = Callable[[str, Callable[[], bytes]], bytes]  # (everything the code depends on, make) -> code


class CompileError(DovetailError, RuntimeError):
    """Machine code that could not be made or loaded."""


_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    # LLVM must not be forked in the middle of its work: its own locks would stay locked in the child.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


@cache
def llvm():
    """llvmlite.binding, ready for this machine."""
    try:
        import llvmlite.binding as binding
    except (ImportError, OSError) as e:
        raise CompileError(f"llvmlite cannot be loaded: {e}") from None
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@cache
def compiler_version() -> str:
    """Which compiler makes the code; known without loading it."""
    try:
        import llvmlite
    except ImportError:
        return "none"
    return llvmlite.__version__


@cache
def host_features() -> frozenset[str]:
    """Names of the instruction set extensions of this processor."""
    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return frozenset()
    with _lock:
        return frozenset(name for name, on in llvm().get_host_cpu_features().items() if on)


@cache
def resolve_target(name: str = "host") -> Target:
    """The target called `name`; "host" is the widest that this processor has.

    Raises: ArgumentError for an unknown name, or for instructions that this processor lacks.
    """
    if name == "host":
        return next(target for target, needs in BY_NAME.values() if needs <= host_features())
    if name not in BY_NAME:
        names = ", ".join(["host", *BY_NAME])
        raise ArgumentError(message("target", f"there is no target {name!r}", cure=f"One of: {names}"))
    target, needs = BY_NAME[name]
    missing = sorted(needs - host_features())
    if missing:
        facts = [("missing", " ".join(missing))]
        raise ArgumentError(message("target", f"this processor lacks what {name!r} needs", facts))
    return target


def identity(text: str, target: Target, level: int, passes: bool) -> str:
    """Everything that the machine code for `text` depends on."""
    host = f"{platform.machine()} {sys.platform}"
    return f"{compiler_version()}\n{host}\n{target.cpu}\n{target.features}\n{level} {passes}\n{text}"


def object_code(
    text: str, target: Target, *, level: int = 1, passes: bool = False, store: Store | None = None
) -> bytes:
    """Machine code for IR text, from `store` where it has it. Raises CompileError with LLVM's words."""
    if store is None:
        return emit(text, target, level, passes)
    return store(identity(text, target, level, passes), lambda: emit(text, target, level, passes))


def emit(text: str, target: Target, level: int = 1, passes: bool = False, assembly: bool = False) -> bytes | str:
    """Run LLVM: text to object code, or to assembly to read."""
    with _lock:
        binding = llvm()
        machine = target_machine(target, level)
        try:
            module = binding.parse_assembly(text)
            module.verify()
            if passes:
                optimise(module, machine)
            return machine.emit_assembly(module) if assembly else machine.emit_object(module)
        except RuntimeError as e:
            raise CompileError(f"LLVM does not take the code: {e}") from None


@cache
def target_machine(target: Target, level: int):
    """LLVM's machine for a target: position-independent code whose parts are near each other."""
    binding = llvm()
    kind = binding.Target.from_triple(binding.get_process_triple())
    return kind.create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, reloc="pic", codemodel="small"
    )


def optimise(module, machine) -> None:
    """LLVM's own pass pipeline at level 2, for code written as scalar loops."""
    binding = llvm()
    options = binding.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = True
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


class Code:
    """Machine code in this process. `address(name)` is good for as long as the Code lives."""

    def __init__(self, code: bytes, symbols: dict[str, int] | None = None):
        symbols = symbols or {}

        def resolve(name: str) -> int:
            return symbols.get(name) or process_symbol(name)

        try:
            ours = code[:4] == b"\x7fELF" and os.name == "posix"
            self._image = Image(code, resolve) if ours else Loaded(code, symbols)
        except LoadError as e:
            raise CompileError(f"the compiled code cannot be loaded: {e}") from None
        self.nbytes = self._image.nbytes

    def address(self, name: str) -> int:
        """Where the function or variable `name` is. Raises CompileError where there is none."""
        try:
            return self._image.symbols[name]
        except KeyError:
            raise CompileError(f"the compiled code does not define {name!r}") from None


class Symbols:
    """Addresses by name, asked of LLVM's own loader."""

    def __init__(self, engine):
        self._engine = engine

    def __getitem__(self, name: str) -> int:
        with _lock:
            address = self._engine.get_function_address(name) or self._engine.get_global_value_address(name)
        if not address:
            raise KeyError(name)
        return address


class Loaded:
    """Object code placed by LLVM's own loader, on systems whose object format `elf` does not read."""

    def __init__(self, code: bytes, symbols: dict[str, int]):
        with _lock:
            binding = llvm()
            for name, address in symbols.items():
                binding.add_symbol(name, address)
            kind = binding.Target.from_triple(binding.get_process_triple())
            self._engine = binding.create_mcjit_compiler(
                binding.parse_assembly(""), kind.create_target_machine(jit=True)
            )
            self._engine.add_object_file(binding.ObjectFileRef.from_data(code))
            self._engine.finalize_object()
        self.symbols = Symbols(self._engine)
        self.nbytes = len(code)


@cache
def libraries() -> list:
    """The C libraries whose functions compiled code may call."""
    names = [None, "libm.so.6", "libc.so.6"] if sys.platform.startswith("linux") else [None]
    found = [ctypes.pythonapi]
    for name in names:
        try:
            found.append(ctypes.CDLL(name))
        except (OSError, TypeError):
            continue
    return found


@cache
def process_symbol(name: str) -> int:
    """The address of a C function or variable of this process. Raises LoadError where there is none."""
    for library in libraries():
        try:
            return ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        except AttributeError:
            continue
    raise LoadError(f"nobody defines the function {name!r}")
