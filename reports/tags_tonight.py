"""Tags that no record knows, and the copies and libraries that they name themselves.

A tag carries its copy's barcode in most libraries, and often the library's ISIL. So a copy whose record has no tag
number, or another one, is still known by what its tag says, as long as one copy alone can be meant.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from localization.positions import Positions
from reports.books import Catalogue, TagsTonight
from reports.known_tags import Remembered, in_capitals, uid_of
from reports.places import Places
from reports.tags_recalled import SPOILED, Former, Recalled, read_tonight, refuted, was_read
from reports.unread_tags import Unread
from stacks.tag_data import TagContents, TagDataError, identify, identify_epcs
from stacks.tag_data.contents import AMBIGUOUS, DIGITS, GRAI_96, SGTIN_96

_SAMPLE: Final = 2_000
_OWN_SHARE: Final = 0.05
"""An owner whom so many of the tags that records know name is the library itself, or a branch of it."""
_TAGGED_FROM: Final = 0.8
"""From this share of untold copies heard on the shelves where any was, all copies without a tag number are tagged."""
_GS1: Final = (GRAI_96, SGTIN_96)
_BARE: Final = frozenset((*_GS1, DIGITS))
"""Formats that write a number, and so lose the zeros at its front."""


def with_tags(
    catalogue: Catalogue,
    positions: Positions,
    places: Places,
    contents: Mapping[str, TagContents] | None = None,
    owners: Collection[str] | None = None,
    remembered: Remembered | None = None,
) -> Catalogue:
    """Return the catalogue with what tonight's tags say of themselves.

    Parameters
    ----------
    catalogue : Catalogue
    positions : Positions
        Tags heard.
    places : Places
        Of the plan.
    contents : mapping of str to TagContents, optional
        What was read of tags beside their number, by EPC or UID in capitals.
    owners : collection of str, optional
        The library's own ISILs (or university's codes), capitals or not; None: those that the tags of its own records
        name, and the tags that name a copy of it.
    remembered : Remembered, optional
        What former nights read of tags: it makes those known that nobody read tonight.
    """
    heard = dict.fromkeys(map(in_capitals, positions.epc.tolist()))
    unknown = [epc for epc in heard if epc not in catalogue.by_epc]
    if not (unknown or remembered) or not len(catalogue):
        return catalogue
    read = contents or {}
    said = dict(_said(unknown, read))
    meant = _copies(catalogue, said, unknown)
    former = Former.of(remembered, catalogue, unknown, read)
    own = (
        frozenset(map(str.casefold, owners))
        if owners is not None
        else _own_owners(catalogue, list(heard), meant, said, read, former.owners(_SAMPLE))
    )
    foreign = {
        epc: _owner(tag)
        for epc, tag in said.items()
        if own and _owner(tag) and _owner(tag).casefold() not in own
    }
    meant = {epc: row for epc, row in meant.items() if epc not in foreign}
    read_as = read_tonight(meant, read)
    recalled = Recalled.of(former, read_as, catalogue, heard, read, own)
    meant |= recalled.copy_of
    said |= recalled.said
    meant, further, stand_ins = _parts(catalogue, meant, said, heard, read)
    own_tag = {str(catalogue.epc[row]) for row in meant.values()} - {""}
    sounding = own_tag.intersection(heard)
    second = {epc: row for epc, row in meant.items() if catalogue.epc[row] in sounding}
    copy_of = {epc: row for epc, row in meant.items() if epc not in second}
    ours = {*copy_of, *further}
    unread = _unread(unknown, ours, read)
    # A spoiled look is told as what it is; the tag may be one of the copies that seem silent, all the same.
    spoiled = {epc for epc, tag in read.items() if epc in heard and tag.problem in SPOILED and uid_of(epc)}
    # What a tag says is told of those alone that stay unknown.
    untold = {epc: tag for epc, tag in said.items() if epc not in copy_of and epc not in further}
    made = TagsTonight(
        copy_of, second, further, stand_ins, unread, foreign, untold, read_as,
        refuted(remembered, read, foreign),
    )  # fmt: skip
    beside = Unread.of(unread | (spoiled - ours), copy_of, catalogue, positions, places)
    tagged = _tagged(catalogue, copy_of.values(), beside, recalled)
    return replace(catalogue, tags=made, tagged=tagged)


def _said(unknown: list[str], read: Mapping[str, TagContents]) -> Iterator[tuple[str, TagContents]]:
    """Yield what each tag says that says anything."""
    numbers = [epc for epc in unknown if epc not in read]
    table = identify_epcs(numbers)
    for i in np.flatnonzero((table.format != "") | (table.problem == AMBIGUOUS)).tolist():
        # The rare ones alone are worth an object each with all that is known of them.
        if table.problem[i]:
            yield numbers[i], identify(numbers[i])
        else:
            yield (
                numbers[i],
                TagContents(
                    table.format[i],
                    table.item_id[i],
                    table.owner[i],
                    parts=table.parts[i],
                    part=table.part[i],
                ),
            )
    for epc in unknown:
        if epc in read:
            yield epc, read[epc]


def _owner(tag: TagContents) -> str:
    return tag.owner if not tag.problem else ""


def _own_owners(
    c: Catalogue,
    heard: list[str],
    meant: Mapping[str, int],
    said: Mapping[str, TagContents],
    read: Mapping[str, TagContents],
    formerly: list[str],
) -> frozenset[str]:
    """Return the owners, in small letters, that tags of the records and tags that name a copy mostly have.

    Some of those that name one have named their owner `formerly`.
    """
    known = [epc for epc in heard if epc in c.by_epc]
    some = known[:: max(len(known) // _SAMPLE, 1)]
    told = Counter(read[epc].owner.casefold() for epc in some if epc in read)
    told.update(map(str.casefold, identify_epcs(epc for epc in some if epc not in read).owner.tolist()))
    named = list(meant)
    told.update(_owner(said[epc]).casefold() for epc in named[:: max(len(named) // _SAMPLE, 1)])
    told.update(map(str.casefold, formerly))
    del told[""]
    return frozenset(owner for owner, n in told.items() if n >= _OWN_SHARE * told.total())


def _copies(c: Catalogue, said: Mapping[str, TagContents], unknown: list[str]) -> dict[str, int]:
    """Return the one copy that each tag names, of those that name one."""
    exact: dict[str, list[str]] = defaultdict(list)
    bare: dict[str, list[str]] = defaultdict(list)
    for epc, tag in said.items():
        for way in tag.candidates:
            exact[way.item_id].append(epc)
            if way.format in _BARE:
                bare[way.item_id.lstrip("0")].append(epc)
    if not exact:
        return {}
    rows: dict[str, set[int]] = defaultdict(set)
    for row, barcode in enumerate(c.barcode.tolist()):
        for epc in exact.get(barcode, ()):
            rows[epc].add(row)
        if bare and barcode[:1] == "0":
            for epc in bare.get(barcode.lstrip("0"), ()):
                rows[epc].add(row)
    found = {epc: next(iter(at)) for epc, at in rows.items() if len(at) == 1}
    return _without_chance_serials(found, said, unknown)


def _without_chance_serials(
    found: dict[str, int], said: Mapping[str, TagContents], unknown: list[str]
) -> dict[str, int]:
    """Drop serials of GS1 whose company and kind of item mostly name no copy: those are not the library's barcodes."""
    serials = [epc for epc in found if any(way.format in _GS1 for way in said[epc].candidates)]
    if not serials:
        return found
    # 38 bits at the end are the serial.
    kinds = Counter(int(epc, 16) >> 38 for epc in unknown if epc in said and len(epc) == 24)
    named = Counter(int(epc, 16) >> 38 for epc in serials)
    chance = {epc for epc in serials if 2 * named[int(epc, 16) >> 38] < kinds[int(epc, 16) >> 38]}
    return {epc: row for epc, row in found.items() if epc not in chance}


