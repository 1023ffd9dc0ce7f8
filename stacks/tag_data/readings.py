"""The ways in which one EPC or one memory can be read; each is a `Reading`, none where a format does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from stacks.tag_data import compactions, fixed_block, objects, universities
from stacks.tag_data.contents import (
    DIGITS,
    FIXED_BLOCK,
    GRAI_96,
    OBJECTS,
    SGTIN_96,
    TEXT,
    UHF,
    UNIVERSITIES,
    printable,
    usage_word,
)
from stacks.tag_data.errors import TagDataError
from stacks.tag_data.gs1 import HEADERS, decode_gs1, numbers_of
from stacks.tag_data.isil import is_isil
from stacks.tag_data.uhf import ControlWord, begins_with_country, read_set, split_uii
from stacks.tag_data.urn_code_40 import decode_urn_code_40

_HEX_OF_DIGITS: Final = frozenset("0123456789")
_SCHEMES: Final = {"grai": GRAI_96, "sgtin": SGTIN_96}
_SHOWN: Final = (bytes(range(0x21, 0x7F)), 4)
_FEWEST_ZEROS: Final = 4
_FEWEST_SURE: Final = 8
_CREDIBLE: Final = re.compile(r"(?=.*[0-9])[A-Z0-9-]{4,}")
_PRINTED: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 .$/+%:_-]*[A-Za-z0-9$+%])?")


class Reading(NamedTuple):
    """One way to read a tag; fields as in `stacks.tag_data.TagContents`."""

    format: str
    item_id: str
    owner: str = ""
    identifier: str = ""
    parts: int | None = None
    part: int | None = None
    usage: str = ""
    lent: bool | None = None
    notes: tuple[str, ...] = ()
    fields: Mapping[str, str] | None = None


def of_epc(epc: bytes, pc: ControlWord | None = None, *, brief: bool = False) -> list[Reading]:
    """Return the ways in which an EPC can be read; `brief`: without identifier and notes where they cost time."""
    if pc is not None and pc.iso:
        return of_uii(epc)
    raw = _raw(epc)
    if raw and len(raw[0].item_id) >= _FEWEST_SURE and raw[0].format == TEXT and raw[0].item_id.isalnum():
        # That eight bytes and more of another format are all letters and digits is beyond chance.
        return raw
    found: list[Reading] = []
    head = epc[0] if epc else 0
    if head in HEADERS:
        found.extend(_gs1(epc, brief))
    item_id = universities.item_of(epc, sure=pc is not None)
    if item_id:
        found.append(Reading(UNIVERSITIES, item_id, lent=universities.is_lent(epc)))
    # Without its control word an identifier of ISO/TS 28560-4 is only believed with a country's ISIL at its front:
    # nearly all bytes are some text of URN Code 40.
    if pc is None and begins_with_country(epc):
        found.extend(
            r for r in of_uii(epc) if is_isil(r.owner, country=True) and _CREDIBLE.fullmatch(r.item_id)
        )
    return found + raw


def _gs1(epc: bytes, brief: bool) -> list[Reading]:
    if brief:
        parts = numbers_of(epc)
        return [] if parts is None else [Reading(_SCHEMES[parts[0]], str(parts[4]))]
    gs1 = decode_gs1(epc)
    if gs1 is None:
        return []
    notes = (f"GS1 {gs1.key}", *(("an ISBN",) if gs1.key[1:4] in ("978", "979") else ()))
    return [Reading(_SCHEMES[gs1.scheme], str(gs1.serial), identifier=gs1.urn, notes=notes)]


def of_uii(epc: bytes) -> list[Reading]:
    """Return the ways in which a UII of ISO/TS 28560-4 can be read."""
    try:
        uii = decode_urn_code_40(epc)
    except TagDataError:
        return []
    found: list[Reading] = []
    for owner, item_id, said in split_uii(uii):
        parts, part = read_set(said) or (None, None)
        found.append(Reading(UHF, item_id, owner, uii, parts, part))
    return found


def _raw(epc: bytes) -> list[Reading]:
    """Return an EPC that is the identifier itself: in ASCII, or its hexadecimal digits."""
    text = epc.strip(b" \0")
    found: list[Reading] = []
    if len(text) >= _SHOWN[1] and not text.translate(None, _SHOWN[0]):
        if epc.rstrip(b" \0") == text:
            return [Reading(TEXT, text.decode("ascii"))]
        # Behind zeros it may be digits as well, as long as it is short.
        if text.isalnum():
            found.append(Reading(TEXT, text.decode("ascii")))
            if len(text) >= _FEWEST_SURE:
                return found
    digits = epc.hex()
    shorter = digits.lstrip("0")
    if _HEX_OF_DIGITS.issuperset(digits) and len(digits) - len(shorter) >= _FEWEST_ZEROS <= len(shorter):
        found.append(Reading(DIGITS, shorter, notes=("zeros at its front cannot be told from filling",)))
    return found


def of_fixed_block(memory: bytes, block_bytes: int) -> Reading | None:
    """Return a memory as ISO 28560-3 reads it; None where its checksum is wrong or it says no item."""
    if fixed_block.checked(memory, block_bytes) is None:
        return None
    try:
        block = fixed_block.decode_fixed(memory, block_bytes)
    except TagDataError:
        return None
    notes = list(block.notes)
    # Both of a set of one, or none, are ways to say that there is no set.
    if block.parts and not 1 <= block.part <= block.parts:
        notes.append(f"part {block.part} of {block.parts} is none")
    return Reading(
        FIXED_BLOCK,
        block.item_id,
        block.owner,
        parts=block.parts or None,
        part=block.part or None,
        usage=usage_word(block.usage),
        notes=tuple(notes),
    )


def of_objects(memory: bytes, *, sure: bool = True) -> Reading | None:
    """
    Return a memory as ISO 28560-2 reads it; None where the objects do not follow one another.

    Unless it is `sure` that the memory has this format, its item is only believed if it has the characters that
    barcodes have and is compacted as an encoder would: old tags with a barcode in ASCII can be read as objects, too.
    """
    try:
        found, notes = objects.decode_objects(memory)
    except TagDataError:
        return None
    said = {o.number: o for o in found}
    parts = part = None
    usage = ""
    if objects.SET in said:
        pair = read_set(said[objects.SET].text)
        parts, part = pair or (None, None)
        notes += () if pair else (f"set information {said[objects.SET].text!r} is not understood",)
    if objects.USAGE in said:
        try:
            usage = usage_word(int(said[objects.USAGE].text[:1], 16))
        except ValueError:
            notes += (f"type of usage {said[objects.USAGE].text!r} is not understood",)
    owners = [said[n].text for n in (objects.OWNER, objects.ALTERNATIVE_OWNER) if n in said]
    told = (objects.ITEM, objects.CONTENT, objects.OWNER, objects.SET, objects.USAGE)
    fields = {o.name: o.text for o in found if o.number not in told}
    item = said.get(objects.ITEM)
    item_id = "" if item is None else item.text
    if item_id and not printable(item_id):
        return None
    if not sure and item is not None:
        usual = compactions.best_compaction(item_id)
        if item.compaction != usual or not _PRINTED.fullmatch(item_id):
            return None
    owner = owners[0] if owners else ""
    return Reading(OBJECTS, item_id, owner, "", parts, part, usage, None, notes, fields)


def of_university_bank(memory: bytes) -> Reading | None:
    """Return the user bank of a Chinese university's tag; None where it is none."""
    try:
        found = universities.decode_user_bank(memory)
    except TagDataError:
        return None
    owner = universities.owner_code(found.get(universities.OWNER, b""))
    owner = owner or found.get(universities.ALTERNATIVE_OWNER, b"").decode(errors="replace")
    pair = found.get(universities.SET, b"")
    parts, part = (pair[0] << 8 | pair[1], pair[2] << 8 | pair[3]) if len(pair) == 4 else (None, None)
    kind = found.get(universities.USAGE, b"")
    usage = universities.usage_of(kind[0], kind[1]) if len(kind) == 2 else ""
    return Reading(UNIVERSITIES, "", owner, "", parts, part, usage)
