"""
ISO 28560-3, the fixed block of 34 bytes (32 on small tags), once the Danish data model.

=====  =====  ==========================================================================
byte   bytes  field
=====  =====  ==========================================================================
0      1      content parameter (1) in the high nibble, type of usage in the low one
1, 2   1, 1   parts of the item; which of them, from 1
3      16     primary item identifier, UTF-8, zeros behind it; 01 alone: in an extension
19     2      CRC-16 of the other 32 bytes, least significant byte first
21     13     owner, its ISIL without the first hyphen; 11 on tags of 32 bytes
34     ..     extension blocks (`stacks.tag_data.extensions`)
=====  =====  ==========================================================================

Sources: ISO 28560-3, 7.2; block and CRC verified with the published example of libdanrfid. Makers are known to swap the
nibbles of byte 0, and to turn the bytes of each block round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stacks.tag_data.checksums import crc_ccitt_false
from stacks.tag_data.contents import printable
from stacks.tag_data.errors import TagDataError
from stacks.tag_data.extensions import LIBRARY, Extension, decode_extensions, library_extension
from stacks.tag_data.isil import joined, parted

DSFID: Final = 0x3E
LONG, SHORT = 34, 32
_VERSION: Final = 1
_ID, _CRC, _OWNER = slice(3, 19), slice(19, 21), slice(21, 34)
_ELSEWHERE = b"\x01" + bytes(15)

REVERSED = "bytes of blocks reversed"
SWAPPED = "usage nibble swapped"


@dataclass(frozen=True, slots=True)
class FixedBlock:
    """What a fixed block says; `owner` is an ISIL, `notes` what was forgiven."""

    item_id: str
    owner: str = ""
    usage: int = 1
    parts: int = 1
    part: int = 1
    notes: tuple[str, ...] = ()
    extensions: tuple[Extension, ...] = ()


def crc_of(block: bytes) -> int:
    """Return the checksum of a block's first 34 bytes, without its own two; zeros for those that are not there."""
    whole = block[:LONG].ljust(LONG, b"\0")
    return crc_ccitt_false(whole[:19] + whole[21:])


def turned(memory: bytes, block_bytes: int) -> bytes:
    """Return a memory with the bytes of each block in the opposite order."""
    starts = range(0, len(memory), block_bytes)
    return b"".join(memory[i : i + block_bytes][::-1] for i in starts)


def encode_fixed(
    item_id: str,
    owner: str = "",
    *,
    usage: int = 1,
    parts: int = 1,
    part: int = 1,
    size: int = LONG,
    extensions: Sequence[Extension] = (),
    swapped: bool = False,
) -> bytes:
    """
    Return the bytes of a fixed block and its extensions.

    Parameters
    ----------
    item_id : str
        Up to 16 bytes of UTF-8; a longer one goes into a library extension block.
    owner : str
        ISIL with a country code; up to 13 characters without its hyphen, 11 where `size` is 32.
    usage, parts, part : int
        See `FixedBlock`.
    size : {34, 32}
        Bytes of the block; extensions need 34.
    extensions : sequence of Extension
    swapped : bool
        Write usage and content parameter as some makers do.

    Raises
    ------
    TagDataError
        A value does not fit.
    """
    identifier, joint, more = item_id.encode(), joined(owner).encode("ascii", "replace"), list(extensions)
    if not printable(item_id):
        raise TagDataError(f"{item_id!r} is no item identifier: empty, or with characters nobody sees")
    if not (0 <= usage <= 15 and 0 <= parts <= 255 and 0 <= part <= 255 and size in (LONG, SHORT)):
        raise TagDataError(f"usage {usage}, parts {parts}, part {part} or size {size} does not fit")
    if len(identifier) > 16:
        if any(e.number == LIBRARY for e in more):
            raise TagDataError(f"{item_id!r} needs the library extension block, and there is one already")
        identifier, more = _ELSEWHERE, [library_extension(0, item_id), *more]
    if len(joint) > size - 21:
        raise TagDataError(f"{owner!r} has {len(joint)} characters without its hyphen, and {size - 21} fit")
    if more and size == SHORT:
        raise TagDataError("extension blocks stand behind 34 bytes, and this tag has 32")
    first = usage << 4 | _VERSION if swapped else _VERSION << 4 | usage
    front = bytes([first, parts, part]) + identifier.ljust(16, b"\0")
    back = joint.ljust(size - 21, b"\0")
    crc = crc_of(front + b"\0\0" + back)
    block = front + crc.to_bytes(2, "little") + back
    return block + (b"".join(e.to_bytes() for e in more) + b"\0" if more else b"")