def _parts(
    c: Catalogue,
    meant: dict[str, int],
    said: Mapping[str, TagContents],
    heard: Collection[str],
    read: Mapping[str, TagContents],
) -> tuple[dict[str, int], frozenset[str], frozenset[str]]:
    """Return one tag for each item of several parts, the tags of its further parts, and those of other than its own.

    An item's own part is the one whose tag its record names; the first, where that does not say.
    """
    of_row: dict[int, list[str]] = defaultdict(list)
    for epc, row in meant.items():
        if epc in said and (said[epc].parts or 0) > 1:
            of_row[row].append(epc)
    further, stand_ins = set[str](), set[str]()
    for row, tags in of_row.items():
        by_record = str(c.epc[row])
        own = _part(by_record, read) if by_record else None
        others = [epc for epc in tags if by_record and (said[epc].part or 0) != (own or 1)]
        if by_record in heard:
            further.update(others)
            continue
        stand_ins.update(others)
        further.update(sorted(tags, key=lambda epc: (epc in stand_ins, said[epc].part or 0, epc))[1:])
    left = {epc: row for epc, row in meant.items() if epc not in further}
    return left, frozenset(further), frozenset(stand_ins)


def _part(epc: str, read: Mapping[str, TagContents]) -> int | None:
    """Return which part of its item the tag of a record is; None: it does not say."""
    try:
        return (read.get(epc) or identify(epc)).part
    except TagDataError:
        return None  # a record may hold anything


def _unread(unknown: list[str], ours: Collection[str], read: Mapping[str, TagContents]) -> frozenset[str]:
    """Return the UIDs of which only the number is known, where most others of them name a copy."""
    uids = [epc for epc in unknown if uid_of(epc)]
    silent = frozenset(epc for epc in uids if epc not in ours and not was_read(read.get(epc)))
    named = sum(epc in ours for epc in uids)
    return silent if named and 2 * named >= len(uids) - len(silent) else frozenset()


def _tagged(
    c: Catalogue, matched: Iterable[int], unread: Unread | None, recalled: Recalled
) -> npt.NDArray[np.bool_]:
    """Return which copies have a tag, as far as the tags that name copies without a number tell.

    A silent copy may be one of the tags that stand on its shelf and that nobody read, unless its own tag is known.
    """
    untold = (c.epc == "") & c.taggable
    named, carried, doubted = (np.zeros(len(c), bool) for _ in range(3))
    named[list(matched)] = True
    carried[recalled.carried] = True
    doubted[recalled.doubted] = True
    doubted &= ~named
    sure = c.tagged | (untold & carried)
    due = untold & c.available & (c.home >= 0)
    if not (named & due).any():
        return (sure & ~doubted).astype(bool)
    homes = max(int(c.home.max()) + 1, len(c.range_of))
    heard, has, all_of = (
        np.bincount(c.home[rows], minlength=homes) for rows in (named & due, (named | carried) & due, due)
    )
    if unread is not None:  # a tag that nobody read is a tag all the same
        has = np.minimum(has + unread.count(homes), all_of)
    scanned = heard > 0
    if has[scanned].sum() < _TAGGED_FROM * all_of[scanned].sum():
        return (sure & ~doubted).astype(bool)
    if unread is not None:
        untold &= ~unread.perhaps(c, due & ~named & ~carried)
    return ((sure | untold) & ~doubted).astype(bool)
