"""Places an ELF object file in this process's memory: what a linker does, for the few relocations our code has.

Loading takes a tenth of a millisecond, needs no LLVM (a program from the disk cache starts without importing it), and
a symbol that nobody defines raises an exception, where LLVM's own loader ends the process.

Source: System V ABI, AMD64 supplement 1.0, section 4.4; ELF for the Arm 64-bit architecture (2023Q3), section 5.7.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable

PAGE = mmap.PAGESIZE
SHT_SYMTAB, SHT_RELA, SHT_NOBITS = 2, 4, 8
SHF_WRITE, SHF_ALLOC = 1, 2
SHN_ABS, SHN_COMMON = 0xFFF1, 0xFFF2
EM_X86_64, EM_AARCH64 = 62, 183

SKIPPED = (".eh_frame", ".note")  # unwinding tables: our functions never throw


class LoadError(Exception):
    """An object file that cannot be placed in memory."""


class Section:
    """One section of the file; `address` once it has a place."""

    def __init__(self, name: str, fields: tuple):
        (_, self.kind, self.flags, _, self.offset, self.size, self.link, self.info, align, _) = fields
        self.name, self.align, self.address = name, max(align, 1), 0

    @property
    def placed(self) -> bool:
        return bool(self.flags & SHF_ALLOC) and not self.name.startswith(SKIPPED)

    @property
    def writable(self) -> bool:
        return bool(self.flags & SHF_WRITE)


class Image:
    """Machine code in memory; `symbols` maps each global name to its address. The code goes when the Image goes."""

    def __init__(self, code: bytes, resolve: Callable[[str], int]):
        if code[:6] != b"\x7fELF\x02\x01":
            raise LoadError("not a little-endian 64-bit ELF object")
        self.machine = struct.unpack_from("<H", code, 18)[0]
        if self.machine not in RELOCATIONS:
            raise LoadError(f"an ELF object for machine {self.machine}")
        sections = read_sections(code)
        names = read_symbols(code, sections)
        moves = [
            (sections[s.info], *move)
            for s in sections if s.kind == SHT_RELA and sections[s.info].placed for move in read_moves(code, s)
        ]
        stubs = {i for i, (name, section, _, _) in enumerate(names) if section == 0 and name}
        stubs |= {symbol for _, _, kind, symbol, _ in moves if kind in SLOT_KINDS}
        self.nbytes = self._reserve(code, sections, len(stubs))
        self._resolve_all(names, sections, stubs, resolve)
        self._relocate(moves)
        self._protect()

    def _reserve(self, code: bytes, sections: list[Section], stubs: int) -> int:
        """Give each section its place: what is only read or executed first, then stubs, then what is written."""
        fixed = [s for s in sections if s.placed and not s.writable]
        written = [s for s in sections if s.placed and s.writable]
        at = 0
        for s in fixed:
            at = -(-at // s.align) * s.align
            s.address, at = at, at + s.size
        self._stub_at = -(-at // 16) * 16
        self._fixed_size = -(-(self._stub_at + stubs * STUB_SIZE) // PAGE) * PAGE
        at = self._fixed_size
        for s in written:
            at = -(-at // s.align) * s.align
            s.address, at = at, at + s.size
        size = -(-max(at, 1) // PAGE) * PAGE
        # Private: after a fork, parent and child must not share the variables of the code.
        self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        for s in fixed + written:
            if s.kind != SHT_NOBITS:
                self._memory[s.address : s.address + s.size] = code[s.offset : s.offset + s.size]
            s.address += self.base
        return size

    def _resolve_all(self, names: list, sections: list[Section], stubs: set[int], resolve) -> None:
        """Addresses of all symbols; those defined elsewhere also get a stub within reach of a call."""
        self._values: list[int] = []
        self._stubs: dict[int, int] = {}
        self.symbols: dict[str, int] = {}
        at = self._stub_at
        for i, (name, index, value, visible) in enumerate(names):
            if index == SHN_COMMON:
                raise LoadError(f"the symbol {name!r} is common")
            if index == 0 and name:
                value = resolve(name)
            elif 0 < index < len(sections):
                value += sections[index].address
                if visible:
                    self.symbols[name] = value
            if i in stubs:
                self._memory[at : at + STUB_SIZE] = STUBS[self.machine] + struct.pack("<Q", value)
                self._stubs[i] = self.base + at
                at += STUB_SIZE
            self._values.append(value)

    def _relocate(self, moves: list[tuple]) -> None:
        """Write each address into the instructions that wait for it."""
        rules = RELOCATIONS[self.machine]
        for section, offset, kind, symbol, addend in moves:
            rule = rules.get(kind)
            if rule is None:
                raise LoadError(f"relocation {kind} in {section.name}")
            where = section.address + offset
            rule(self._memory, where - self.base, where, self._values[symbol], addend, self._stubs.get(symbol, 0))

    def _protect(self) -> None:
        """Code can be run and read, no longer written."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        if libc.mprotect(self.base, self._fixed_size, mmap.PROT_READ | mmap.PROT_EXEC):
            raise LoadError(f"the system does not let this process run new code (errno {ctypes.get_errno()})")


