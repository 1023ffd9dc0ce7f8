"""Published check values and frames of real devices."""

import pytest

from reader_drivers import checksums

CHECK = b"123456789"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("crc_thingmagic", "00 03", 0x1D0C),
        ("crc_8408", CHECK.hex(), 0x6F91),
        ("crc_8408", "07 FF B0 01 00", 0x561C),
        ("crc_ccitt_false", CHECK.hex(), 0x29B1),
        ("crc_ccitt_false", b"RFID tag data model".hex(), 0x1AEE),
        ("crc_epc", CHECK.hex(), 0xD64E),
        ("crc_epc", "34 00 30 75 1F EB 70 5C 59 04 E3 D5 0D 70", 0x3A76),
        ("crc_epc", "30 00 00 00 00 00 00 00 00 00 00 00 15 45", 0xE94A),
        ("sum8", "00 22 00 00", 0x22),
        ("neg8", "A0 03 FF 70", 0xEE),
        ("sum7", "80 04 7F", 0x03),
        ("sum7", "80 00 40", 0x40),
    ],
)
def test_known_values(name: str, data: str, expected: int) -> None:
    assert getattr(checksums, name)(bytes.fromhex(data)) == expected


def test_thingmagic_is_the_ordinary_crc_with_other_start_and_untouched_end() -> None:
    """Init 0x1D0F over all but the last two bytes, then those two xored in."""
    frame = bytes(range(40, 60))
    crc = checksums._crc_msb(frame[:-2], 0x1D0F) ^ int.from_bytes(frame[-2:], "big")
    assert checksums.crc_thingmagic(frame) == crc
