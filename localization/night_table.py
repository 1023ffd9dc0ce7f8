"""Nights side by side: one row a tag, one column a night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from localization.hypotheses import tag_height
from localization.positions import Coverage, Positions
from recording import RunInfo
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]


class NightsError(ValueError):
    """Nights that cannot be combined: which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Night:
    """One night: its run, and what localization made of it."""

    info: RunInfo
    positions: Positions
    coverage: Coverage


@dataclass(frozen=True)
class NightTable:
    """Nights in the order they were scanned; ``t`` tags, ``k`` nights.

    A place is a shelf, or a face that has no shelves; -1 is none.

    Attributes
    ----------
    nights : tuple of Night
    plan : Plan
    epc : object array of str, shape (t,)
    row : int64 array, shape (t, k)
        Row of the night's positions; -1 where the tag was not heard.
    place, alt_place : int64 array, shape (t, k)
    offset_m, alt_offset_m, sigma_local_m, sigma_common_m, p_shelf, p_alt, quality : float64 array, shape (t, k)
        NaN where there is no place.
    readings, antennas : int64 array, shape (t, k)
    names, shelf_ids : object array, shape (places,)
        Id of the shelf, else of the face; id of the shelf, else None.
    face_ids : object array, shape (faces,)
    face_of_place : int64 array, shape (places,)
    """

    nights: tuple[Night, ...]
    plan: Plan
    epc: Texts
    row: Ints
    place: Ints
    alt_place: Ints
    offset_m: Floats
    alt_offset_m: Floats
    sigma_local_m: Floats
    sigma_common_m: Floats
    p_shelf: Floats
    p_alt: Floats
    quality: Floats
    readings: Ints
    antennas: Ints
    names: Texts
    shelf_ids: Texts
    face_ids: Texts
    face_of_place: Ints

    @property
    def heard(self) -> Bools:
        """Which tags each night heard, shape (t, k)."""
        return self.row >= 0

    @cached_property
    def hf(self) -> Bools:
        """Which tags are HF: their numbers are UIDs (ISO 15693), eight bytes beginning with E0; shape (t,)."""
        return np.array([len(epc) == 16 and epc[:2].upper() == "E0" for epc in self.epc.tolist()], np.bool_)

    @cached_property
    def last_heard(self) -> Ints:
        """The newest night that heard each tag, shape (t,)."""
        count = self.row.shape[1]
        return count - 1 - np.argmax(self.heard[:, ::-1], axis=1).astype(np.int64)

    @cached_property
    def length_m(self) -> Floats:
        """Length of each place, shape (places,)."""
        found: list[float] = []
        for face in self.plan.faces:
            found += [shelf.to_m - shelf.from_m for shelf in face.shelves] or [face.length_m]
        return np.array(found, np.float64)

    @property
    def heard_from(self) -> Ints:
        """First reading of each tag on any night, shape (t,)."""
        times = self._column("heard_from", np.iinfo(np.int64).max)
        return times.min(axis=1)

    @property
    def heard_to(self) -> Ints:
        """Last reading of each tag on any night, shape (t,)."""
        return self._column("heard_to", 0).max(axis=1)

    def _column(self, name: str, absent: int) -> Ints:
        out = np.full(self.row.shape, absent, np.int64)
        for k, night in enumerate(self.nights):
            there = self.row[:, k] >= 0
            out[there, k] = getattr(night.positions, name)[self.row[there, k]]
        return out

    def base(self, night: Ints) -> Positions:
        """Return each tag's row of one of its nights (which heard it); ``night`` has the shape (tags,)."""
        starts = np.cumsum([0, *(len(one.positions) for one in self.nights)])
        columns = {
            name: np.concatenate([getattr(one.positions, name) for one in self.nights])
            for name in Positions.names()
        }
        every = Positions(**columns)
        return every.select(starts[night] + self.row[np.arange(len(night)), night])

    def on_map(self, place: Ints, offset_m: Floats) -> tuple[Floats, Floats]:
        """Return map coordinates of offsets on places, two of their shape; NaN where there is no place."""
        x, y = np.full(place.shape, np.nan), np.full(place.shape, np.nan)
        of_place = np.where(place >= 0, self.face_of_place[np.maximum(place, 0)], -1)
        for number, face in enumerate(self.plan.faces):
            here = of_place == number
            x[here], y[here] = face.to_map(offset_m[here])
        return x, y

    def tag_height(self, place: int) -> float:
        """Return the height of a book's tag on a shelf; NaN on a face without shelves."""
        if place < 0 or self.shelf_ids[place] is None:
            return float("nan")
        shelf = self.plan.shelf(str(self.shelf_ids[place]))[1]
        return float(tag_height(shelf.board_z_m, shelf.clear_m))


