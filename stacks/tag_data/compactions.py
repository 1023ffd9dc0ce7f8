"""
The compactions of ISO/IEC 15962, with which ISO 28560-2 and ISO/TS 28560-4 make texts short.

Eight of them, told by three bits: application-defined, integer, numeric, 5, 6 and 7 bits a character, octets, UTF-8.
"""

from __future__ import annotations

import re
from typing import Final

from stacks.tag_data.errors import TagDataError

APPLICATION, INTEGER, NUMERIC, BITS_5, BITS_6, BITS_7, OCTETS, UTF_8 = range(8)
NAMES: Final = ("application", "integer", "numeric", "5-bit", "6-bit", "7-bit", "octets", "UTF-8")

# What each can hold, and from which length on it is chosen: ISO/IEC 15962, annex on compaction.
_FITS: Final = (
    (INTEGER, re.compile(r"[1-9][0-9]{1,18}")),
    (NUMERIC, re.compile(r"[0-9]{2,}")),
    (BITS_5, re.compile(r"[A-_]{3,}")),
    (BITS_6, re.compile(r"[ -_]{3,}[!-_]")),
    (BITS_7, re.compile(r"[\x00-\x7E]{8,}")),
)
_HIGHEST_INTEGER: Final = 10**19 - 1


def best_compaction(text: str) -> int:
    """Return the compaction that an encoder takes for a text: the first that fits, else UTF-8."""
    return next((code for code, fits in _FITS if fits.fullmatch(text)), UTF_8)


def compact(text: str, compaction: int) -> bytes:
    """
    Return the bytes of a text.

    Raises
    ------
    TagDataError
        The compaction cannot hold the text.
    """
    fits = dict(_FITS).get(compaction)
    if fits is not None and not fits.fullmatch(text):
        raise TagDataError(f"{text!r} cannot be written in {NAMES[compaction]}")
    try:
        match compaction:
            case 1:
                number = int(text)
                return number.to_bytes((number.bit_length() + 7) // 8, "big")
            case 2:
                return bytes.fromhex(text + "F" * (len(text) % 2))
            case 3:
                return pack([ord(c) & 0x1F for c in text], 5, 0)
            case 4:
                return pack([ord(c) & 0x3F for c in text], 6, 0b100000)
            case 5:
                return pack([ord(c) for c in text], 7, 0b1111111)
            case 6:
                return text.encode("latin-1")
            case 7:
                return text.encode()
            case _:
                raise TagDataError(f"compaction {compaction} needs the bytes, not a text")
    except UnicodeEncodeError:
        raise TagDataError(f"{text!r} cannot be written in {NAMES[compaction]}") from None


def expand(data: bytes, compaction: int) -> str:
    """
    Return the text of some bytes; application-defined ones as hexadecimal.

    Raises
    ------
    TagDataError
        The bytes are none that this compaction makes.
    """
    match compaction:
        case 1:
            number = int.from_bytes(data, "big")
            if number > _HIGHEST_INTEGER:
                raise TagDataError(f"{data.hex().upper()} is larger than an integer can be")
            return str(number) if data else ""
        case 2:
            digits = data.hex().upper().removesuffix("F")
            if not digits.isdecimal() and digits:
                raise TagDataError(f"{data.hex().upper()} is not numeric")
            return digits
        case 3:
            # Less than a byte is filled up, in which one zero more has room.
            text = bytes(v | 0x40 for v in unpack(data, 5)).removesuffix(b"@")
            if b"@" in text:
                raise TagDataError(f"{data.hex().upper()} has a pad between its 5-bit characters")
            return text.decode("ascii")
        case 4:
            return bytes(v if v & 0x20 else v | 0x40 for v in unpack(data, 6, 0b100000)).decode("ascii")
        case 5:
            return bytes(unpack(data, 7, 0b1111111)).decode("ascii")
        case 6:
            text = data.decode("latin-1")
            return text if text.isprintable() else data.hex().upper()
        case 7:
            try:
                return data.decode()
            except UnicodeDecodeError:
                raise TagDataError(f"{data.hex().upper()} is not UTF-8") from None
        case _:
            return data.hex().upper()


def pack(values: list[int], width: int, pad: int) -> bytes:
    """Write values of `width` bits one after the other, the last byte filled with the first bits of `pad`."""
    bits = "".join(f"{v:0{width}b}" for v in values)
    short = -len(bits) % 8
    bits += f"{pad:0{width}b}".ljust(short, f"{pad & 1}")[:short]
    return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


def unpack(data: bytes, width: int, pad: int | None = None) -> list[int]:
    """Return the values of `width` bits; what is left of the last byte is dropped, and a last value that is `pad`."""
    bits = "".join(f"{b:08b}" for b in data)
    values = [int(bits[i : i + width], 2) for i in range(0, len(bits) - width + 1, width)]
    # A whole pad can only stand where the characters before it left as many bits free.
    if values and values[-1] == pad and len(bits) - width * (len(values) - 1) < 8:
        values.pop()
    return values
