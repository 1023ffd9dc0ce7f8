"""The two words that stand before and behind a Gen2 tag's EPC."""

from __future__ import annotations

from reader_drivers.checksums import crc_epc


def gen2_words(epc: bytes) -> tuple[int, int]:
    """Return a tag's PC word (length in words, no user memory) and StoredCRC (EPC Gen2 air interface, 6.3.2.1.2)."""
    pc = (len(epc) // 2) << 11
    return pc, crc_epc(pc.to_bytes(2, "big") + epc)
