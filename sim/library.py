"""A made-up library: shelving, catalogue, books on shelves, planted trouble, and the truth about all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim import trouble as tr
from sim.call_numbers import Scheme, draw_call_numbers
from sim.errors import SimError
from sim.layout import LayoutSettings, build_plan
from sim.library_folder import load_library, load_mounts, save_library
from sim.model import Library, Tags, label_place
from sim.odd_places import plant_oddities
from sim.oddities import OddityRates
from sim.presets import preset
from sim.robot import RobotDescription
from sim.trouble import Planted, TroubleRates
from sim.words import draw_titles
from stacks.holdings import Holding
from stacks.plan import Plan

__all__ = ["MAX_BOOKS", "Library", "Tags", "load_library", "load_mounts", "make_library", "save_library"]

MAX_BOOKS: Final = 5_000_000
OWN_PREFIX: Final = "3085"
"""First four digits of the library's own EPCs."""
FOREIGN_PREFIX: Final = "E280"
LABEL_PREFIX: Final = "3086"


def make_library(
    books: int,
    seed: int = 1,
    *,
    site: str = "sim",
    scheme: Scheme = "lcc",
    radio: str = "ordinary",
    rates: TroubleRates | None = None,
    layout: LayoutSettings | None = None,
    labels: bool = False,
    robot: RobotDescription | None = None,
    oddities: OddityRates | None = None,
) -> Library:
    """Make a library.

    Parameters
    ----------
    books : int
        Copies in the catalogue.
    seed : int
        Same seed and arguments, same library.
    site : str
        Name of the site, as in topics and recordings.
    scheme : {"lcc", "ddc"}
    radio : str
        Name of a radio preset (`sim.presets.PRESETS`).
    rates : TroubleRates, optional
    layout : LayoutSettings, optional
    labels : bool
        True: every shelf carries a tagged label at its left end, the plan's `tag`.
    robot : RobotDescription, optional
    oddities : OddityRates, optional
        Lying books, books pushed back, second tags, trolleys; none by default.

    Returns
    -------
    Library

    Raises
    ------
    SimError
        When an argument makes no library.
    """
    if not 1 <= books <= MAX_BOOKS:
        raise SimError(f"{books} books make no library; ask for 1 to {MAX_BOOKS}")
    rates = rates or TroubleRates()
    layout = layout or LayoutSettings()
    parameters = preset(radio)
    words, makers, places, troubles, codes = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5)
    )
    call_numbers = draw_call_numbers(words, books, scheme)
    titles = draw_titles(words, books)
    # Median about 2.3 cm, a few fat ones: lognormal, cut at what is still one volume.
    thickness = np.clip(0.0228 * np.exp(0.33 * makers.standard_normal(books)), 0.008, 0.05)
    state = tr.draw_presence(troubles, books, rates)
    here = (state == tr.ON_SHELF) | (state == tr.ON_SHELF_LOANED)
    home = pack(makers, np.where(here, thickness + GAP_M, 0.0), layout.shelf_m)
    shelf_count = int(home[-1]) + 1
    labels_by_sequence = (
        {
            s + 1: f"{LABEL_PREFIX}{seed & 0xFFFF_FFFF:08X}{s + 1:012X}"
            for s in range(_shelves(shelf_count, layout))
        }
        if labels
        else None
    )
    plan = with_ranges(build_plan(site, shelf_count, layout, labels_by_sequence), call_numbers, home)
    shelves = [shelf for floor in plan.floors for face in floor.faces for shelf in face.shelves]
    barcodes = draw_barcodes(codes, books)
    epcs = draw_epcs(codes, books, OWN_PREFIX)

    rows: list[list[int]] = [[] for _ in shelves]
    for copy in np.flatnonzero(here).tolist():
        rows[int(home[copy])].append(copy)
    room = np.array([layout.shelf_m - sum(thickness[row] + GAP_M) for row in rows])
    planted: list[Planted] = []

    def plant(kind: str, copy: int, shelf: int, detail: str) -> None:
        planted.append(
            Planted(kind, epcs[copy], barcodes[copy], shelves[shelf].id, shelves[int(home[copy])].id, detail)
        )

    for copy in np.flatnonzero(state == tr.MISSING).tolist():
        plant("missing", copy, int(home[copy]), "taken away")
    for copy in np.flatnonzero(state == tr.ON_SHELF_LOANED).tolist():
        plant("on_shelf_loaned", copy, int(home[copy]), "on its shelf, not checked in")
    barred = set(np.flatnonzero(state != tr.ON_SHELF).tolist())
    near = tr.move_near(troubles, rows, round(rates.near * books))
    for copy, shelf, step in near:
        side = "right" if step > 0 else "left"
        plant("wrong_order", copy, shelf, f"moved {abs(step)} places to the {side}")
        barred.add(copy)
    for copy, a, b in tr.move_far(troubles, rows, round(rates.far * books), barred, room, thickness):
        plant("wrong_shelf", copy, b, f"moved here from {shelves[a].id}")

    strangers = round(rates.unknown * books)
    foreign = draw_epcs(codes, strangers, FOREIGN_PREFIX)
    all_epcs = epcs + foreign
    thickness = np.concatenate(
        [thickness, np.clip(0.0228 * np.exp(0.33 * makers.standard_normal(strangers)), 0.008, 0.05)]
    )
    used = [s for s, row in enumerate(rows) if row]
    for n in range(strangers):
        copy = books + n
        options = [s for s in used if room[s] > thickness[copy] + GAP_M]
        if not options:
            break
        s = options[int(troubles.integers(len(options)))]
        rows[s].insert(int(troubles.integers(len(rows[s]) + 1)), copy)
        room[s] -= thickness[copy] + GAP_M
        planted.append(Planted("unknown_tag", all_epcs[copy], "", shelves[s].id, "", "not in the catalogue"))

    status = np.where((state == tr.LOANED) | (state == tr.ON_SHELF_LOANED), "loaned", "available")
    holdings = tuple(
        Holding(
            barcode=barcodes[c],
            epc=epcs[c],
            call_number=call_numbers[c],
            scheme=scheme,
            title=titles[c],
            home_location=shelves[int(home[c])].id,
            status=str(status[c]),
            extra={},
        )
        for c in range(books)
    )
    made = Library(
        plan=plan,
        holdings=holdings,
        tags=_place(places, plan, rows, all_epcs, thickness),
        planted=tuple(planted),
        robot=robot or RobotDescription(),
        radio=parameters,
        radio_preset=radio,
        seed=seed,
    )
    if oddities is None or not oddities.any:
        return made
    # A stream of its own: the same library without them.
    own = np.random.default_rng([seed, 0x0DD])
    return plant_oddities(made, oddities, dict(zip(all_epcs, thickness.tolist(), strict=True)), own)