def read_sections(code: bytes) -> list[Section]:
    """All sections, with their names. Raises LoadError where the file is cut short."""
    try:
        (start,) = struct.unpack_from("<Q", code, 40)
        size, count, names_index = struct.unpack_from("<HHH", code, 58)
        headers = [struct.unpack_from("<IIQQQQIIQQ", code, start + i * size) for i in range(count)]
    except struct.error:
        raise LoadError("the object file is cut short") from None
    names_at = headers[names_index][4]
    return [Section(text_at(code, names_at + fields[0]), fields) for fields in headers]


def read_symbols(code: bytes, sections: list[Section]) -> list[tuple[str, int, int, bool]]:
    """(name, section index, value, global) of each symbol, in the file's order."""
    found = []
    for table in sections:
        if table.kind == SHT_SYMTAB:
            names_at = sections[table.link].offset
            for at in range(table.offset, table.offset + table.size, 24):
                name, info, _, index, value, _ = struct.unpack_from("<IBBHQQ", code, at)
                found.append((text_at(code, names_at + name), index, value, info >> 4 != 0))
    return found


def read_moves(code: bytes, section: Section) -> list[tuple[int, int, int, int]]:
    """(offset, kind, symbol, addend) of each relocation."""
    rows = struct.iter_unpack("<QQq", code[section.offset : section.offset + section.size])
    return [(offset, info & 0xFFFFFFFF, info >> 32, addend) for offset, info, addend in rows]


def text_at(code: bytes, at: int) -> str:
    return code[at : code.index(b"\0", at)].decode()


STUB_SIZE = 24
STUBS = {
    # jmp *[rip + 10]; eight bytes of filling; then the address
    EM_X86_64: bytes.fromhex("ff250a000000") + bytes(10),
    # ldr x16, #16; br x16; filling; then the address
    EM_AARCH64: struct.pack("<IIII", 0x58000090, 0xD61F0200, 0, 0),
}
SLOT = 16  # where in a stub the address lies: the entry of a global offset table, for those who read it


def put(size: int, signed: bool):
    """Stores a number that must fit; LoadError otherwise."""

    def store(memory, at: int, number: int) -> None:
        try:
            memory[at : at + size] = number.to_bytes(size, "little", signed=signed)
        except OverflowError:
            raise LoadError("a jump or an address is out of reach") from None

    return store


put32, put_unsigned64 = put(4, True), put(8, False)


def absolute64(memory, at, where, value, addend, stub):
    put_unsigned64(memory, at, value + addend & 0xFFFFFFFFFFFFFFFF)


def relative64(memory, at, where, value, addend, stub):
    put_unsigned64(memory, at, value + addend - where & 0xFFFFFFFFFFFFFFFF)


def relative32(memory, at, where, value, addend, stub):
    put32(memory, at, value + addend - where)


def call32(memory, at, where, value, addend, stub):
    put32(memory, at, (stub or value) + addend - where)


def slot_relative32(memory, at, where, value, addend, stub):
    put32(memory, at, stub + SLOT + addend - where)


def patch(memory, at: int, mask: int, bits: int) -> None:
    """Replace the bits under `mask` in the instruction at `at`."""
    (word,) = struct.unpack_from("<I", memory, at)
    struct.pack_into("<I", memory, at, word & ~mask & 0xFFFFFFFF | bits & mask)


def branch26(memory, at, where, value, addend, stub):
    distance = (stub or value) + addend - where
    if not -(1 << 27) <= distance < 1 << 27:
        raise LoadError("a jump is out of reach")
    patch(memory, at, 0x03FFFFFF, distance >> 2)


def page21(memory, at, where, value, addend, stub):
    pages = (value + addend >> 12) - (where >> 12)
    if not -(1 << 20) <= pages < 1 << 20:
        raise LoadError("an address is out of reach")
    patch(memory, at, 0x60FFFFE0, (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5)


def low12(scale: int):
    """The low twelve bits of an address, counted in units of 2**scale bytes, in an immediate field."""

    def rule(memory, at, where, value, addend, stub):
        patch(memory, at, 0x003FFC00, (value + addend & 0xFFF) >> scale << 10)

    return rule


def slot_page21(memory, at, where, value, addend, stub):
    page21(memory, at, where, stub + SLOT, addend, 0)


def slot_low12(memory, at, where, value, addend, stub):
    low12(3)(memory, at, where, stub + SLOT, addend, 0)


SLOT_KINDS = (9, 41, 42, 311, 312)  # those that go through a table of addresses

RELOCATIONS = {
    EM_X86_64: {
        1: absolute64, 2: relative32, 4: call32, 24: relative64,
        9: slot_relative32, 41: slot_relative32, 42: slot_relative32,
    },
    EM_AARCH64: {
        257: absolute64, 260: relative64, 261: relative32, 282: branch26, 283: branch26, 275: page21, 276: page21,
        277: low12(0), 278: low12(0), 284: low12(1), 285: low12(2), 286: low12(3), 299: low12(4),
        311: slot_page21, 312: slot_low12,
    },
}
