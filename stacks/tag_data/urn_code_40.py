"""
URN Code 40 of ISO/IEC 15962, in which ISO/TS 28560-4 writes the identifier of a UHF tag.

Three characters a word: ``1600 a + 40 b + c + 1`` with A to Z as 1 to 26, ``-`` 27, ``.`` 28, ``:`` 29, 0 to 9 as 30
to 39, and 0 to fill up. A first byte of FB begins a long number (how many digits less 9 and how many bytes less 4, a
nibble each, then the number), FC one ASCII character, FD and FE a UTF-8 character of two and three bytes.
"""

from __future__ import annotations

import functools
import re
import struct
from typing import Final

from stacks.tag_data.errors import TagDataError

ALPHABET: Final = "\0ABCDEFGHIJKLMNOPQRSTUVWXYZ-.:0123456789"
_VALUE: Final = {char: value for value, char in enumerate(ALPHABET) if value}
_NUMBER, _ASCII, _LAST = 0xFB, 0xFC, 0xFE
_RUNS: Final = re.compile(r"[1-9][0-9]{8,23}|[A-Z.:0-9-]|[^A-Z.:0-9-]")
_HIGHEST = 40**3


@functools.cache
def words() -> tuple[str | None, ...]:
    """Return the characters of each word; None: the word is none of this code."""
    made: list[str | None] = [None] * 0x10000
    made[0] = ""
    for value in range(1, _HIGHEST + 1):
        a, rest = divmod(value - 1, 1600)
        b, c = divmod(rest, 40)
        # Only the last characters of a word may be fillers.
        if a and (b or not c):
            made[value] = (ALPHABET[a] + ALPHABET[b] + ALPHABET[c]).rstrip("\0")
    return tuple(made)


def encode_urn_code_40(text: str) -> bytes:
    """
    Return a text's bytes, an even number of them.

    Raises
    ------
    TagDataError
        A character needs four bytes in UTF-8.
    """
    made, table = b"", ""
    for run in _RUNS.findall(text):
        if len(run) == 1 and run in _VALUE:
            table += run
            continue
        made, table = made + _table(table), ""
        if len(run) > 1:
            number = int(run)
            size = max((number.bit_length() + 7) // 8, 4)
            made += bytes([_NUMBER, (len(run) - 9) << 4 | (size - 4)]) + number.to_bytes(size, "big")
            continue
        char = _utf_8(run)
        made += bytes([_ASCII + len(char) - 1]) + char
    made += _table(table)
    return made + b"\0" * (len(made) % 2)


def _utf_8(char: str) -> bytes:
    try:
        data = char.encode()
    except UnicodeEncodeError:
        data = b""
    if not 1 <= len(data) <= 3 or data == b"\0":
        raise TagDataError(f"{char!r} cannot be written in URN Code 40")
    return data


def _table(text: str) -> bytes:
    made = b""
    for i in range(0, len(text), 3):
        a, b, c = (_VALUE[char] for char in text[i : i + 3]) if i + 3 <= len(text) else _filled(text[i:])
        made += (1600 * a + 40 * b + c + 1).to_bytes(2, "big")
    return made


def _filled(text: str) -> tuple[int, int, int]:
    return _VALUE[text[0]], _VALUE[text[1]] if len(text) > 1 else 0, 0


def decode_urn_code_40(data: bytes) -> str:
    """
    Return the text of some bytes.

    Raises
    ------
    TagDataError
        A byte, a word or a number is none of this code, or something stands behind the end.
    """
    known, made, at = words(), "", 0
    if not len(data) % 2:
        # Most identifiers are words from end to end.
        parts = [known[word] or "" for word in struct.unpack(f">{len(data) // 2}H", data)]
        if all(parts):
            return "".join(parts)
    while at < len(data):
        head = data[at]
        if head < _NUMBER:
            # An odd byte at the end fills up the word, as do zeros.
            word = int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
            part = known[word] if at + 1 < len(data) or not head else None
            if part is None or (not part and any(data[at:])):
                raise TagDataError(f"{data[at : at + 2].hex().upper()} is no word of URN Code 40")
            made, at = made + part, at + 2 if part else len(data)
        elif head == _NUMBER:
            part, at = _number(data, at)
            made += part
        elif head <= _LAST:
            size = head - _ASCII + 1
            made, at = made + _char(data[at + 1 : at + 1 + size], size), at + 1 + size
        else:
            raise TagDataError(f"byte {head:02X} is none of URN Code 40")
    return made


def _number(data: bytes, at: int) -> tuple[str, int]:
    sizes = data[at + 1 : at + 2]
    digits, size = (sizes[0] >> 4) + 9 if sizes else 0, (sizes[0] & 0x0F) + 4 if sizes else 0
    body = data[at + 2 : at + 2 + size]
    number = int.from_bytes(body, "big")
    if not digits or len(body) < size or number >= 10**digits:
        raise TagDataError("a long number is cut short or larger than its digits")
    return f"{number:0{digits}d}", at + 2 + size


def _char(data: bytes, size: int) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if len(data) != size or len(text) != 1:
        raise TagDataError(f"{data.hex().upper()} is no character of {size} bytes in UTF-8")
    return text
