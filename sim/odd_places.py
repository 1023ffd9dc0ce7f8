"""Lay, push back, tag twice and carry about some of a library's books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from sim.model import Library, Tags
from sim.oddities import Mover, OddityRates, TagOddities
from sim.trouble import Planted
from stacks.plan import Face

OLD_PREFIX: Final = "3034"
"""First four digits of the EPCs the library gave out before."""
_OLD_SCHEME_SHARE: Final = 0.7
_HEIGHT_M: Final = (0.19, 0.26)
"""Heights of books: how much of the shelf a lying one takes."""
_PILE_MOST_M: Final = 0.29
_TOP_ROOM_M: Final = 0.075
_TOP_M: Final = 0.24
_ROW_PILES: Final = 0.5


class _Shelving:
    """The tags of a library while they are moved about."""

    def __init__(self, library: Library, thickness_m: Mapping[str, float]) -> None:
        self.library = library
        self.faces = library.faces()
        self.shelves = library.shelves()
        tags = library.tags
        self.epc = list(tags.epc)
        self.place = tags.place_m.copy()
        self.offset = tags.offset_m.copy()
        self.thick = np.array([thickness_m.get(epc, 0.0) for epc in tags.epc])
        self.odd = TagOddities.none(len(tags))
        self.taken = tags.label.copy()
        self.planted: list[Planted] = []
        self.barcode = {row.epc: (row.barcode, row.home_location or "") for row in library.holdings}

    def put(self, i: int, offset: float, behind_m: float, height: float) -> None:
        face = self.faces[int(self.library.tags.face[i])]
        _, depth = face.to_face(self.place[i : i + 1, 0], self.place[i : i + 1, 1])
        x, y = face.to_map(np.array([offset]), float(depth[0]) + behind_m)
        self.place[i] = x[0], y[0], height
        self.offset[i] = offset

    def plant(self, kind: str, i: int, detail: str) -> None:
        barcode, belongs = self.barcode.get(self.epc[i], ("", ""))
        shelf = self.shelves[int(self.library.tags.shelf[i])][1].id
        self.planted.append(Planted(kind, self.epc[i], barcode, shelf, belongs, detail))
        self.taken[i] = True


def plant_oddities(
    library: Library, rates: OddityRates, thickness_m: Mapping[str, float], rng: np.random.Generator
) -> Library:
    """Make some of a library's books unusual.

    Parameters
    ----------
    library : Library
    rates : OddityRates
    thickness_m : mapping of str to float
        Thickness of each book, by EPC.
    rng : Generator

    Returns
    -------
    Library
        With the books moved, and every one of them in ``planted``.
    """
    s = _Shelving(library, thickness_m)
    books = int((~library.tags.label).sum())
    _lay(s, rng, round(rates.lying * books))
    free = rng.permutation(np.flatnonzero(~s.taken))
    hand = 1.0 if rng.random() < 0.5 else -1.0
    s.odd.twist[:] *= hand
    behind = round(rates.pushed_back * books)
    for i in free[:behind].tolist():
        shift = float(rng.uniform(0.08, 0.15))
        s.put(i, float(s.offset[i]), shift, float(s.place[i, 2]))
        s.odd.behind_m[i] = shift
        s.odd.loss_db[i] += rng.uniform(2.0, 5.0)
        s.plant("pushed_back", i, f"{100 * shift:.0f} cm behind the row")
    tags, odd = _second_tags(s, rng, free[behind : behind + round(rates.double * books)].tolist())
    movers = _movers(s, rng, rates)
    return replace(
        library,
        tags=tags,
        odd=odd,
        movers=movers,
        planted=(*library.planted, *s.planted),
        holdings=_holdings(s, movers),
    )


def _lay(s: _Shelving, rng: np.random.Generator, wanted: int) -> None:
    """Lay books flat, one pile a shelf: half of the piles in the row, as wide as a book is high, half on top of it."""
    tags = s.library.tags
    used = [g for g in np.unique(tags.shelf).tolist() if np.count_nonzero(tags.shelf == g) >= 12]
    laid = 0
    while used and laid < wanted:
        g = used.pop(int(rng.integers(len(used))))
        members = np.flatnonzero((tags.shelf == g) & ~tags.label)
        shelf = s.shelves[g][1]
        height = float(rng.uniform(*_HEIGHT_M))
        first = int(rng.integers(1, len(members) - 2))
        reach = np.cumsum(s.thick[members[first:]])
        in_row = rng.random() < _ROW_PILES
        count = int(np.searchsorted(reach, height)) + 1 if in_row else int(rng.integers(2, 4))
        pile = members[first : first + count]
        left = float(s.offset[pile[0]] - 0.5 * s.thick[pile[0]])
        stack = np.cumsum(s.thick[pile])
        high = _PILE_MOST_M if in_row else _TOP_ROOM_M
        if (
            len(pile) < count
            or stack[-1] > min(high, shelf.clear_m)
            or (not in_row and shelf.clear_m < _TOP_M + _TOP_ROOM_M)
        ):
            continue
        if not in_row:
            # They lie anywhere on the row, which closes up behind them.
            left = float(rng.uniform(shelf.from_m, shelf.to_m - height))
            for i in members[first + count :].tolist():
                s.put(i, float(s.offset[i] - stack[-1]), 0.0, float(s.place[i, 2]))
        base = shelf.board_z_m + (0.0 if in_row else _TOP_M + 0.01 * rng.random())
        middle = float(np.mean(base + stack - 0.5 * s.thick[pile]))
        foot_left = rng.random() < 0.5
        for n, i in enumerate(pile.tolist()):
            from_foot = float(np.clip(0.115 + 0.02 * rng.standard_normal(), 0.05, height - 0.02))
            turned = foot_left != (rng.random() < 0.15)
            at = left + (from_foot if turned else height - from_foot) + 0.01 * rng.standard_normal()
            z = float(base + stack[n] - s.thick[i] * rng.uniform(0.12, 0.88))
            s.put(i, float(np.clip(at, shelf.from_m, shelf.to_m)), 0.0, z)
            s.odd.twist[i] = rng.uniform(0.8, 1.2)
            s.odd.pile_m[i] = z - middle
            s.plant("lying", i, f"{n + 1} of {count} lying {'in' if in_row else 'on'} the row, from below")
        laid += count


def _second_tags(s: _Shelving, rng: np.random.Generator, rows: list[int]) -> tuple[Tags, TagOddities]:
    """Leave an old tag in some books; return all tags in shelf order."""
    tags = s.library.tags
    place, offset, more = [s.place], [s.offset], [np.zeros(0, np.int64)]
    loss = s.odd.loss_db
    for n, i in enumerate(rows):
        apart = float(rng.uniform(0.001, 0.010)) * (1 if rng.random() < 0.5 else -1)
        face = s.faces[int(tags.face[i])]
        _, depth = face.to_face(s.place[i : i + 1, 0], s.place[i : i + 1, 1])
        x, y = face.to_map(s.offset[i : i + 1] + apart, float(depth[0] + abs(0.01 * rng.standard_normal())))
        board = s.shelves[int(tags.shelf[i])][1].board_z_m
        z = max(float(s.place[i, 2] + 0.03 * rng.standard_normal()), board + 0.03)
        old = f"{OLD_PREFIX if rng.random() < _OLD_SCHEME_SHARE else s.epc[i][:4]}{int(rng.integers(1 << 48)):012X}"
        s.epc.append(f"{old}{0xF000_0000 + n:08X}")
        place.append(np.array([[x[0], y[0], z]]))
        offset.append(s.offset[i : i + 1] + apart)
        more.append(np.array([i]))
        # Two inlays so close detune one another.
        loss[i] += rng.uniform(1.0, 4.0)
        barcode, belongs = s.barcode.get(s.epc[i], ("", ""))
        shelf = s.shelves[int(tags.shelf[i])][1].id
        s.planted.append(Planted("double", s.epc[-1], barcode, shelf, belongs, f"old tag of {s.epc[i]}"))
    twin = np.concatenate(more)
    source = np.concatenate([np.arange(len(tags)), twin])
    odd = s.odd.select(source)
    all_offset = np.concatenate(offset)
    order = np.lexsort((all_offset, ~tags.label[source], tags.shelf[source]))
    return (
        Tags(
            epc=tuple(s.epc[i] for i in order.tolist()),
            place_m=np.ascontiguousarray(np.concatenate(place)[order]),
            offset_m=all_offset[order],
            face=tags.face[source][order],
            shelf=tags.shelf[source][order],
            label=tags.label[source][order],
        ),
        odd.select(order),
    )


def _movers(s: _Shelving, rng: np.random.Generator, rates: OddityRates) -> tuple[Mover, ...]:
    """Load the trolleys with copies that are on loan, and stick tags on the robot."""
    there = set(s.epc)
    away = [
        row.epc for row in s.library.holdings if row.epc and row.epc not in there and row.status == "loaned"
    ]
    order = rng.permutation(len(away)).tolist()
    floors = [n for n, floor in enumerate(s.library.plan.floors) for _ in floor.faces]
    movers: list[Mover] = []
    for n in range(rates.trolleys):
        f = int(rng.integers(len(s.faces)))
        load = tuple(away[order.pop()] for _ in range(min(rates.trolley_books, len(order))))
        if load:
            movers.append(_trolley(f"trolley{n + 1}", s.faces[f], floors[f], load, rng))
    for n in range(rates.on_robot):
        epc = f"{OLD_PREFIX}{int(rng.integers(1 << 48)):012X}{0xE000_0000 + n:08X}"
        place = np.array([[rng.uniform(-0.2, 0.2), rng.uniform(-0.15, 0.2), rng.uniform(0.3, 1.2)]])
        none = np.zeros(0)
        movers.append(Mover(f"robot{n + 1}", 0, (epc,), place, none, none, none, 0.0, np.zeros((0, 3))))
    for mover in movers:
        for epc in mover.epc:
            barcode, belongs = s.barcode.get(epc, ("", ""))
            s.planted.append(Planted("moving", epc, barcode, "", belongs, f"on {mover.id}"))
    return tuple(movers)


def _trolley(name: str, face: Face, floor: int, epc: tuple[str, ...], rng: np.random.Generator) -> Mover:
    """Push a trolley forth and back along a face for two hours, 20 to 30 cm in front of it."""
    t, at, times, spots = 0.0, 0.0, [0.0], [float(rng.uniform(0.0, face.length_m))]
    while t < 7200.0:
        t += float(rng.exponential(30.0 if rng.random() < 0.7 else 240.0)) + 1.0
        times.append(t)
        spots.append(spots[-1])
        at = float(rng.uniform(-0.5, face.length_m + 0.5))
        t += max(abs(at - spots[-1]) / float(rng.uniform(0.25, 0.8)), 0.5)
        times.append(t)
        spots.append(at)
    times.append(t + max(abs(spots[0] - spots[-1]) / 0.5, 0.5))
    spots.append(spots[0])
    x, y = face.to_map(np.array(spots), -float(rng.uniform(0.2, 0.3)))
    n = len(epc)
    # Two boards of books, spines to the face.
    along = np.sort(rng.uniform(-0.3, 0.3, n))
    place = np.column_stack(
        [along, rng.normal(0.0, 0.01, n), rng.choice([0.45, 0.80], n) + rng.normal(0, 0.02, n)]
    )
    metal = np.column_stack([rng.uniform(-0.4, 0.4, 4), rng.uniform(-0.1, 0.1, 4), rng.uniform(0.3, 1.0, 4)])
    yaw = float(np.radians(face.direction_deg))
    return Mover(name, floor, epc, place, np.array(times), x, y, yaw, metal)


def _holdings(s: _Shelving, movers: tuple[Mover, ...]):
    """Half of what lies on the trolleys is checked in already."""
    carried = {epc for mover in movers for epc in mover.epc[::2]}
    return tuple(
        replace(row, status="available") if row.epc in carried else row for row in s.library.holdings
    )
