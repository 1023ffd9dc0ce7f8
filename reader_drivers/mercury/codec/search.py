"""The command that lets a module read without end (`Op.MULTI` around `Op.READ_TAGS`), and the one that ends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from reader_drivers.mercury.codec.frames import GEN2, Op, request

STOP: Final = request(Op.MULTI, b"\x00\x00\x02")
"""Ends a stream. Its answer (option 02, or an error where nothing ran) comes behind every record."""

WITH_METADATA: Final = 0x10
PREFIX: Final = 0x80
"""Set in a byte before the option: 81, 84, 88 announce a variant (88: several selects)."""


class SearchFlag(IntFlag):
    """How a module searches; the low two bits say which antennas: 3 is the list that was set."""

    LIST = 0x03
    EMBEDDED = 0x04
    STREAM = 0x08
    LARGE_POPULATION = 0x10
    STATUS_REPORT = 0x20
    STOP_AFTER_N = 0x40
    FAST = 0x80
    STATS_REPORT = 0x100
    TRIGGER = 0x200
    DUTY_CYCLE = 0x400


@dataclass(frozen=True, slots=True)
class Embedded:
    """Memory to read of each tag while it answers: Gen2 bank (1 EPC, 2 TID, 3 user), first word, number of words."""

    bank: int
    word: int
    words: int


@dataclass(frozen=True, slots=True)
class Search:
    """An endless search for Gen2 tags.

    Parameters
    ----------
    mask
        Which `Metadata` each record has.
    on_ms
        Length of a cycle, ms.
    embedded
        What to read of each tag, or None.
    flags
        The flags besides STREAM, which every such search has.
    prefix
        A byte before the option, or 0; a module repeats it in its records.
    """

    mask: int
    on_ms: int = 1000
    embedded: Embedded | None = None
    flags: int = SearchFlag.LIST | SearchFlag.LARGE_POPULATION
    prefix: int = 0

    @property
    def all_flags(self) -> int:
        """Return the flags as they are sent."""
        return self.flags | SearchFlag.STREAM | (SearchFlag.EMBEDDED if self.embedded else 0)

    def head(self) -> bytes:
        """Return what begins the search and each of its records: prefix, option, flags."""
        before = bytes([self.prefix]) if self.prefix else b""
        return before + bytes([WITH_METADATA]) + self.all_flags.to_bytes(2, "big")

    def start(self) -> bytes:
        """Return the frame that starts it."""
        body = self.head() + self.on_ms.to_bytes(2, "big") + self.mask.to_bytes(2, "big")
        if self.embedded is not None:
            read = b"\x07\xd0\x00" + bytes([self.embedded.bank]) + self.embedded.word.to_bytes(4, "big")
            read += bytes([self.embedded.words])
            body += bytes([1, len(read), Op.READ_DATA]) + read
        return request(Op.MULTI, bytes([0, 0, 1, Op.READ_TAGS, 0, 0, GEN2, len(body), Op.READ_TAGS]) + body)


def read_search(data: bytes) -> Search | None:
    """Read the data of a frame that starts a search; None where it is none, or has what is not known here."""
    if len(data) < 9 or data[:4] != bytes([0, 0, 1, Op.READ_TAGS]) or data[6] != GEN2:
        return None
    body = data[9:]
    if data[8] != Op.READ_TAGS or data[7] != len(body):
        return None
    prefix = body[0] if body and body[0] & PREFIX else 0
    body = body[1:] if prefix else body
    if len(body) < 7 or not body[0] & WITH_METADATA:
        return None
    flags = int.from_bytes(body[1:3], "big")
    rest = body[5 + (2 if flags & SearchFlag.DUTY_CYCLE else 0) :]
    mask, rest = int.from_bytes(rest[:2], "big"), rest[2:]
    embedded = None
    if flags & SearchFlag.EMBEDDED:
        if len(rest) != 12 or rest[:3] != bytes([1, 9, Op.READ_DATA]):
            return None
        embedded = Embedded(rest[6], int.from_bytes(rest[7:11], "big"), rest[11])
    kept = flags & ~(SearchFlag.STREAM | SearchFlag.EMBEDDED)
    return Search(mask, int.from_bytes(body[3:5], "big"), embedded, kept, prefix)
