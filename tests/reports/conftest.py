"""A small library built by hand, whose positions are exactly what the test says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from localization.positions import Coverage, Positions
from reports import find_exceptions
from stacks.holdings import Holding, Holdings
from stacks.plan import Plan

BAY_M, LEVEL_M = 0.9, 0.35
COVERAGE = ("face_id", "level", "shelf_id", "from_m", "to_m", "readings", "p_heard")


def make_plan(bays=3, levels=4, faces=("A",), ranges=False):
    """Faces one behind the other, 2 m apart; shelves named A-01-1 (face, bay, level)."""
    made = []
    for f, face in enumerate(faces):
        shelves = []
        for bay in range(1, bays + 1):
            for level in range(1, levels + 1):
                shelf = {
                    "id": f"{face}-{bay:02d}-{level}",
                    "bay": str(bay),
                    "level": level,
                    "from_m": (bay - 1) * BAY_M,
                    "to_m": bay * BAY_M,
                    "board_z_m": 0.1 + (level - 1) * LEVEL_M,
                    "clear_m": 0.32,
                    "tag": f"{0xE0000000 + f * 10000 + bay * 100 + level:024X}",
                }
                if ranges:
                    sequence = (f * bays + bay - 1) * levels + (levels - level)
                    shelf |= {"sequence": sequence, "range_start": f"QA{100 + sequence}"}
                shelves.append(shelf)
        made.append(
            {
                "id": face,
                "origin_m": [0.0, 2.0 * f],
                "direction_deg": 0.0,
                "normal_deg": -90.0,
                "length_m": bays * BAY_M,
                "tag_depth_m": 0.1,
                "shelves": shelves,
            }
        )
    obj = {
        "format": "nightstack-plan/1",
        "site": "Test",
        "version": 1,
        "floors": [{"id": "1", "faces": made}],
    }
    return Plan.from_json(obj, "plan")


@dataclass
class World:
    """Books on shelves: change `stands`, `status`, `silent` and so on, then ask for `findings()`."""

    plan: Plan
    rows: list[Holding] = field(default_factory=list)
    stands: dict[str, tuple[str, float]] = field(default_factory=dict)  # EPC -> shelf, offset along the face
    strangers: dict[str, tuple[str, float]] = field(default_factory=dict)
    sigma: float = 0.002
    p_heard: dict[tuple[str, float, float], float] = field(default_factory=dict)  # shelf, from, to -> chance
    read: dict[str, float] = field(default_factory=dict)  # shelf -> share of the usual readings
    readings: dict[str, int] = field(default_factory=dict)
    doubt: dict[str, tuple[float, str | None, float]] = field(default_factory=dict)  # p_shelf, alt, p_alt

    def book(self, n: int) -> Holding:
        return self.rows[n]

    def on(self, shelf: str) -> list[str]:
        """EPCs on a shelf, from the left."""
        return sorted((e for e, (s, _) in self.stands.items() if s == shelf), key=lambda e: self.stands[e][1])

    def at(self, epc: str) -> tuple[str, float]:
        return self.stands[epc]

    def set_status(self, epc: str, status: str) -> None:
        self.rows = [replace(h, status=status) if h.epc == epc else h for h in self.rows]

    def change(self, epc: str, /, **columns: str) -> None:
        self.rows = [replace(h, **columns) if h.epc == epc else h for h in self.rows]

    def insert(self, epc: str, shelf: str, right_of: str | None) -> None:
        """Move a book on a shelf so that it stands right of another (None: at the left end); the rest closes up."""
        old = self.stands.pop(epc)[0]
        order = self.on(shelf)
        order.insert(0 if right_of is None else order.index(right_of) + 1, epc)
        self._set(shelf, order)
        if old != shelf:
            self._set(old, self.on(old))

    def _set(self, shelf: str, order: list[str]) -> None:
        start = self.plan.shelf(shelf)[1].from_m
        pitch = min(0.025, 0.88 / max(len(order), 1))
        for i, epc in enumerate(order):
            self.stands[epc] = (shelf, start + 0.01 + pitch * (i + 0.5))

    def positions(self, rng: np.random.Generator | None = None) -> Positions:
        everything = {**self.stands, **self.strangers}
        epcs = sorted(everything)
        p = Positions.empty(len(epcs))
        p.epc[:] = epcs
        for i, epc in enumerate(epcs):
            shelf_id, offset = everything[epc]
            face, shelf = self.plan.shelf(shelf_id)
            p.offset_m[i] = offset + (rng.normal(0.0, self.sigma) if rng else 0.0)
            x, y = face.to_map(p.offset_m[i])
            p.x_m[i], p.y_m[i], p.z_m[i] = x, y, shelf.board_z_m + 0.12
            p.face_id[i], p.shelf_id[i] = face.id, shelf_id
            chance, alt, p_alt = self.doubt.get(epc, (0.999, None, 0.0))
            p.p_shelf[i], p.alt_shelf_id[i], p.p_alt[i] = chance, alt, p_alt
            p.alt_offset_m[i] = p.offset_m[i]
            p.readings[i] = self.readings.get(epc, 14)
        p.sigma_along_m[:] = max(self.sigma, 1e-4)
        p.sigma_local_m[:] = max(self.sigma, 1e-4)
        p.antennas[:], p.quality[:] = 2, 0.9
        for shelf in {s for s, _ in everything.values()}:
            rows = np.flatnonzero(p.shelf_id == shelf)
            p.rank[rows[np.argsort(p.offset_m[rows], kind="stable")]] = np.arange(1, len(rows) + 1)
        return p

    def coverage(self) -> Coverage:
        rows = []
        for face in self.plan.faces:
            for s in face.shelves:
                for k in range(round((s.to_m - s.from_m) / 0.1)):
                    a, b = s.from_m + 0.1 * k, s.from_m + 0.1 * (k + 1)
                    chance = 0.999
                    for (shelf, low, high), value in self.p_heard.items():
                        if shelf == s.id and low - 1e-6 <= a and b <= high + 1e-6:
                            chance = value
                    readings = 14.0 * chance * self.read.get(s.id, 1.0)
                    rows.append((face.id, s.level, s.id, a, b, readings, chance))
        c = Coverage.empty(len(rows))
        for name, values in zip(COVERAGE, zip(*rows, strict=True), strict=True):
            getattr(c, name)[:] = values
        return c

    def holdings(self) -> Holdings:
        return Holdings.of(self.rows)

    def findings(self, rng: np.random.Generator | None = None, **more):
        return find_exceptions(self.positions(rng), self.coverage(), self.plan, self.holdings(), **more)


def make_world(bays=3, levels=4, faces=("A",), per_shelf=12, ranges=False) -> World:
    """Every shelf holds its books in order, call numbers QA<100 + shelf>.1 .A10, .A11 ..."""
    world = World(make_plan(bays, levels, faces, ranges))
    n = 0
    for shelf_number, shelf in enumerate(world.plan.walking_order):
        order = []
        for k in range(per_shelf):
            epc = f"{0x30000000 + n:024X}"
            call = f"QA{100 + shelf_number}.1 .A{10 + k}"
            home = "MAIN" if ranges else shelf.id
            world.rows.append(Holding(f"B{n:05d}", epc, call, "lcc", f"Book {n}", home, "available"))
            world.stands[epc] = (shelf.id, 0.0)
            order.append(epc)
            n += 1
        world._set(shelf.id, order)
    return world


@pytest.fixture
def library():
    """A library in perfect order: 12 shelves of 12 books."""
    return make_world()


@pytest.fixture(scope="session")
def build():
    """The maker of libraries."""
    return make_world


@pytest.fixture
def busy(build):
    """Two faces, 96 shelves, most with a book or two out of order or on a wrong shelf, some missing or lent."""
    world = build(bays=8, levels=6, faces=("A", "B"), per_shelf=14)
    shelves = [s.id for s in world.plan.walking_order]
    for i, shelf in enumerate(shelves):
        order = world.on(shelf)
        if i % 3 == 0:
            world.insert(order[11], shelf, order[2])
        elif i % 3 == 1:
            world.insert(order[4], shelves[(i * 7 + 5) % len(shelves)], None)
        if i % 8 == 2:
            world.set_status(order[7], "loaned")
        if i % 8 == 5:
            del world.stands[order[9]]
    return world
