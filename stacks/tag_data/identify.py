"""What a tag says: all formats tried, and told apart."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stacks.tag_data import fixed_block, objects
from stacks.tag_data.blank import blank, blank_memory
from stacks.tag_data.contents import (
    AMBIGUOUS,
    BAD_CRC,
    BLANK,
    BROKEN,
    CONTRADICTION,
    FIXED_BLOCK,
    FOREIGN,
    GRAI_96,
    NOTHING,
    OBJECTS,
    SGTIN_96,
    UHF,
    UNIVERSITIES,
    UNREAD,
    TagContents,
)
from stacks.tag_data.errors import TagDataError
from stacks.tag_data.keys import UID_FIRST
from stacks.tag_data.readings import Reading, of_epc, of_fixed_block, of_objects, of_university_bank
from stacks.tag_data.security import SecurityPolicy
from stacks.tag_data.uhf import ControlWord

Texts = npt.NDArray[np.object_]
_DSFIDS: Final = {objects.DSFID: OBJECTS, fixed_block.DSFID: FIXED_BLOCK}
_USUAL: Final = SecurityPolicy()
# ISO 28560's AFIs are a library's, whichever else its gates listen to.
_LIBRARIES: Final = _USUAL.secured | _USUAL.lent


def is_uid(epc: bytes) -> bool:
    """Whether a tag's number is the UID of an ISO 15693 chip: eight bytes, the first E0."""
    return len(epc) == 8 and epc[0] == UID_FIRST


def identify(
    epc: str | bytes,
    *,
    pc: int | None = None,
    memory: bytes | None = None,
    dsfid: int | None = None,
    afi: int | None = None,
    eas: bool | None = None,
    block_bytes: int = 4,
    policy: SecurityPolicy | None = None,
) -> TagContents:
    """
    Say what a tag says.

    Parameters
    ----------
    epc : str (hexadecimal) or bytes
        EPC or UII without its control word, or the UID of an ISO 15693 chip.
    pc : int, optional
        The protocol control word of a Gen2 tag. Without it some formats can only be told by how their bytes look.
    memory : bytes, optional
        The chip's memory from its first block on; of a Gen2 tag the user bank.
    dsfid, afi : int, optional
        Data storage format and application family identifier of an ISO 15693 chip.
    eas : bool, optional
        Whether the EAS bit is on.
    block_bytes : int
        Bytes of a block of `memory`.
    policy : SecurityPolicy, optional
        How the library secures its books; by default AFI 07 and C2, and EAS.

    Returns
    -------
    TagContents
        Whatever the bytes are: what cannot be read is a `problem`.

    Raises
    ------
    TagDataError
        `epc` is no hexadecimal, or a number is outside its range: the caller's mistake, not the tag's.
    """
    number = _bytes(epc)
    for name, value, most in (("pc", pc, 0xFFFF), ("dsfid", dsfid, 0xFF), ("afi", afi, 0xFF)):
        if value is not None and not 0 <= value <= most:
            raise TagDataError(f"{name} {value} is outside 0 to {most:X} (hexadecimal)")
    chosen, word = policy or _USUAL, None if pc is None else ControlWord.of(pc)
    if word is None and is_uid(number):
        made = _of_memory(memory, dsfid, max(block_bytes, 1))
    else:
        made = _of_gen2(number, word, memory, chosen)
        if word is not None and word.iso and afi is None:
            afi = word.afi
    security, clash = chosen.judge(afi, eas)
    if security is None and not clash and made.lent is not None:
        security = not made.lent
    elif made.lent is not None and security is made.lent:
        security, clash = (
            None,
            f"its lending flag says {'lent' if made.lent else 'here'}, its AFI or EAS otherwise",
        )
    if clash:
        made = replace(made, problem=made.problem or CONTRADICTION, notes=(*made.notes, clash))
    return made if security is None else replace(made, security=security)


def _bytes(epc: str | bytes) -> bytes:
    try:
        return bytes.fromhex(epc) if isinstance(epc, str) else bytes(epc)
    except ValueError:
        raise TagDataError(f"{epc[:60]!r} is no hexadecimal of whole bytes") from None


def _of_memory(memory: bytes | None, dsfid: int | None, block_bytes: int) -> TagContents:
    """Read the memory of an ISO 15693 chip."""
    if not memory:
        return TagContents(problem=UNREAD)
    if blank_memory(memory):
        return TagContents(problem=BLANK)
    stated = _DSFIDS.get(dsfid or 0)
    found = [r for r in (of_fixed_block(memory, block_bytes),) if r is not None]
    if found and stated == FIXED_BLOCK:
        return _told(found)
    sure = stated == OBJECTS
    straight, turned = (of_objects(m, sure=sure) for m in (memory, fixed_block.turned(memory, block_bytes)))
    if straight is not None and straight.item_id:
        found.append(straight)
    elif turned is not None and turned.item_id and block_bytes > 1:
        found.append(turned._replace(notes=(*turned.notes, fixed_block.REVERSED)))
    as_stated = [r for r in found if r.format == stated]
    if as_stated:
        return _told(as_stated)
    if found and stated:
        note = f"DSFID {dsfid:02X} says {stated}"
        return replace(_told(found), problem=CONTRADICTION, notes=(*_told(found).notes, note))
    if found:
        return _told(found)
    if stated == FIXED_BLOCK and len(memory) < fixed_block.SHORT:
        return TagContents(
            stated, problem=BROKEN, notes=(f"{len(memory)} bytes were read, and it has 32 or 34",)
        )
    likely = fixed_block.resembles(memory) or fixed_block.resembles(fixed_block.turned(memory, block_bytes))
    right = fixed_block.checked(memory, block_bytes) is not None
    if (stated == FIXED_BLOCK or (stated is None and likely)) and not right:
        return TagContents(FIXED_BLOCK, problem=BAD_CRC)
    if stated or right:
        return TagContents(stated or FIXED_BLOCK, problem=BROKEN)
    return TagContents(problem=FOREIGN)


