"""Where the run could hear a book and where not: from coverage to chances, and to zones to scan again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from localization.positions import Coverage
from reports.airs import AIRS, HF, air_of_copies, air_of_rows, due_of_air
from reports.books import Catalogue
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
    """A stretch of a face that was not scanned: shelves as a whole, or a part of one.

    ``air`` (`reports.airs`) tells for which tags; None: for none that are expected there.
    """

    places: tuple[int, ...]
    from_m: float
    to_m: float
    whole: bool
    face_whole: bool = False
    air: int | None = None


class Heard:
    """The coverage of a run, asked by place and offset; of each copy, that of the air of its tag.

    Where copies of both airs are due, a *cover* is a place with one of them: place, then ``len(places) + place`` for
    HF. Else there is one air, and a cover is a place.

    Parameters
    ----------
    coverage : Coverage or None
        None: nothing is known, so nothing counts as scanned.
    places : Places
    faces : collection of str or None
        Faces the run set out to scan (None: all of the plan).
    scanned_from : float
        A cell counts as scanned when a book there would have been heard with at least this probability.
    catalogue : Catalogue, optional
        Whose copies are asked for; None: the first air covered is that of all.
    """

    def __init__(
        self,
        coverage: Coverage | None,
        places: Places,
        faces: Collection[str] | None,
        scanned_from: float,
        catalogue: Catalogue | None = None,
    ) -> None:
        self.places = places
        self.scanned_from = scanned_from
        cover = Coverage.empty() if coverage is None else coverage
        self._air: npt.NDArray[np.int8] | None = None
        self._weight: Floats = np.ones((1, len(places)))
        air = air_of_rows(cover)
        if air is not None:
            cover, air = self._choose_airs(cover, air, catalogue)
        place = places.number(cover.shelf_id, cover.face_id)
        if air is not None and self._air is not None:
            place = np.where(place >= 0, place + len(places) * air, place)
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
        if self._air is not None:
            # Where no copy is due nothing is lost by one deaf air: the place counts by the other.
            empty = np.flatnonzero(self._weight.sum(axis=0) == 0.0)
            best = np.argmin(self.unheard_share().reshape(self._weight.shape)[:, empty], axis=0)
            self._weight[best, empty] = 1.0
        set_out = None if faces is None else frozenset(faces)
        self.asked: Bools = np.array([set_out is None or r.face.id in set_out for r in places.rows], bool)

    def _choose_airs(self, cover: Coverage, air: Ints, catalogue: Catalogue | None) -> tuple[Coverage, Ints]:
        """Return the rows of the airs of the copies due, and weigh each place's airs by them."""
        count = len(self.places)
        of_copy = np.zeros(0, np.int8) if catalogue is None else air_of_copies(catalogue)
        due = (
            np.zeros((AIRS, count), np.int64) if catalogue is None else due_of_air(catalogue, of_copy, count)
        )
        every = due.sum(axis=1)
        main = int(np.argmax(every)) if every.any() else int(air.min())
        if np.count_nonzero(every) > 1:
            self._air, self._weight = of_copy, due / np.maximum(due.sum(axis=0), 1)
            return cover, air
        mine = air == main
        return (cover, air) if mine.all() else (cover.select(mine), air[mine])

    def air_of(self, copy: Ints) -> Ints:
        """Return the air of each of some rows of the catalogue (`reports.airs`), 0 for all where there is one air."""
        if self._air is None:
            return np.zeros(len(copy), np.int64)
        return np.where(copy >= 0, self._air[np.maximum(copy, 0)], 0).astype(np.int64)

    def cover_of(self, place: Ints, copy: Ints) -> Ints:
        """Return the cover of each copy at each place; -1 where that is no place."""
        if self._air is None:
            return place
        return np.where(place >= 0, place + len(self.places) * self.air_of(copy), place)

    @property
    def covers(self) -> int:
        """How many covers there are."""
        return self._weight.size

    def p_heard(self, place: Ints, from_m: Floats, to_m: Floats, copy: Ints) -> Floats:
        """Return the chance that each copy was heard, if it was somewhere in its window; 0 where nothing is known."""
        place = self.cover_of(place, copy)
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
        """Return the share of each cover that was not scanned, shape (covers,); 0 everywhere without coverage.

        Stretches too short for a zone do not count.
        """
        if not len(self._p):
            return np.zeros(self.covers)
        known, missed = self._lengths()
        share = np.divide(missed, known, out=np.ones(self.covers), where=known > 0.0)
        return np.where((known > 0.0) & (missed < _SHORTEST_M - 1e-9), 0.0, share)

    def thin_share(self) -> Floats:
        """Return how far each cover is from having been read as others of its level were, shape (covers,).

        1 where its own aisle gave no readings, 0 from a quarter of what well-read shelves of its level have: a reader
        that was gone along a face leaves shelves that others still heard a little, mostly from elsewhere.
        """
        count, length = self.covers, self._to - self._from
        known, _ = self._lengths()
        # Tags of one air are not read as often as those of the other.
        levels = np.tile(self.places.level, len(self._weight))
        air = np.repeat(np.arange(len(self._weight)), len(self.places))
        read = np.bincount(self._place, weights=length * self._readings, minlength=count)
        mean = np.divide(read, known, out=np.full(count, np.nan), where=known > 0.0)
        thin = np.zeros(count)
        for level, of in np.unique(np.stack([levels, air])[:, known > 0.0], axis=1).T.tolist():
            mine = (levels == level) & (air == of) & (known > 0.0)
            usual = float(np.quantile(mean[mine], _WELL_READ))
            if usual > 0.0:
                thin[mine] = np.clip(1.0 - mean[mine] / (_THIN * usual), 0.0, 1.0)
        return thin

    def _lengths(self) -> tuple[Floats, Floats]:
        """Return the length of each cover's cells, and of those that were not scanned."""
        count, length = self.covers, self._to - self._from
        low = length * (self._p < self.scanned_from)
        known = np.bincount(self._place, weights=length, minlength=count).astype(np.float64)
        return known, np.bincount(self._place, weights=low, minlength=count).astype(np.float64)

    def share(self) -> float:
        """Return the share of the shelf metres asked for that were scanned (nan without any).

        Where copies of both airs are due, a place counts by the share of them whose air was.
        """
        length = self._to - self._from
        known, _ = self._lengths()
        heard = np.bincount(
            self._place, weights=length * (self._p >= self.scanned_from), minlength=self.covers
        )
        # Cells may reach beyond a shelf's end, so each shelf counts by its own length.
        metres = (self.places.to_m - self.places.from_m)[self.asked]
        if not metres.sum() > 0.0:
            return float("nan")
        shares = np.divide(heard, known, out=np.zeros(self.covers), where=known > 0.0)
        shares = (self._weight * shares.reshape(self._weight.shape)).sum(axis=0)[self.asked]
        return float(np.sum(metres * shares) / metres.sum())

    def zones(self) -> list[Zone]:
        """Return what was not scanned, in walking order: blocks of whole shelves, and parts of shelves."""
        known, missed = (lengths.reshape(self._weight.shape) for lengths in self._lengths())
        due = self.asked & (self._weight > 0.0)
        whole = due & ((known <= 0.0) | (missed >= _WHOLE * known))
        of_all = self.asked & (whole == due).all(axis=0)
        zones = blocks(self.places, of_all)
        partly = due & ~whole & (missed >= _SHORTEST_M - 1e-9)
        spans = self._spans(partly.ravel())
        if self._air is not None:
            for air, of_air in enumerate(whole & ~of_all):
                zones.extend(replace(zone, face_whole=False, air=air) for zone in blocks(self.places, of_air))
            spans = self._of_all(spans, np.count_nonzero(due, axis=0))
        return sorted([*zones, *spans], key=lambda z: (z.places[0], z.from_m))

    def _of_all(self, spans: list[Zone], airs: Ints) -> list[Zone]:
        """Take those as one that say the same of each of the airs that are due on a place."""
        same = Counter((z.places, z.from_m, z.to_m) for z in spans)
        found: dict[tuple[tuple[int, ...], float, float, int | None], Zone] = {}
        for z in spans:
            all_of_them = same[z.places, z.from_m, z.to_m] == airs[z.places[0]]
            air = None if all_of_them else z.air
            found[z.places, z.from_m, z.to_m, air] = replace(z, air=air)
        return list(found.values())

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
                air, place = divmod(int(self._place[first]), len(self.places))
                spans.append(
                    Zone((place,), float(self._from[first]), float(self._to[last]), False,
                         air=None if self._air is None else air)
                )  # fmt: skip
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
    name = zone_name(rows, zone)
    if zone.air is not None:
        name = T.zone_of_hf(name) if zone.air == HF else T.zone_of_uhf(name)
    sentence = T.zone_evidence(name, metres, silent_books)
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
