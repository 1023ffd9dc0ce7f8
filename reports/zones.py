"""Where the run could hear a book and where not: from coverage to chances, and to zones to scan again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.positions import Coverage
from reports.findings import Finding
from reports.places import Place, Places
from reports.text import T

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_FAR = 1e6  # longer than any face, so that place and offset make one sortable number
_SHORTEST_M = 0.2  # an unheard span below this is no zone anyone would walk to
_WHOLE = 0.9  # a shelf of which this share was not heard is not scanned as a whole
_WELL_READ = 0.8  # quantile of a level's shelves that are read as they should be
_THIN = 0.25  # of that many readings a shelf has at least that was passed by all antennas meant for it


@dataclass(frozen=True)
class Zone:
    """A stretch of a face that was not scanned: shelves as a whole, or a part of one."""

    places: tuple[int, ...]
    from_m: float
    to_m: float
    whole: bool
    face_whole: bool = False


class Heard:
    """The coverage of a run, asked by place and offset.

    Parameters
    ----------
    coverage : Coverage or None
        None: nothing is known, so nothing counts as scanned.
    places : Places
    faces : collection of str or None
        Faces the run set out to scan (None: all of the plan).
    scanned_from : float
        A cell counts as scanned when a book there would have been heard with at least this probability.
    """

    def __init__(
        self, coverage: Coverage | None, places: Places, faces: Collection[str] | None, scanned_from: float
    ) -> None:
        self.places = places
        self.scanned_from = scanned_from
        cover = Coverage.empty() if coverage is None else coverage
        place = places.number(cover.shelf_id, cover.face_id)
        order = np.lexsort((cover.from_m, place))
        order = order[place[order] >= 0]
        self._place = place[order]
        self._from = cover.from_m[order]
        self._to = cover.to_m[order]
        p = cover.p_heard[order]
        self._p = np.where(np.isfinite(p), np.clip(p, 0.0, 1.0), 0.0)
        self._readings = np.nan_to_num(cover.readings[order])
        length = np.maximum(self._to - self._from, 0.0)
        self._sum_length = np.concatenate([[0.0], np.cumsum(length)])
        self._sum_heard = np.concatenate([[0.0], np.cumsum(length * self._p)])
        set_out = None if faces is None else frozenset(faces)
        self.asked: Bools = np.array([set_out is None or r.face.id in set_out for r in places.rows], bool)

    def p_heard(self, place: Ints, from_m: Floats, to_m: Floats) -> Floats:
        """Return the chance that a book somewhere in each window was heard; 0 where nothing is known."""
        first = np.searchsorted(self._place * _FAR + self._to, place * _FAR + from_m, side="right")
        last = np.searchsorted(self._place * _FAR + self._from, place * _FAR + to_m, side="left")
        last = np.maximum(last, first + 1)
        bounded = np.minimum(last, len(self._p))
        inside = first < bounded
        at = np.minimum(first, max(len(self._p) - 1, 0))
        if len(self._p):
            inside &= self._place[at] == place
        length = np.where(
            inside, self._sum_length[bounded] - self._sum_length[np.minimum(first, bounded)], 0.0
        )
        heard = np.where(inside, self._sum_heard[bounded] - self._sum_heard[np.minimum(first, bounded)], 0.0)
        return np.divide(heard, length, out=np.zeros(len(place)), where=length > 0.0)

    def unheard_share(self) -> Floats:
        """Return the share of each place that was not scanned, shape (places,); 0 everywhere without coverage.

        Stretches too short for a zone do not count.
        """
        if not len(self._p):
            return np.zeros(len(self.places))
        known, missed = self._lengths()
        share = np.divide(missed, known, out=np.ones(len(self.places)), where=known > 0.0)
        return np.where((known > 0.0) & (missed < _SHORTEST_M - 1e-9), 0.0, share)

    def thin_share(self) -> Floats:
        """Return how far each place is from having been read as others of its level were, shape (places,).

        1 where its own aisle gave no readings, 0 from a quarter of what well-read shelves of its level have: a reader
        that was gone along a face leaves shelves that others still heard a little, mostly from elsewhere.
        """
        count, length = len(self.places), self._to - self._from
        known, _ = self._lengths()
        read = np.bincount(self._place, weights=length * self._readings, minlength=count)
        mean = np.divide(read, known, out=np.full(count, np.nan), where=known > 0.0)
        thin = np.zeros(count)
        for level in np.unique(self.places.level[known > 0.0]):
            mine = (self.places.level == level) & (known > 0.0)
            usual = float(np.quantile(mean[mine], _WELL_READ))
            if usual > 0.0:
                thin[mine] = np.clip(1.0 - mean[mine] / (_THIN * usual), 0.0, 1.0)
        return thin

    def _lengths(self) -> tuple[Floats, Floats]:
        """Return the length of each place's cells, and of those that were not scanned."""
        count, length = len(self.places), self._to - self._from
        low = length * (self._p < self.scanned_from)
        known = np.bincount(self._place, weights=length, minlength=count).astype(np.float64)
        return known, np.bincount(self._place, weights=low, minlength=count).astype(np.float64)

    def share(self) -> float:
        """Return the share of the shelf metres asked for that were scanned (nan without any)."""
        length = self._to - self._from
        known, _ = self._lengths()
        heard = np.bincount(
            self._place, weights=length * (self._p >= self.scanned_from), minlength=len(self.places)
        )
        # Cells may reach beyond a shelf's end, so each shelf counts by its own length.
        metres = (self.places.to_m - self.places.from_m)[self.asked]
        if not metres.sum() > 0.0:
            return float("nan")
        shares = np.divide(heard, known, out=np.zeros(len(self.places)), where=known > 0.0)[self.asked]
        return float(np.sum(metres * shares) / metres.sum())

    def zones(self) -> list[Zone]:
        """Return what was not scanned, in walking order: blocks of whole shelves, and parts of shelves."""
        known, missed = self._lengths()
        whole = self.asked & ((known <= 0.0) | (missed >= _WHOLE * known))
        zones = blocks(self.places, whole)
        partly = self.asked & ~whole & (missed >= _SHORTEST_M - 1e-9)
        zones.extend(self._spans(partly))
        return sorted(zones, key=lambda z: (z.places[0], z.from_m))

    def _spans(self, partly: Bools) -> list[Zone]:
        spans: list[Zone] = []
        if not len(self._p):
            return spans
        low = (self._p < self.scanned_from) & partly[self._place]
        same = np.concatenate([[False], (self._place[1:] == self._place[:-1]) & low[1:] & low[:-1]])
        for first in np.flatnonzero(low & ~same):
            last = first
            while last + 1 < len(low) and same[last + 1]:
                last += 1
            if self._to[last] - self._from[first] >= _SHORTEST_M - 1e-9:
                spans.append(
                    Zone((int(self._place[first]),), float(self._from[first]), float(self._to[last]), False)
                )
        return spans