def tabulate(nights: Sequence[Night], plan: Plan) -> NightTable:
    """Lay nights side by side.

    Raises
    ------
    NightsError
    """
    if not nights:
        raise NightsError("no night was named; name two or more of one site")
    sites = sorted({night.info.site for night in nights})
    if len(sites) > 1:
        raise NightsError(f"the nights are of different sites ({', '.join(sites)}); combine each by itself")
    runs = [night.info.run_id for night in nights]
    if twice := sorted({run for run in runs if runs.count(run) > 1}):
        raise NightsError(f"run {twice[0]} was named twice, which is no more evidence; name it once")
    ordered = tuple(sorted(nights, key=lambda night: (night.info.started_at, night.info.run_id)))
    names, shelf_ids, face_of = _places(plan)
    index = {name: n for n, name in enumerate(names.tolist())}
    epcs = sorted({str(epc) for night in ordered for epc in night.positions.epc.tolist()})
    row_of = {epc: n for n, epc in enumerate(epcs)}
    shape = (len(epcs), len(ordered))
    row, place, alt = (np.full(shape, -1, np.int64) for _ in range(3))
    floats = {name: np.full(shape, np.nan) for name in _FLOATS}
    common = np.full(shape, np.nan)
    counts = {name: np.zeros(shape, np.int64) for name in ("readings", "antennas")}
    for k, night in enumerate(ordered):
        p = night.positions
        at = np.array([row_of[str(epc)] for epc in p.epc.tolist()], np.int64)
        if len(np.unique(at)) < len(at):
            raise NightsError(f"run {runs[k]}: its positions name an EPC twice; localize it again")
        row[at, k] = np.arange(len(p))
        ids = [
            shelf if shelf is not None else face for shelf, face in zip(p.shelf_id, p.face_id, strict=True)
        ]
        place[at, k] = _numbers(ids, index, night, p)
        alt[at, k] = _numbers(p.alt_shelf_id.tolist(), index, night, p)
        for name, column in floats.items():
            column[at, k] = getattr(p, name)
        common[at, k] = np.sqrt(np.maximum(p.sigma_along_m**2 - p.sigma_local_m**2, 0.0))
        for name, column in counts.items():
            column[at, k] = getattr(p, name)
    unplaced = ~np.isfinite(floats["offset_m"]) | ~np.isfinite(floats["sigma_local_m"])
    place[unplaced] = -1
    alt[unplaced | ~np.isfinite(floats["alt_offset_m"])] = -1
    return NightTable(
        nights=ordered, plan=plan, epc=np.array(epcs, object), row=row, place=place, alt_place=alt,
        offset_m=floats["offset_m"], alt_offset_m=floats["alt_offset_m"], sigma_local_m=floats["sigma_local_m"],
        sigma_common_m=common, p_shelf=floats["p_shelf"], p_alt=floats["p_alt"], quality=floats["quality"],
        readings=counts["readings"], antennas=counts["antennas"], names=names, shelf_ids=shelf_ids,
        face_ids=np.array([face.id for face in plan.faces], object), face_of_place=face_of,
    )  # fmt: skip


_FLOATS = ("offset_m", "alt_offset_m", "sigma_local_m", "p_shelf", "p_alt", "quality")


def _places(plan: Plan) -> tuple[Texts, Texts, Ints]:
    names: list[str] = []
    shelves: list[str | None] = []
    faces: list[int] = []
    for number, face in enumerate(plan.faces):
        held: list[str | None] = [shelf.id for shelf in face.shelves] or [None]
        names += [face.id if shelf is None else shelf for shelf in held]
        shelves += held
        faces += [number] * len(held)
    return np.array(names, object), np.array(shelves, object), np.array(faces, np.int64)


def _numbers(ids: Sequence[str | None], index: dict[str, int], night: Night, positions: Positions) -> Ints:
    out = np.full(len(ids), -1, np.int64)
    for n, name in enumerate(ids):
        if name is None:
            continue
        if name not in index:
            raise NightsError(
                f"run {night.info.run_id}: tag {positions.epc[n]} was placed on {name!r}, which the plan does not "
                "have; localize that night again with this plan, or name the right one with --plan"
            )
        out[n] = index[name]
    return out
