"""Checksums of the readers' protocols, each named as its users name it."""

from __future__ import annotations


def _crc_msb(data: bytes, crc: int) -> int:
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def crc_ccitt_false(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: poly 0x1021, init 0xFFFF, most significant bit first (ISO 28560-3 tag block)."""
    return _crc_msb(data, 0xFFFF)


def crc_epc(data: bytes) -> int:
    """CRC-16/GENIBUS over PC and EPC: a Gen2 tag's StoredCRC (EPC Gen2 air interface, annex F)."""
    return _crc_msb(data, 0xFFFF) ^ 0xFFFF


def crc_thingmagic(data: bytes) -> int:
    """CRC of ThingMagic's serial frames over length byte to last data byte; sent most significant byte first.

    Poly 0x1021 and init 0xFFFF, but the message bits are shifted in at the low end and no zeros follow them, so the
    last two bytes never meet the polynomial.
    """
    crc = 0xFFFF
    for byte in data:
        for bit in range(7, -1, -1):
            crc = (crc << 1 | byte >> bit & 1) ^ (0x11021 if crc & 0x8000 else 0)
    return crc


def crc_8408(data: bytes) -> int:
    """CRC-16/MCRF4XX: poly 0x8408 reflected, init 0xFFFF (FEIG OBID; Chafon readers)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc


def sum8(data: bytes) -> int:
    """Sum modulo 256 (M100 modules: type to last parameter)."""
    return sum(data) & 0xFF


def neg8(data: bytes) -> int:
    """Two's complement of the sum modulo 256 (Impinj R2000 boards: from 0xA0 on)."""
    return -sum(data) & 0xFF


def sum7(data: bytes) -> int:
    """Sum modulo 128 (Sabertooth packet serial: address, command, value)."""
    return sum(data) & 0x7F
