"""
The UHF format of the Chinese university libraries' RFID alliance.

EPC: flags (bit 7 lent, bits 5 and 4 reserved, bits 3 to 0 sorting), encoding (bits 7 and 6) and version less 1, two
bytes of content parameter, then the item identifier: packed for EPCs of 96 bits (0), of 128 bits (1), or as it is (2).
User bank: objects of 6 bits number and 10 bits length. Sources disagree on whether sorting has four bits or five; here
it has four. Vectors: the alliance's examples and tags of Shanghai Jiao Tong University, as dp2's tests give them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stacks.tag_data.contents import PATRON_CARD, printable
from stacks.tag_data.errors import TagDataError

IPC_96, IPC_128, PLAIN = range(3)
OWNER, SET, USAGE, ALTERNATIVE_OWNER = 3, 4, 5, 27
_NUMBERS: Final = (3, 4, 5, 6, 11, 12, 14, 15, 16, 24, 26, 27, 28, 29, 30, 31)
_SHORT: Final = re.compile(rb"[\x21-\x7E]+")
_PACKED_96: Final = re.compile(r"[0-9A-Z]{3}[0-9]{4,10}[!-~]")
_PACKED_128: Final = re.compile(r"[0-9A-Z]{11,13}[!-~]")
_LONGEST_SHORT: Final = {IPC_96: 7, IPC_128: 11}
_VERSIONS = 16
"""Versions believed where no protocol control word says that this is no ISO format; the highest seen is 4."""


@dataclass(frozen=True, slots=True)
class UniversityEpc:
    """What such an EPC says; `contents` are the numbers of the objects in the user bank."""

    item_id: str
    lent: bool = False
    sorting: int = 0
    reserved: int = 0
    version: int = 1
    contents: tuple[int, ...] = ()

    def to_bytes(self, encoding: int | None = None) -> bytes:
        """
        Return the EPC, padded to whole words.

        Parameters
        ----------
        encoding : int, optional
            `IPC_96`, `IPC_128` or `PLAIN`; None: the first that can hold the identifier.

        Raises
        ------
        TagDataError
            A value does not fit.
        """
        packed = _packed(self.item_id) if encoding is None else (encoding, _in(self.item_id, encoding))
        if not (0 <= self.sorting < 16 and 0 <= self.reserved < 4 and 1 <= self.version <= 64):
            raise TagDataError(f"sorting {self.sorting}, reserved {self.reserved} or version {self.version}")
        unknown = [n for n in self.contents if n not in _NUMBERS]
        if unknown:
            raise TagDataError(f"objects {unknown} are none of this format's")
        bitmap = sum(1 << _NUMBERS.index(n) for n in set(self.contents))
        first = self.lent << 7 | self.reserved << 4 | self.sorting
        made = bytes([first, packed[0] << 6 | self.version - 1, *bitmap.to_bytes(2, "big")]) + packed[1]
        return made + b"\0" * (len(made) % 2)


def _packed(item_id: str) -> tuple[int, bytes]:
    for encoding in (IPC_96, IPC_128):
        try:
            return encoding, _in(item_id, encoding)
        except TagDataError:
            continue
    return PLAIN, _in(item_id, PLAIN)


def _in(item_id: str, encoding: int) -> bytes:
    """Return the identifier in one encoding; raises TagDataError."""
    data = item_id.encode()
    if not printable(item_id):
        raise TagDataError(f"{item_id!r} is no item identifier")
    if encoding == PLAIN:
        return data
    if len(item_id) <= _LONGEST_SHORT[encoding] and _SHORT.fullmatch(data):
        return bytes([len(data)]) + data
    if len(item_id) > 14 or not (_PACKED_96, _PACKED_128)[encoding].fullmatch(item_id):
        raise TagDataError(f"{item_id!r} cannot be packed into {(96, 128)[encoding]} bits")
    codes = [ord(c) - 0x30 for c in item_id[:-1]]
    tail = ord(item_id[-1]) << 4 | len(item_id)
    if encoding == IPC_96:
        low = (((codes[3] & 3) << 18) | codes[0] << 12 | codes[1] << 6 | codes[2]) << 12 | tail
        high = int(item_id[4:-1]) << 2 | codes[3] >> 2
        return low.to_bytes(4, "little") + high.to_bytes(4, "little")
    parts = [codes[10:], codes[5:10], codes[:5]]
    numbers = [sum(c << 6 * i for i, c in enumerate(reversed(part))) for part in parts]
    numbers[0] = numbers[0] << 12 | tail
    return b"".join(n.to_bytes(4, "little") for n in numbers)


def decode_university(epc: bytes, *, sure: bool = False) -> UniversityEpc | None:
    """
    Return what an EPC says; None where it cannot be one of this format.

    An identifier that would be written otherwise, or has anything but zeros behind it, is none.

    Parameters
    ----------
    epc : bytes
    sure : bool
        Its protocol control word says that it is no ISO format.
    """
    item_id = item_of(epc, sure=sure)
    if not item_id:
        return None
    bitmap = int.from_bytes(epc[2:4], "big")
    contents = tuple(n for i, n in enumerate(_NUMBERS) if bitmap >> i & 1)
    version = (epc[1] & 0x3F) + 1
    return UniversityEpc(item_id, is_lent(epc), epc[0] & 15, epc[0] >> 4 & 3, version, contents)


def item_of(epc: bytes, *, sure: bool = False) -> str:
    """Return the item identifier alone; empty where `decode_university` returns None."""
    if len(epc) < 6 or epc[0] & 0x40:
        return ""
    encoding = epc[1] >> 6
    if encoding > PLAIN or ((epc[1] & 0x3F) >= _VERSIONS and not sure):
        return ""
    return _plain(epc[4:]) if encoding == PLAIN else _unpacked(epc[4:], encoding)


def is_lent(epc: bytes) -> bool:
    """Whether the lending flag of an EPC is set."""
    return bool(epc[0] & 0x80)


def _plain(body: bytes) -> str:
    try:
        text = body.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return ""
    return text if printable(text) else ""


def _unpacked(body: bytes, encoding: int) -> str:
    size, length = (8, 12)[encoding], body[0] & 0x0F
    if length <= _LONGEST_SHORT[encoding]:
        text = body[1 : 1 + length]
        if body[0] != length or len(text) < length or any(body[1 + length :]) or not _SHORT.fullmatch(text):
            return ""
        return text.decode("ascii")
    if length > 14 or len(body) < size or any(body[size:]):
        return ""
    low, *others = (int.from_bytes(body[i : i + 4], "little") for i in range(0, size, 4))
    last = low >> 4 & 0xFF
    if not 0x21 <= last <= 0x7E:
        return ""
    if encoding == IPC_96:
        head = [low >> s & 0x3F for s in (24, 18, 12)]
        fourth, number = low >> 30 | (others[0] & 3) << 2, str(others[0] >> 2).zfill(length - 5)
        if len(number) > length - 5:
            return ""
        text = "".join(chr(c + 0x30) for c in (*head, fourth)) + number + chr(last)
        return text if _PACKED_96.fullmatch(text) else ""
    parts = [low >> 12, *others]
    widths = [length - 11, 5, 5]
    if any(part >> 6 * width for part, width in zip(parts, widths, strict=True)):
        return ""
    texts = [
        "".join(chr((part >> 6 * i & 0x3F) + 0x30) for i in reversed(range(width)))
        for part, width in zip(parts, widths, strict=True)
    ]
    text = texts[2] + texts[1] + texts[0] + chr(last)
    return text if _PACKED_128.fullmatch(text) else ""


def encode_user_bank(objects: Mapping[int, bytes] | Sequence[tuple[int, bytes]]) -> bytes:
    """Return the user bank of some objects, padded to whole words; raises TagDataError."""
    made = b""
    for number, data in objects.items() if isinstance(objects, Mapping) else objects:
        if number not in _NUMBERS or len(data) > 1023:
            raise TagDataError(f"object {number} of {len(data)} bytes is none of this format's")
        made += (number << 10 | len(data)).to_bytes(2, "big") + data
    return made + b"\0" * (len(made) % 2)


def decode_user_bank(data: bytes) -> dict[int, bytes]:
    """Return the objects of a user bank; raises TagDataError where one is cut short."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at]:
        head = int.from_bytes(data[at : at + 2], "big")
        number, length = head >> 10, head & 0x3FF
        body = data[at + 2 : at + 2 + length]
        if at + 1 >= len(data) or len(body) < length or number in found or number not in _NUMBERS:
            raise TagDataError(f"object {number} at byte {at} of the user bank is cut short or none")
        found[number] = body
        at += 2 + length
    return found


