"""Tags that no record knows, and the copies and libraries that they name themselves.

A tag carries its copy's barcode in most libraries, and often the library's ISIL. So a copy whose record has no tag
number, or another one, is still known by what its tag says, as long as one copy alone can be meant.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from localization.positions import Positions
from reports.books import Catalogue, TagsTonight
from reports.copy_rows import TagRows
from reports.known_tags import Remembered, in_capitals
from reports.places import Places
from reports.tags_recalled import Former, Recalled, is_spoiled, read_tonight, refuted, spread, was_read
from reports.unread_tags import Unread
from stacks.tag_data import TagContents, TagDataError, TagTable, identify, identify_epcs
from stacks.tag_data.contents import AMBIGUOUS, DIGITS, GRAI_96, SGTIN_96
from stacks.tag_data.keys import uids_of

Ints = npt.NDArray[np.int64]

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
    read = TagTable.of(contents)
    said = _said(unknown, read)
    meant = _copies(catalogue, said)
    former = Former.of(remembered, catalogue, unknown, read)
    own = (
        frozenset(map(str.casefold, owners))
        if owners is not None
        else _own_owners(catalogue, list(heard), meant, said, read, former.owners(_SAMPLE))
    )
    strange = np.flatnonzero(said.where(lambda tag: _is_foreign(tag, own)))
    foreign = dict(zip(said.keys_of.epcs(strange), said.column("owner")[strange].tolist(), strict=True))
    meant = {epc: row for epc, row in meant.items() if epc not in foreign}
    read_as = read_tonight(meant, read)
    recalled = Recalled.of(former, read_as, catalogue, heard, read, own)
    meant |= recalled.copy_of
    of_sets = np.flatnonzero(said.where(_of_a_set)).tolist()
    sets = dict(zip(said.keys_of.epcs(np.array(of_sets, np.int64)), map(said.at, of_sets), strict=True))
    meant, further, stand_ins = _parts(catalogue, meant, {**sets, **recalled.said}, heard, read)
    own_tag = {number for row in meant.values() if (number := catalogue.epc[row])}
    sounding = own_tag.intersection(heard)
    second = {epc: row for epc, row in meant.items() if catalogue.epc[row] in sounding} if sounding else {}
    copy_of = TagRows({epc: row for epc, row in meant.items() if epc not in second} if second else meant)
    del meant
    unread = _unread(unknown, copy_of, further, read)
    # A spoiled look is told as what it is; the tag may be one of the copies that seem silent, all the same.
    looks = read.keys_of.epcs(np.flatnonzero(read.where(is_spoiled)))
    uid = uids_of(looks).tolist()
    spoiled = {epc for epc, of in zip(looks, uid, strict=True) if of and epc in heard and epc not in copy_of}
    # What a tag says is told of those alone that stay unknown.
    told = np.flatnonzero(copy_of.find(list(said)) < 0)
    untold = dict(zip(said.keys_of.epcs(told), map(said.at, told.tolist()), strict=True))
    untold |= {epc: tag for epc, tag in recalled.said.items() if epc not in copy_of}
    untold = {epc: tag for epc, tag in untold.items() if epc not in further}
    made = TagsTonight(
        copy_of=copy_of,
        second=second,
        carried=recalled.carried,
        further=further,
        stand_ins=stand_ins,
        unread=unread,
        foreign=foreign,
        said=untold,
        read_as=read_as,
        refuted=refuted(remembered, read, foreign),
    )
    beside = Unread.of(unread | (spoiled - further), copy_of, catalogue, positions, places)
    tagged = _tagged(catalogue, copy_of.row, beside, recalled)
    return replace(catalogue, tags=made, tagged=tagged)


def _said(unknown: list[str], read: TagTable) -> TagTable:
    """Return what each tag says that says anything."""
    rows = read.rows(unknown)
    numbers = [unknown[i] for i in np.flatnonzero(rows < 0).tolist()]
    return TagTable(_of_numbers(numbers)).joined(read.select(rows[rows >= 0]))


def _of_numbers(numbers: list[str]) -> Iterator[tuple[str, TagContents]]:
    table = identify_epcs(numbers)
    for i in np.flatnonzero((table.format != "") | (table.problem == AMBIGUOUS)).tolist():
        # The rare ones alone are worth being read again for all that is known of them.
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


def _owner(tag: TagContents) -> str:
    return tag.owner if not tag.problem else ""


def _is_foreign(tag: TagContents, own: Collection[str]) -> bool:
    owner = _owner(tag)
    return bool(own and owner) and owner.casefold() not in own


def _of_a_set(tag: TagContents) -> bool:
    return (tag.parts or 0) > 1


def _own_owners(
    c: Catalogue,
    heard: list[str],
    meant: Mapping[str, int],
    said: TagTable,
    read: TagTable,
    formerly: list[str],
) -> frozenset[str]:
    """Return the owners, in small letters, that tags of the records and tags that name a copy mostly have.

    Some of those that name one have named their owner `formerly`.
    """
    known = [epc for epc in heard if epc in c.by_epc]
    some = spread(known, _SAMPLE)
    told = Counter(read[epc].owner.casefold() for epc in some if epc in read)
    told.update(map(str.casefold, identify_epcs(epc for epc in some if epc not in read).owner.tolist()))
    told.update(_owner(said[epc]).casefold() for epc in spread(list(meant), _SAMPLE))
    told.update(map(str.casefold, formerly))
    del told[""]
    return frozenset(owner for owner, n in told.items() if n >= _OWN_SHARE * told.total())


def _copies(c: Catalogue, said: TagTable) -> dict[str, int]:
    """Return the one copy that each tag names, of those that name one."""
    tag, items, formats = said.candidates()
    if not len(tag):
        return {}
    names = c.barcode.tolist()
    found = [_same(items, names)]
    bare = np.flatnonzero(np.isin(formats, list(_BARE)))
    if len(bare):
        zeros = [i for i, name in enumerate(names) if name[:1] == "0"]
        way, row = _same([items[i].lstrip("0") for i in bare.tolist()], [names[i].lstrip("0") for i in zeros])
        found.append((bare[way], np.array(zeros, np.int64)[row]))
    tags = np.concatenate([tag[way] for way, _ in found])
    rows = np.concatenate([row for _, row in found])
    # Several ways may lead to one copy; as to which comes first, the catalogue's order tells.
    how = np.repeat(np.arange(len(found)), [len(way) for way, _ in found])
    order = np.lexsort((tags, how, rows))
    tags, rows = tags[order], rows[order]
    _, first = np.unique(tags * np.int64(len(c)) + rows, return_index=True)
    first = np.sort(first)
    tags, rows = tags[first], rows[first]
    alone = np.bincount(tags, minlength=len(said))[tags] == 1
    tags, rows = tags[alone], rows[alone]
    sure = ~_chance_serials(said, tags, tag[np.isin(formats, _GS1)])
    return dict(zip(said.keys_of.epcs(tags[sure]), rows[sure].tolist(), strict=True))


def _same(texts: list[str], others: list[str]) -> tuple[Ints, Ints]:
    """Return the places of every text and other text that are the same."""
    number: dict[str, int] = {}
    mine = np.fromiter((number.setdefault(text, len(number)) for text in texts), np.int64, len(texts))
    theirs = np.fromiter((number.get(text, -1) for text in others), np.int64, len(others))
    order = np.argsort(mine, kind="stable")
    at = np.flatnonzero(theirs >= 0)
    start = np.searchsorted(mine[order], theirs[at], "left")
    times = np.searchsorted(mine[order], theirs[at], "right") - start
    within = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    return order[np.repeat(start, times) + within], np.repeat(at, times)


def _chance_serials(said: TagTable, tags: Ints, gs1: Ints) -> npt.NDArray[np.bool_]:
    """Return which of the tags that name a copy are serials of GS1 that do by chance.

    That is where a company and kind of item mostly name no copy: those are not the library's barcodes.
    """
    out = np.isin(tags, gs1)
    if not out.any():
        return out
    serials = said.keys_of.epcs(tags[out])
    # 38 bits at the end are the serial.
    kinds = Counter(int(epc, 16) >> 38 for epc in said if len(epc) == 24)
    named = Counter(int(epc, 16) >> 38 for epc in serials)
    out[out] = [2 * named[int(epc, 16) >> 38] < kinds[int(epc, 16) >> 38] for epc in serials]
    return out


def _parts(
    c: Catalogue,
    meant: dict[str, int],
    sets: Mapping[str, TagContents],
    heard: Collection[str],
    read: TagTable,
) -> tuple[dict[str, int], frozenset[str], frozenset[str]]:
    """Return one tag for each item of several parts, the tags of its further parts, and those of other than its own.

    `sets` are the tags of parts.
    An item's own part is the one whose tag its record names; the first, where that does not say.
    """
    of_row: dict[int, list[str]] = defaultdict(list)
    for epc, row in meant.items():
        if epc in sets:
            of_row[row].append(epc)
    further, stand_ins = set[str](), set[str]()
    for row, tags in of_row.items():
        by_record = str(c.epc[row])
        own = _part(by_record, read) if by_record else None
        others = [epc for epc in tags if by_record and (sets[epc].part or 0) != (own or 1)]
        if by_record in heard:
            further.update(others)
            continue
        stand_ins.update(others)
        further.update(sorted(tags, key=lambda epc: (epc in stand_ins, sets[epc].part or 0, epc))[1:])
    left = {epc: row for epc, row in meant.items() if epc not in further} if further else meant
    return left, frozenset(further), frozenset(stand_ins)


def _part(epc: str, read: TagTable) -> int | None:
    """Return which part of its item the tag of a record is; None: it does not say."""
    try:
        return (read.get(epc) or identify(epc)).part
    except TagDataError:
        return None  # a record may hold anything


def _unread(unknown: list[str], copy_of: TagRows, further: Collection[str], read: TagTable) -> frozenset[str]:
    """Return the UIDs of which only the number is known, where most others of them name a copy."""
    uid = uids_of(unknown) > 0
    ours = copy_of.find(unknown) >= 0
    if further:
        ours |= np.fromiter((epc in further for epc in unknown), bool, len(unknown))
    silent = np.flatnonzero(uid & ~ours & ~read.holds(unknown, was_read))
    named = np.count_nonzero(uid & ours)
    if not named or 2 * named < np.count_nonzero(uid) - len(silent):
        return frozenset()
    return frozenset(unknown[i] for i in silent.tolist())


def _tagged(c: Catalogue, matched: Ints, unread: Unread | None, recalled: Recalled) -> npt.NDArray[np.bool_]:
    """Return which copies have a tag, as far as the tags that name copies without a number tell.

    A silent copy may be one of the tags that stand on its shelf and that nobody read, unless its own tag is known.
    """
    untold = (c.epc == "") & c.taggable
    named, carried, doubted = (np.zeros(len(c), bool) for _ in range(3))
    named[matched] = True
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
