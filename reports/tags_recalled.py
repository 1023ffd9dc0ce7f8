"""Tags known from former nights, on a night that read the memory of a few of them.

What was read tonight goes before what was read formerly, and so does a record that names a tag number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from reports.books import Catalogue
from reports.known_tags import KnownTags, Remembered
from stacks.tag_data import TagContents, TagTable
from stacks.tag_data.contents import AMBIGUOUS, BAD_CRC, BROKEN, CONTRADICTION, UNREAD
from stacks.tag_data.keys import uids_of

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_Items = TypeVar("_Items", list[str], Sequence[str], Ints)

SPOILED: Final = frozenset((BAD_CRC, BROKEN, AMBIGUOUS, CONTRADICTION))
"""Problems of a memory that does not say which copy it is, though it may be one."""


@dataclass(frozen=True)
class Former:
    """Pairs of former nights whose copies are in tonight's catalogue, and their tags heard tonight.

    Attributes
    ----------
    tags : KnownTags
        With rows of the catalogue.
    heard : list of str
        Those of the tags that were heard and that no record knows.
    at : int64 array, shape (heard,)
        Their pairs.
    read : bool array, shape (heard,)
        Their memory was read tonight.
    """

    tags: KnownTags
    heard: list[str]
    at: Ints
    read: Bools

    @classmethod
    def of(
        cls,
        remembered: Remembered | None,
        c: Catalogue,
        unknown: list[str],
        contents: TagTable,
    ) -> Former:
        """Find what is remembered of tonight's tags that no record knows."""
        nothing = np.zeros(0, np.int64)
        if remembered is None or not len(remembered):
            return cls(KnownTags.none(), [], nothing, nothing.astype(bool))
        copy, tags = remembered.rows_in(c.barcode, c.epc), remembered.tags
        recorded = uids_of(c.by_epc)
        good = (copy >= 0) & ~np.isin(tags.uid, recorded[recorded > 0])
        # The copies' rows of the catalogue are those of all pairs, so that they can be put in their place.
        tags = replace(tags, row=copy).select(good)
        at = tags.find(uids_of(unknown))
        found = np.flatnonzero(at >= 0)
        heard = [unknown[i] for i in found.tolist()]
        return cls(tags, heard, at[found], contents.holds(heard, was_read))

    def owners(self, most: int) -> list[str]:
        """Return the owners that some of the tags heard, and not read, named."""
        return self.tags.owner[spread(self.at[~self.read], most)].tolist()


@dataclass(frozen=True)
class Recalled:
    """What former nights say of tonight's tags, beside what was read tonight.

    Attributes
    ----------
    copy_of : mapping of str to int
        Tag heard and not read tonight, to its copy.
    said : mapping of str to TagContents
        What those said that are parts of an item.
    carried : int64 array
        Copies whose tag is known, heard or not.
    doubted : int64 array
        Copies that nobody can call missing: what was their tag was heard, and whether it still is, is not known.
    """

    copy_of: Mapping[str, int]
    said: Mapping[str, TagContents]
    carried: Ints
    doubted: Ints

    @classmethod
    def of(
        cls,
        former: Former,
        tonight: KnownTags,
        c: Catalogue,
        heard: Collection[str],
        contents: TagTable,
        own: Collection[str],
    ) -> Recalled:
        """Weigh the former pairs against tonight's (with rows of the catalogue), the records, and the own owners."""
        tags, at = former.tags, former.at
        if not len(tags):
            none = np.zeros(0, np.int64)
            return cls({}, {}, none, none)
        still = ~tags.displaced(tonight)
        if own:
            strange = [o for o in set(tags.owner.tolist()) if o and o.casefold() not in own]
            still &= ~np.isin(tags.owner, strange) if strange else True
        again = tonight.find(tags.uid[at])
        same = again >= 0
        same[same] = tonight.row[again[same]] == tags.row[at[same]]
        gone = at[former.read & ~same]
        still[gone] = False
        numbered: Bools = (c.epc[tags.row] != "").astype(bool)
        usable = ~former.read & still[at]
        by_record = usable & numbered[at]
        used = usable & ~by_record
        copies = tags.row[at]
        copy_of = {former.heard[i]: int(copies[i]) for i in np.flatnonzero(used).tolist()}
        said = {
            former.heard[i]: TagContents(
                item_id=str(c.barcode[copies[i]]),
                owner=str(tags.owner[at[i]]),
                parts=int(tags.parts[at[i]]),
                part=int(tags.part[at[i]]),
            )
            for i in np.flatnonzero(used & (tags.parts[at] > 1)).tolist()
        }
        spoiled = former.read & contents.holds(former.heard, is_spoiled)
        doubted = copies[by_record | (spoiled & ~same)]
        silent = [row for row in doubted.tolist() if str(c.epc[row]) not in heard]
        return cls(copy_of, said, np.unique(tags.row[still & ~numbered]), np.array(silent, np.int64))


def spread(items: _Items, most: int) -> _Items:
    """Return about so many of the items (up to twice that), evenly from all of them."""
    return items[:: max(len(items) // most, 1)]


def was_read(said: TagContents | None) -> bool:
    """Whether a tag's memory was read."""
    return said is not None and said.problem != UNREAD


def is_spoiled(said: TagContents) -> bool:
    """Whether a tag's memory does not say which copy it is, though it may be one."""
    return said.problem in SPOILED


def read_tonight(meant: Mapping[str, int], contents: TagTable) -> KnownTags:
    """Return the pairs of HF tags whose memory, read tonight, names a copy (its row): what is to be remembered.

    Where that says it, too; not from a number that names the copy by itself, nor where several ways to read it do.
    """
    epcs = list(meant)
    uid, said = uids_of(epcs), contents.rows(epcs)
    names = contents.named & ~contents.where(lambda kind: kind.patron_card)
    good = (uid > 0) & (said >= 0)
    good[good] = names[said[good]]
    said, row = said[good], np.fromiter(meant.values(), np.int64, len(meant))[good]
    part, parts = (
        np.array([number or 0 for number in contents.column(name)[said]], np.int64)
        for name in ("part", "parts")
    )
    return KnownTags.of(uid[good], row, contents.column("owner")[said], part, parts)


def refuted(
    remembered: Remembered | None, contents: TagTable, foreign: Collection[str]
) -> npt.NDArray[np.uint64]:
    """Return the tags remembered that were read tonight and did not say the same."""
    if remembered is None or not len(remembered) or not len(contents):
        return np.zeros(0, np.uint64)
    uid = uids_of(list(contents))
    at = remembered.tags.find(uid)
    known = (at >= 0) & contents.where(was_read)
    row, items, _ = contents.candidates()
    barcodes = remembered.barcode[remembered.tags.row[np.maximum(at[row], 0)]].tolist()
    same = [item == barcode for item, barcode in zip(items, barcodes, strict=True)]
    other = known.copy()
    other[row[np.array(same, bool)]] = False
    if foreign:
        strange = contents.rows(list(foreign))
        other[strange[strange >= 0]] = True
    return uid[other & known]