def owner_bytes(code: str) -> bytes:
    """Return a university's code of five digits (JY/T 1001): 9 at its front is written as 6; raises TagDataError."""
    if not (re.fullmatch(r"[0-59][0-9]{4}", code)):
        raise TagDataError(f"{code!r} is no university's code of five digits")
    return int("6" + code[1:] if code[0] == "9" else code).to_bytes(2, "big")


def owner_code(data: bytes) -> str:
    """Return the university's code of two bytes; empty where it is none."""
    if len(data) != 2:
        return ""
    code = f"{int.from_bytes(data, 'big'):05d}"
    return "9" + code[1:] if code[0] == "6" else code


def usage_of(kind: int, state: int) -> str:
    """Return a word of `stacks.tag_data.contents.USAGES` for the format's category and state of an item."""
    if kind in (0, 1):
        states = ("circulation", "not for circulation", *(("discarded",) if kind == 0 else ()), "acquisition")
        return states[state] if state < len(states) else "local use"
    return {2: "equipment", 3: PATRON_CARD, 4: "equipment"}.get(kind, f"future use {kind:X}")


def same_tag(epc: str, other: str) -> bool:
    """Whether two EPCs are one tag's before and after its flags were set: they alone, the first byte, differ."""
    return epc[2:].upper() == other[2:].upper() and decode_university(bytes.fromhex(epc)) is not None
