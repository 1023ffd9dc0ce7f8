"""
ISO 28560-2 (GB/T 35660.2): data objects one after the other, each with its number, compaction and length.

``precursor [pads] [number - 15] length bytes pads``. The precursor's bit 7 says that a count of pad bytes follows,
bits 6 to 4 are the compaction, bits 3 to 0 the object's number, F for 15 and more. A zero precursor ends them. Where an
object has both a pad count and a number of 15 or more, implementations differ in which comes first; both are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from stacks.tag_data import compactions
from stacks.tag_data.errors import TagDataError
from stacks.tag_data.isil import compact_isil, expand_isil

DSFID: Final = 0x06
NAMES: Final = (
    "unique item identifier", "primary item identifier", "content parameter", "owner institution", "set information",
    "type of usage", "shelf location", "ONIX media format", "MARC media format", "supplier identifier",
    "order number", "ILL borrowing institution", "ILL borrowing transaction", "GS1 product identifier",
    "alternative unique item identifier", "local data A", "local data B", "title", "product identifier local",
    "media format", "supply chain stage", "supplier invoice number", "alternative item identifier",
    "alternative owner institution", "subsidiary of an owner institution", "alternative ILL borrowing institution",
    "local data C",
)  # fmt: skip
ITEM, CONTENT, OWNER, SET, USAGE, SHELF, ILL_OWNER, TITLE = 1, 2, 3, 4, 5, 6, 11, 17
ALTERNATIVE_ITEM, ALTERNATIVE_OWNER = 22, 23
_ISILS: Final = (OWNER, ILL_OWNER)
_LONG = 15


@dataclass(frozen=True, slots=True)
class DataObject:
    """
    One object.

    Attributes
    ----------
    number : int
        Its relative object identifier, 1 to 127; `NAMES` has the library's.
    text : str
        What it says: a content parameter as its numbers with commas, a type of usage as two hexadecimal digits.
    compaction : int or None
        One of `stacks.tag_data.compactions`; None: an encoder chooses.
    locked : bool
        An encoder is to end it at the end of a block, so that it can be locked.
    """

    number: int
    text: str
    compaction: int | None = None
    locked: bool = False

    @property
    def name(self) -> str:
        """The data element's name."""
        return NAMES[self.number] if self.number < len(NAMES) else f"object {self.number}"


def content_parameter(numbers: Iterable[int]) -> bytes:
    """Return the bitmap of the objects that are there: the first bit is object 3."""
    bits = 0
    for number in numbers:
        bits |= 1 << (127 - (number - OWNER))
    return bits.to_bytes(16, "big").rstrip(b"\0")


def encode_objects(objects: Sequence[DataObject], *, block_bytes: int = 4, content: bool = True) -> bytes:
    """
    Return the bytes of some objects, as ISO 28560-2, annex D, arranges them.

    Parameters
    ----------
    objects : sequence of DataObject
        In the order in which they are to stand, without a content parameter.
    block_bytes : int
        Size of a block, at whose end what is locked begins and ends.
    content : bool
        Whether to write a content parameter (after the primary item identifier) where there is more than that.

    Raises
    ------
    TagDataError
        A text does not fit into its compaction, or an object is too long or stands twice.
    """
    listed = list(objects)
    numbers = [o.number for o in listed]
    if len(set(numbers)) < len(numbers) or not all(1 <= n <= 127 for n in numbers):
        raise TagDataError(f"objects are numbered 1 to 127, each once, and these are {numbers}")
    if content and (further := [n for n in numbers if n >= OWNER]):
        at = 1 if numbers[0] == ITEM else 0
        listed.insert(at, DataObject(CONTENT, ",".join(map(str, further))))
    made = b""
    for i, one in enumerate(listed):
        head, data = _parts(one)
        changes = one.locked != listed[i + 1].locked if i + 1 < len(listed) else one.locked
        pads = -(len(made) + len(head) + 1 + len(data)) % block_bytes if changes else 0
        if pads:
            head = bytes([head[0] | 0x80, pads - 1]) + head[1:]
        made += head + bytes([len(data)]) + data + bytes(max(pads - 1, 0))
    return made


