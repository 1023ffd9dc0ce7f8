"""Which silent copies may be tags that were heard, and whose memory nobody read.

Where books stand in order, a tag between two books that are known is a copy whose call number is between theirs. So a
silent copy is none of a shelf's unread tags where all of those stand in gaps of other copies. A shelf with an unread
tag that no such copy explains (a book out of order, another library's) has all its silent copies in doubt; and where
such tags are many beside the copies that nothing explains, any of those may be standing elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from localization.positions import Positions
from reports.books import Catalogue
from reports.copy_rows import TagRows
from reports.known_tags import in_capitals
from reports.places import Places

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_STRANGE: Final = 0.1
"""Share of the copies that nothing explains which may be unread tags on other shelves, where any is to be missing."""


@dataclass(frozen=True)
class Unread:
    """Where unread tags stand, and the books beside them.

    Attributes
    ----------
    at : int64 array
        Place of each unread tag; -1: none.
    x : float64 array
        Its offset along the face.
    alt, alt_x
        The same of the place where it may stand as well.
    copy, place : int64 array
        Books heard whose copy is known, and where they stand.
    offset_m : float64 array
        At which offset.
    """

    at: Ints
    x: Floats
    alt: Ints
    alt_x: Floats
    copy: Ints
    place: Ints
    offset_m: Floats

    @classmethod
    def of(
        cls,
        unread: Collection[str],
        copy_of: TagRows,
        c: Catalogue,
        positions: Positions,
        places: Places,
    ) -> Unread | None:
        """Look for the tags among tonight's positions; None: there are none."""
        if not unread:
            return None
        p, epcs = positions, list(map(in_capitals, positions.epc.tolist()))
        place = places.number(p.shelf_id, p.face_id)
        silent = np.fromiter((epc in unread for epc in epcs), bool, len(epcs))
        copy = c.copies_of(epcs, copy_of)
        known = (copy >= 0) & (place >= 0) & np.isfinite(p.offset_m)
        alt = places.number(p.alt_shelf_id[silent])
        return cls(
            place[silent], p.offset_m[silent], alt, p.alt_offset_m[silent],
            copy[known], place[known], p.offset_m[known],
        )  # fmt: skip

    def count(self, homes: int) -> Ints:
        """Return how many unread tags stand at each place."""
        return np.bincount(self.at[(self.at >= 0) & (self.at < homes)], minlength=homes)

    def perhaps(self, c: Catalogue, silent: Bools) -> Bools:
        """Return which of the silent copies may be unread tags, shape (copies,).

        Copies of shelves on which nothing is known are none.
        """
        homes = max(int(c.home.max(initial=-1)) + 1, len(c.range_of))
        place = self.at >= 0
        stands = c.range_of[self.at[place]]  # a range's further shelves are one home with its first
        standing = np.bincount(stands, minlength=homes)
        seen = standing > 0
        seen[self.place[c.home[self.copy] == self.place]] = True
        out = np.zeros(len(c), bool)
        rows = np.flatnonzero(silent & (c.home >= 0))
        rows = rows[seen[c.home[rows]]]
        if not len(rows):
            return out
        gaps = _Gaps.of(c, rows, self)
        first, times = gaps.distinct()
        here = gaps.tags(self.at, self.x)[first]
        home = gaps.home[first]
        copies = np.bincount(c.home[rows], minlength=homes)
        in_gaps, surplus, short = (
            np.bincount(home, weights=w, minlength=homes)
            for w in (here, np.maximum(here - times, 0), np.maximum(times - here, 0))
        )
        # By the order of a range over several shelves nothing can be told, nor of tags without an offset.
        whole = np.zeros(homes, bool)
        whole[c.range_of[c.range_of != np.arange(len(c.range_of))]] = True
        whole[stands[~np.isfinite(self.x[place])]] = True
        surplus = np.where(
            whole, np.maximum(standing - copies, 0), surplus + np.maximum(standing - in_gaps, 0)
        )
        short = np.where(whole, np.maximum(copies - standing, 0), short)
        bad = (whole & (standing > 0)) | (surplus > 0) | (in_gaps != standing)
        # More tags than a shelf's copies explain have come from elsewhere: each belongs to one that is short somewhere.
        strange = float(np.maximum(standing - copies, 0).sum()) + np.count_nonzero(~place)
        if strange > _STRANGE * float(short[~bad].sum()):
            out[rows] = True
            return out
        further = (self.alt >= 0) & ~np.isfinite(self.alt_x)
        bad[c.range_of[self.alt[further]]] = True
        near = gaps.tags(np.concatenate([self.at, self.alt]), np.concatenate([self.x, self.alt_x]))
        out[rows] = (near > 0) | ((c.rank[rows] < 0) & (standing[c.home[rows]] > 0)) | bad[c.home[rows]]
        return out