def _of_gen2(epc: bytes, pc: ControlWord | None, memory: bytes | None, policy: SecurityPolicy) -> TagContents:
    """Read the EPC of a Gen2 tag, and its user bank."""
    notes: tuple[str, ...] = ()
    if pc is not None and 2 * pc.words != len(epc):
        notes = (f"its control word says {2 * pc.words} bytes, and it has {len(epc)}",)
    if pc is not None and pc.iso and pc.afi not in policy.secured | policy.lent | _LIBRARIES:
        return TagContents(problem=FOREIGN, notes=(*notes, f"AFI {pc.afi:02X} is none of a library's"))
    found = of_epc(epc, pc)
    bank = None if memory is None or blank_memory(memory) else memory
    made = [_with_bank(r, bank) for r in found]
    if not found and (pc is None or not pc.iso):
        # Some libraries leave the EPC as it was, and write the user bank alone.
        alone = of_objects(bank[1:]) if bank and bank[0] == objects.DSFID else None
        made = [alone] if alone is not None and alone.item_id else []
        if not made:
            why = blank(epc.hex().upper()) or ("" if any(epc) else "zeros")
            if bank:
                # Somebody has programmed it, if not its EPC.
                return TagContents(problem=FOREIGN, notes=(*notes, "its user bank is not understood"))
            return TagContents(problem=BLANK if why else FOREIGN, notes=(*notes, why) if why else notes)
    if not made:
        return TagContents(UHF, problem=BROKEN, notes=notes)
    told = _told(made)
    return replace(told, notes=(*told.notes, *notes)) if notes else told


def _with_bank(reading: Reading, bank: bytes | None) -> Reading:
    """Add what the user bank says; where both say it and differently, a note that begins with ``user bank``."""
    more: Reading | None = None
    if bank and reading.format == UNIVERSITIES:
        more = of_university_bank(bank)
    elif bank and bank[0] == objects.DSFID:
        more = of_objects(bank[1:])
    if bank and more is None:
        return reading._replace(notes=(*reading.notes, "its user bank is not understood"))
    if more is None:
        return reading
    if reading.format in (GRAI_96, SGTIN_96) and more.item_id:
        # A number of GS1 need not have the barcode as its serial, and so contradicts none.
        return more._replace(identifier=reading.identifier, notes=(*reading.notes, *more.notes))
    both = {
        name: (getattr(reading, name), getattr(more, name)) for name in ("item_id", "owner", "parts", "part")
    }
    clash = [n for n, (epc, user) in both.items() if epc not in ("", None) and user not in ("", None, epc)]
    merged = {n: epc if epc not in ("", None) else user for n, (epc, user) in both.items()}
    notes = (*reading.notes, *more.notes, *(f"user bank has another {n.replace('_', ' ')}" for n in clash))
    return reading._replace(**merged, usage=more.usage, fields=more.fields, notes=notes)


def _told(readings: list[Reading]) -> TagContents:
    if len(readings) > 1:
        return TagContents(problem=AMBIGUOUS, readings=tuple(_told([r]) for r in readings))
    (r,) = readings
    clash = any(note.startswith("user bank has another") for note in r.notes)
    return TagContents(
        r.format, r.item_id, sys.intern(r.owner), r.identifier, r.parts, r.part, r.usage, None, r.lent,
        CONTRADICTION if clash else "", r.notes, r.fields or NOTHING,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identified:
    """
    What many EPCs say, without anything beside them: columns of `TagContents`; ``n`` rows.

    Attributes
    ----------
    format, item_id, owner, problem : object array of str, shape (n,)
    parts, part : object array of int or None, shape (n,)
    """

    format: Texts
    item_id: Texts
    owner: Texts
    problem: Texts
    parts: Texts
    part: Texts

    def __len__(self) -> int:
        return len(self.format)


def identify_epcs(epcs: Iterable[str]) -> Identified:
    """
    Say what many EPCs say, as `identify` does of each alone; a million take seconds.

    Parameters
    ----------
    epcs : iterable of str
        Hexadecimal of whole bytes, as recordings hold it.
    """
    rows = [_row(epc) for epc in epcs]
    columns = [np.empty(len(rows), object) for _ in _FOREIGN_ROW]
    for column, values in zip(columns, zip(*rows, strict=True), strict=False):
        column[:] = values
    return Identified(*columns)


_Row = tuple[str, str, str, str, int | None, int | None]
_FOREIGN_ROW: Final[_Row] = ("", "", "", FOREIGN, None, None)
_UNREAD_ROW: Final[_Row] = ("", "", "", UNREAD, None, None)
_AMBIGUOUS_ROW: Final[_Row] = ("", "", "", AMBIGUOUS, None, None)
_BLANK_ROW: Final[_Row] = ("", "", "", BLANK, None, None)


def _row(epc: str) -> _Row:
    number = bytes.fromhex(epc)
    if is_uid(number):
        return _UNREAD_ROW
    found = of_epc(number, brief=True)
    if len(found) == 1:
        one = found[0]
        return one.format, one.item_id, one.owner, "", one.parts, one.part
    if found:
        return _AMBIGUOUS_ROW
    return _BLANK_ROW if blank(epc.upper()) or not any(number) else _FOREIGN_ROW