def blocks(places: Places, whole: Bools) -> list[Zone]:
    """Merge neighbouring whole shelves of a level, then levels that share the same stretch."""
    by_level: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i in range(len(places)):
        by_level[int(places.face_index[i]), int(places.level[i])].append(i)
    stretches: dict[tuple[int, float, float], list[int]] = defaultdict(list)
    for (face, _), members in by_level.items():
        run: list[int] = []
        for i in [*sorted(members, key=lambda k: places.from_m[k]), -1]:
            if i >= 0 and whole[i]:
                run.append(i)
                continue
            if run:
                ends = round(float(places.from_m[run[0]]), 3), round(float(places.to_m[run[-1]]), 3)
                stretches[(face, *ends)].extend(run)
            run = []
    sizes = np.bincount(places.face_index, minlength=1)
    return [
        Zone(tuple(sorted(run)), from_m, to_m, True, face_whole=len(run) == sizes[face])
        for (face, from_m, to_m), run in stretches.items()
    ]


def zone_finding(places: Places, zone: Zone, silent_books: int) -> Finding:
    """Make the finding of a zone; `silent_books` are expected there and were not heard."""
    rows = [places.rows[i] for i in zone.places]
    metres = sum(r.to_m - r.from_m for r in rows) if zone.whole else zone.to_m - zone.from_m
    sentence = T.zone_evidence(zone_name(rows, zone), metres, silent_books)
    first = rows[0]
    return Finding(
        kind="zone_not_scanned",
        finding_id="",
        shelf_id=first.id,
        offset_m=zone.from_m,
        confidence=1.0,
        evidence=sentence,
        extent_m=zone.to_m - zone.from_m,
    )


def zone_name(rows: list[Place], zone: Zone) -> str:
    """Name a zone as people name it: face, bays, levels."""
    face = T.face(rows[0].face.id)
    if rows[0].shelf is None or zone.face_whole:
        if zone.whole:
            return T.whole_face(face)
        return T.part_of_face(face, zone.from_m, zone.to_m)
    bays = list(dict.fromkeys(r.bay for r in sorted(rows, key=lambda r: r.from_m)))
    levels = sorted({r.level for r in rows})
    name = T.part_of_bays(face, T.bays(bays), T.levels(levels))
    if zone.whole:
        return name
    # The cells of coverage are those of the face, and reach over the ends of its shelves.
    left, right = rows[0].from_m, rows[0].to_m
    return T.part_of_shelf(name, max(zone.from_m, left) - left, min(zone.to_m, right) - left)