@dataclass(frozen=True)
class _Gaps:
    """The gap between known books in which each of some copies must stand; one row a copy."""

    home: Ints
    left: Ints
    right: Ints
    low: Floats
    high: Floats

    @classmethod
    def of(cls, c: Catalogue, rows: Ints, heard: Unread) -> _Gaps:
        at_home = (c.home[heard.copy] == heard.place) & (c.rank[heard.copy] >= 0)
        copy, x = heard.copy[at_home], heard.offset_m[at_home]
        most = int(c.rank.max(initial=0)) + 2
        # Ranks of one scheme are in a row: where two meet on a shelf, a book of the other one ends no gap.
        key = c.home[copy] * most + c.rank[copy]
        order = np.argsort(key, kind="stable")
        key, x, home = key[order], x[order], c.home[copy][order]
        scheme = c.scheme[copy][order]
        asked = c.home[rows] * most + np.maximum(c.rank[rows], 0)
        left, right = np.searchsorted(key, asked, "left") - 1, np.searchsorted(key, asked, "right")
        mine, of = c.home[rows], c.scheme[rows]
        if not len(key):
            open_ = np.full(len(rows), np.inf)
            return cls(mine, left, right, -open_, open_)
        last = len(key) - 1
        has_left = (left >= 0) & (home[np.maximum(left, 0)] == mine) & (scheme[np.maximum(left, 0)] == of)
        at = np.minimum(right, last)
        has_right = (right <= last) & (home[at] == mine) & (scheme[at] == of)
        a = np.where(has_left, x[np.maximum(left, 0)], np.nan)
        b = np.where(has_right, x[at], np.nan)
        # Which way numbers run along this shelf, its first and last known books tell.
        start, stop = np.searchsorted(home, mine, "left"), np.searchsorted(home, mine, "right") - 1
        some = start < stop
        way = np.where(some, np.sign(x[np.maximum(stop, 0)] - x[np.minimum(start, last)]), 0.0)
        low, high = np.fmin(a, b), np.fmax(a, b)
        ends_high, ends_low = (has_left & ~has_right, has_right & ~has_left)
        onwards, back = (
            (ends_high & (way > 0)) | (ends_low & (way < 0)),
            (ends_high & (way < 0)) | (ends_low & (way > 0)),
        )
        neither = ~(has_left & has_right) & ~onwards & ~back
        low = np.where(back | neither, -np.inf, low)
        high = np.where(onwards | neither, np.inf, high)
        return cls(mine, left, right, low, high)

    def tags(self, place: Ints, x: Floats) -> Ints:
        """Return how many of some tags stand in each copy's gap."""
        good = (place >= 0) & np.isfinite(x)
        place, x = place[good], x[good]
        if not len(x):
            return np.zeros(len(self.home), np.int64)
        start, span = float(x.min()) - 1.0, float(np.ptp(x)) + 2.0

        def key(of: Ints, at: Floats) -> Floats:
            return of * span + np.clip(at - start, 0.0, span - 0.5)

        tags = np.sort(key(place, x))
        upto = np.searchsorted(tags, key(self.home, self.high), "right")
        return np.maximum(upto - np.searchsorted(tags, key(self.home, self.low), "left"), 0)

    def distinct(self) -> tuple[Ints, Ints]:
        """Return one copy's row of each gap, and how many copies have that gap."""
        pairs = np.stack([self.home, self.left, self.right], axis=1)
        _, first, times = np.unique(pairs, axis=0, return_index=True, return_counts=True)
        return first, times
