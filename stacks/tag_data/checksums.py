"""The checksum of a library tag's fixed block."""

from __future__ import annotations

from typing import Final


def _table() -> tuple[int, ...]:
    made: list[int] = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        made.append(crc & 0xFFFF)
    return tuple(made)


_TABLE: Final = _table()


def crc_ccitt_false(data: bytes) -> int:
    """Return the CRC-16 of ISO 28560-3, 5.5.1: polynomial 1021, start FFFF, highest bit first, no final xor."""
    crc = 0xFFFF
    for byte in data:
        crc = ((crc << 8) & 0xFFFF) ^ _TABLE[(crc >> 8) ^ byte]
    return crc