def _parts(one: DataObject) -> tuple[bytes, bytes]:
    """Return precursor (with the number that does not fit into it) and the compacted bytes."""
    code, plain = one.compaction, one.compaction in (None, compactions.APPLICATION)
    if one.number == CONTENT:
        code, data = compactions.APPLICATION, content_parameter(int(n) for n in one.text.split(","))
    elif one.number in _ISILS and plain:
        code, data = compactions.APPLICATION, compact_isil(one.text)
    elif (one.number == USAGE and plain) or code == compactions.APPLICATION:
        code, data = compactions.APPLICATION, _hex(one)
    else:
        code = compactions.best_compaction(one.text) if code is None else code
        data = compactions.compact(one.text, code)
    if len(data) > 255:
        raise TagDataError(f"{one.name} is {len(data)} bytes long, and 255 fit")
    number = min(one.number, _LONG)
    return bytes([code << 4 | number]) + (bytes([one.number - _LONG]) if number == _LONG else b""), data


def _hex(one: DataObject) -> bytes:
    try:
        return bytes.fromhex(one.text)
    except ValueError:
        raise TagDataError(f"{one.name} is to be hexadecimal, not {one.text!r}") from None


def decode_objects(data: bytes) -> tuple[tuple[DataObject, ...], tuple[str, ...]]:
    """
    Return the objects, and what is odd about them.

    Raises
    ------
    TagDataError
        They do not follow one another: an object is cut short, cannot be expanded or stands twice; or there is none.
    """
    try:
        return _walk(data, pads_first=True)
    except TagDataError:
        objects, notes = _walk(data, pads_first=False)
        if any(o.number >= _LONG for o in objects):
            notes = (*notes, "pad count after the object's number")
        return objects, notes


def _walk(data: bytes, *, pads_first: bool) -> tuple[tuple[DataObject, ...], tuple[str, ...]]:
    found: dict[int, DataObject] = {}
    notes: list[str] = []
    i = 0
    while i < len(data) and data[i]:
        head, start = data[i], i
        number, i, pads = head & 0x0F, i + 1, 0
        optional = ["pads"] * (head >> 7) + ["number"] * (number == _LONG)
        for what in optional if pads_first else optional[::-1]:
            value, i = _byte(data, i)
            pads, number = (value, number) if what == "pads" else (pads, value + _LONG)
        length, i = _byte(data, i)
        body = data[i : i + length]
        i += length + pads
        if i > len(data):
            raise TagDataError(
                f"object {number} at byte {start} is cut short: {length} bytes and {pads} pads"
            )
        if number in found or number == 0:
            raise TagDataError(
                f"object {number} at byte {start} stands there {'again' if number else 'unnumbered'}"
            )
        found[number] = _object(number, body, head >> 4 & 7)
    if not found:
        raise TagDataError("there is no object")
    if any(data[i:]):
        notes.append("bytes after the end of the objects")
    stated = found.get(CONTENT)
    if stated is not None:
        said = {int(n) for n in stated.text.split(",") if n}
        if said != {n for n in found if n >= OWNER}:
            notes.append("the content parameter does not list the objects that are there")
    return tuple(found.values()), tuple(notes)


def _byte(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise TagDataError(f"an object is cut short at byte {at}")
    return data[at], at + 1


def _object(number: int, body: bytes, code: int) -> DataObject:
    plain = code in (compactions.APPLICATION, compactions.OCTETS)
    if number == CONTENT and plain:
        bits = int.from_bytes(body[:16].ljust(16, b"\0"), "big")
        text = ",".join(str(n) for n in range(OWNER, OWNER + 128) if bits >> (127 - (n - OWNER)) & 1)
    elif number == CONTENT:
        raise TagDataError("the content parameter is no bitmap")
    elif number == USAGE and plain:
        text = body.hex().upper()
    elif number in _ISILS and code == compactions.APPLICATION:
        text = expand_isil(body)
    else:
        text = compactions.expand(body, code)
        # What no text came of is told as hexadecimal, which is no identifier that anybody has printed on a book.
        if number == ITEM and (code == compactions.APPLICATION or (plain and not _shown(body))):
            raise TagDataError("the primary item identifier is no text")
    return DataObject(number, text, code)


def _shown(body: bytes) -> bool:
    return body.decode("latin-1").isprintable()
