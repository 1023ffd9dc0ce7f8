"""Records of the buffered read mode (control 22), in which a reader collects tags by itself.

The form that newer readers use, with a length in each record; identifiers and antennas of it are read. The driver asks
for inventories instead, and so does not depend on the reader's configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_IDENTIFIER, _ANTENNA = 0x01, 0x10


@dataclass(frozen=True, slots=True)
class Record:
    """One tag: transponder type, kind of identifier, identifier, and antenna (0: not told)."""

    kind: int
    identifier: bytes
    iddt: int = 0
    antenna: int = 0


def encode_records(records: Sequence[Record], antenna: bool = True) -> bytes:
    """Return the data of an answer to `Control.READ_BUFFER`."""
    made = bytes([_IDENTIFIER | (_ANTENNA if antenna else 0)]) + len(records).to_bytes(2, "big")
    for record in records:
        fields = bytes([record.kind, record.iddt, len(record.identifier)]) + record.identifier
        fields += bytes([record.antenna]) if antenna else b""
        made += (len(fields) + 2).to_bytes(2, "big") + fields
    return made


def decode_records(data: bytes) -> list[Record] | None:
    """Return the records; None where the data contradict themselves or hold fields that are not known here."""
    if len(data) < 3 or data[0] & ~(_IDENTIFIER | _ANTENNA) or not data[0] & _IDENTIFIER:
        return None
    antenna = 1 if data[0] & _ANTENNA else 0
    rest, found = data[3:], list[Record]()
    for _ in range(int.from_bytes(data[1:3], "big")):
        long = int.from_bytes(rest[:2], "big")
        fields, rest = rest[2:long], rest[long:]
        if len(fields) < 3 or long != len(fields) + 2 or len(fields) != 3 + fields[2] + antenna:
            return None
        found.append(Record(fields[0], fields[3 : 3 + fields[2]], fields[1], fields[-1] if antenna else 0))
    return None if rest else found