def checked(memory: bytes, block_bytes: int = 4) -> tuple[bytes, tuple[str, ...]] | None:
    """
    Return the memory as it is meant, and what had to be forgiven; None where no checksum is right.

    Tried are the bytes as they are and turned in each block; of 34 bytes and, on a longer tag, of the 32 that small
    tags have.
    """
    if len(memory) < SHORT:
        return None
    ways: list[tuple[bytes, tuple[str, ...]]] = [(memory, ())]
    if block_bytes > 1:
        ways.append((turned(memory, block_bytes), (REVERSED,)))
    for data, notes in ways:
        stated = int.from_bytes(data[_CRC], "little")
        if crc_of(data) == stated:
            return data, notes
        if len(data) > SHORT and crc_of(data[:SHORT]) == stated:
            return data[:SHORT], (*notes, "checksum of 32 bytes on a longer tag")
    return None


def decode_fixed(memory: bytes, block_bytes: int = 4) -> FixedBlock:
    """
    Return what a tag's memory says.

    Raises
    ------
    TagDataError
        The checksum is wrong both ways, or the identifier is none.
    """
    found = checked(memory, block_bytes)
    if found is None:
        raise TagDataError("its checksum is wrong")
    data, forgiven = found
    notes = list(forgiven)
    version, usage = data[0] >> 4, data[0] & 0x0F
    if version != _VERSION and usage == _VERSION:
        version, usage = usage, version
        notes.append(SWAPPED)
    elif version != _VERSION:
        notes.append(f"content parameter {version}, and the standard has 1")
    extensions, said = decode_extensions(data[LONG:])
    notes.extend(said)
    library = next((e for e in extensions if e.number == LIBRARY), None)
    item_id, owner = _text(data[_ID], "item identifier"), parted(_text(data[_OWNER], "owner"))
    if data[3] == 1:
        if data[_ID] != _ELSEWHERE or library is None or not library.texts:
            raise TagDataError("its item identifier is to be in an extension block, and there is none")
        item_id = library.texts[0]
    if library is not None and not owner and len(library.texts) > 1:
        owner = library.texts[1]
    if not printable(item_id):
        raise TagDataError("it has no item identifier")
    return FixedBlock(item_id, owner, usage, data[1], data[2], tuple(notes), extensions)


def resembles(memory: bytes) -> bool:
    """Whether a memory looks like a fixed block whose checksum has been spoiled; a text is none, as ``1000123``."""
    if len(memory) < SHORT or 1 not in (memory[0] >> 4, memory[0] & 0x0F) or memory[1] >= ord(" "):
        return False
    try:
        texts = _text(memory[_ID], "item identifier"), _text(memory[_OWNER], "owner")
    except TagDataError:
        return False
    return memory[2] <= memory[1] and printable(texts[0]) and (not texts[1] or printable(texts[1]))


def _text(data: bytes, what: str) -> str:
    text, _, rest = data.partition(b"\0")
    try:
        if any(rest):
            raise TagDataError(f"its {what} has zeros within")
        return text.decode()
    except UnicodeDecodeError:
        raise TagDataError(f"its {what} is not UTF-8") from None