GAP_M: Final = 0.0005


def _shelves(wanted: int, layout: LayoutSettings) -> int:
    plan = build_plan("count", wanted, layout)
    return sum(len(face.shelves) for floor in plan.floors for face in floor.faces)


def pack(rng: np.random.Generator, width_m: NDArray[np.float64], shelf_m: float) -> NDArray[np.int64]:
    """Fill shelves one after the other, each to 88..97 % of its length; return each copy's shelf."""
    total = np.cumsum(width_m)
    home = np.zeros(width_m.size, np.int64)
    start, shelf = 0, 0
    while start < width_m.size:
        before = total[start - 1] if start else 0.0
        end = int(np.searchsorted(total, before + shelf_m * rng.uniform(0.88, 0.97), side="right"))
        end = max(end, start + 1)
        home[start:end] = shelf
        start, shelf = end, shelf + 1
    return home


def with_ranges(plan: Plan, call_numbers: list[str], home: NDArray[np.int64]) -> Plan:
    """Give every used shelf the call number its range starts with."""
    used, first = np.unique(home, return_index=True)
    starts = {int(s): call_numbers[int(i)] for s, i in zip(used, first, strict=True)}
    floors = tuple(
        replace(
            floor,
            faces=tuple(
                replace(
                    face,
                    shelves=tuple(
                        replace(s, range_start=starts.get((s.sequence or 0) - 1)) for s in face.shelves
                    ),
                )
                for face in floor.faces
            ),
        )
        for floor in plan.floors
    )
    return replace(plan, floors=floors)


def draw_barcodes(rng: np.random.Generator, n: int) -> list[str]:
    """Fourteen digits, the first 3 (an item), the last the check digit of Codabar library labels (Luhn)."""
    bodies = 3_1000_0000_0000 + int(rng.integers(1000)) * 10_0000_0000 + np.arange(n) * 7 % 10_0000_0000
    codes: list[str] = []
    for body in bodies.tolist():
        total = 0
        for place, digit in enumerate(map(int, str(body))):
            doubled = digit * 2 if place % 2 == 0 else digit
            total += doubled - 9 if doubled > 9 else doubled
        codes.append(f"{body}{-total % 10}")
    return codes


def draw_epcs(rng: np.random.Generator, n: int, prefix: str) -> list[str]:
    """Different 96 bit EPCs: prefix, random middle, serial number."""
    middle = rng.integers(0, 1 << 48, n)
    return [f"{prefix}{m:012X}{serial:08X}" for serial, m in enumerate(middle.tolist(), 1)]


def _place(
    rng: np.random.Generator,
    plan: Plan,
    rows: list[list[int]],
    epcs: list[str],
    thickness: NDArray[np.float64],
) -> Tags:
    """Stand the books on the shelves from the left and find each tag's place inside its book."""
    epc: list[str] = []
    columns: list[NDArray[np.float64]] = []
    s = -1
    for f, face in enumerate(face for floor in plan.floors for face in floor.faces):
        for shelf in face.shelves:
            s += 1
            if shelf.tag is not None:
                epc.append(shelf.tag)
                columns.append(np.array([[*label_place(face, shelf), f, s, 1.0]]))
            row = np.array(rows[s], np.int64)
            if row.size == 0:
                continue
            n = row.size
            thick = thickness[row]
            gaps = rng.exponential(GAP_M, n)
            slack = shelf.to_m - shelf.from_m - float(thick.sum() + gaps.sum())
            if slack < 0:
                gaps *= 0.0
            left = shelf.from_m + min(max(slack, 0.0), 0.004) * rng.random() + np.cumsum(thick + gaps) - thick
            # On the inside of a cover or between the first or last leaves, close to the spine.
            offset = left + thick * rng.uniform(0.12, 0.88, n)
            depth = face.tag_depth_m + 0.008 * np.clip(rng.standard_normal(n), -2.5, 2.5)
            height = shelf.board_z_m + np.clip(
                0.115 + 0.02 * rng.standard_normal(n), 0.05, shelf.clear_m - 0.05
            )
            x, y = face.to_map(offset, depth)
            epc.extend(epcs[c] for c in rows[s])
            columns.append(np.column_stack([x, y, height, offset, np.full(n, f), np.full(n, s), np.zeros(n)]))
    table = np.concatenate(columns) if columns else np.empty((0, 7))
    return Tags(
        epc=tuple(epc),
        place_m=np.ascontiguousarray(table[:, :3]),
        offset_m=table[:, 3].copy(),
        face=table[:, 4].astype(np.int32),
        shelf=table[:, 5].astype(np.int32),
        label=table[:, 6] > 0,
    )
