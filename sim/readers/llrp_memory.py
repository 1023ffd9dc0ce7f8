"""Tag memories, and the AccessSpecs that read them (LLRP 1.0.1, sections 11 and 15.2.1.5)."""

from __future__ import annotations

from dataclasses import dataclass

from reader_drivers.llrp.codec import (
    IMPINJ,
    MemoryBank,
    Parameter,
    ReadResult,
    encode_parameter,
    gen2_words,
    parameter,
)
from sim.readers.gen2_memory import IMPINJ_CHIP, TagMemory

ACCESS_SPECS, OPERATIONS = 32, 8
"""How many AccessSpecs a reader holds, and how many operations one of them."""


def _bits(data: bytes, count: int) -> str:
    return "".join(f"{byte:08b}" for byte in data)[:count]


@dataclass(frozen=True, slots=True)
class _Pattern:
    bank: int
    wanted: bool
    pointer: int
    mask: str
    data: str

    def matches(self, banks: dict[int, bytes]) -> bool:
        bank = banks[self.bank]
        there = _bits(bank, 8 * len(bank))[self.pointer : self.pointer + len(self.data)]
        if len(there) < len(self.data):
            return not self.wanted
        same = all(m == "0" or a == b for a, b, m in zip(there, self.data, self.mask, strict=False))
        return same == self.wanted


@dataclass(frozen=True, slots=True)
class AccessSpec:
    """An AccessSpec as it will be run; `parameter` as it was added."""

    number: int
    antenna: int
    rospec: int
    patterns: tuple[_Pattern, ...]
    reads: tuple[tuple[int, int, int, int], ...]
    """`(OpSpecID, bank, first word, words or 0)` of each read."""
    parameter: Parameter

    def serves(self, port: int, rospec: int) -> bool:
        """Whether tags heard on a port by a ROSpec are its concern."""
        return self.antenna in (0, port) and self.rospec in (0, rospec)

    def results(self, epc: bytes, memory: TagMemory, *, answers: bool) -> bytes | None:
        """Return what a tag's report carries: AccessSpecID and results; None: the tag is not meant."""
        pc, crc = gen2_words(epc)
        banks = {
            MemoryBank.RESERVED: bytes(8),
            MemoryBank.EPC: crc.to_bytes(2, "big") + pc.to_bytes(2, "big") + epc,
            MemoryBank.TID: memory.tid,
            MemoryBank.USER: memory.user,
        }
        if not all(pattern.matches({int(b): data for b, data in banks.items()}) for pattern in self.patterns):
            return None
        out = encode_parameter(parameter("AccessSpecID", access_spec_id=self.number))
        for op, bank, first, count in self.reads:
            data = banks[MemoryBank(bank)]
            end = 2 * (first + count) if count else len(data)
            if not answers:
                result, words = ReadResult.NO_RESPONSE, b""
            elif 2 * first >= len(data) or end > len(data):
                result, words = ReadResult.TAG_ERROR, b""
            else:
                result, words = ReadResult.SUCCESS, data[2 * first : end]
            numbers = tuple(int.from_bytes(words[i : i + 2], "big") for i in range(0, len(words), 2))
            read = parameter("C1G2ReadOpSpecResult", result=int(result), op_spec_id=op, words=numbers)
            out += encode_parameter(read)
        return out


def serialized_tid(memory: TagMemory) -> bytes:
    """Return the ImpinjSerializedTID of a report; chips of other makers send none."""
    if not memory.tid.startswith(IMPINJ_CHIP[:2]):
        return b""
    words = tuple(int.from_bytes(memory.tid[i : i + 2], "big") for i in range(0, len(memory.tid), 2))
    item = parameter("ImpinjSerializedTID", tid=words)
    assert item.kind.vendor == IMPINJ
    return encode_parameter(item)


def read_access_spec(item: Parameter) -> AccessSpec | str:
    """Check an AccessSpec and return it ready to run, or why it is refused."""
    command = item.first("AccessCommand")
    tags = None if command is None else command.first("C1G2TagSpec")
    if item.first("AccessSpecStopTrigger") is None or command is None or tags is None:
        return "an AccessSpec needs AccessSpecStopTrigger, AccessCommand and C1G2TagSpec"
    if item.number("access_spec_id") == 0:
        return "AccessSpecID 0 stands for all and cannot be added"
    if item.number("active"):
        return "CurrentState must be Disabled"
    if item.number("protocol") != 1:
        return "ProtocolID must be EPCglobal Class 1 Gen 2"
    reads = tuple(
        (op.number("op_spec_id"), op.number("bank"), op.number("pointer"), op.number("count"))
        for op in command.all("C1G2Read")
    )
    others = [child.name for child in command.children if child.name not in ("C1G2TagSpec", "C1G2Read")]
    if others or not 1 <= len(reads) <= OPERATIONS:
        return f"this reader does 1 to {OPERATIONS} C1G2Reads, and {', '.join(others) or 'nothing'} not"
    patterns = tuple(_pattern(target) for target in tags.all("C1G2TargetTag"))
    if not 1 <= len(patterns) <= 2:
        return "a C1G2TagSpec has one or two C1G2TargetTags"
    return AccessSpec(
        item.number("access_spec_id"),
        item.number("antenna_id"),
        item.number("rospec_id"),
        patterns,
        reads,
        item,
    )


def _pattern(target: Parameter) -> _Pattern:
    def bits(field: str) -> str:
        value = target.values.get(field, (0, b""))
        assert isinstance(value, tuple)
        count, data = value
        assert isinstance(count, int)
        assert isinstance(data, bytes)
        return _bits(data, count)

    return _Pattern(
        target.number("bank"),
        bool(target.number("match")),
        target.number("pointer"),
        bits("mask"),
        bits("data"),
    )
