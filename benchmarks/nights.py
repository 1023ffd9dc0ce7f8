"""What more nights buy: places, order, bars, what was moved and what is gone, by how many nights are combined.

Simulated libraries are scanned on three nights with other noise, path and drift. Before the second and the third night
some pairs of books are exchanged and some books are taken; then the newest night leaves out a quarter of one face,
whose books are silent, or heard through the bookcase. Every number of nights ends with the newest. Then the measured
robot's runs, in which nothing was moved.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.measured import NAMES, measured_folder, measured_sets, why_absent, wrongly_surveyed
from benchmarks.simulated import World, library_of, night
from localization import localize
from localization.evaluate import Evaluation, evaluate, pool
from localization.nights import Combined, Night, combine
from recording import Recording, Truth, read_recording
from stacks.plan import Face, Plan, read_plan

NIGHTS: Final = 3
EXCHANGED, TAKEN = 5, 5
"""Pairs of books exchanged and books taken before each night but the first."""
NEAR_M: Final = 0.1
"""Tags farther off on one of two nights are on a wrong peak: how alike the others err is told without them."""
LEFT_OUT: Final = 0.25
"""Share of the first face that the newest night leaves out."""

WORLDS: Final[Mapping[str, World]] = {
    "easy, two passes at 0.1 m/s": World(trouble=0.5, books=500, passes=2, speed_mps=0.1, seed=61),
    "ordinary, two passes at 0.1 m/s": World(books=500, passes=2, speed_mps=0.1, seed=62),
    "ordinary, one pass at 0.2 m/s": World(books=500, passes=1, speed_mps=0.2, seed=63),
    "harsh, two passes at 0.1 m/s": World(trouble=2.0, books=500, passes=2, speed_mps=0.1, seed=64),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What became of the books that were moved and taken.

    Attributes
    ----------
    moved, moved_found, moved_false : int
        Books that stand elsewhere than on the first of the nights, and of them those found to; others said to.
    gone, gone_found, gone_false : int
        Books that were taken and heard before, and of them those said to be gone; others said to be.
    silent : int
        Books that are there and that the newest night did not hear.
    """

    moved: int = 0
    moved_found: int = 0
    moved_false: int = 0
    gone: int = 0
    gone_found: int = 0
    gone_false: int = 0
    silent: int = 0


def main(console: Console | None = None) -> dict[str, Any]:
    """Print the tables and return the figures."""
    console = console or wide_console()
    console.print(
        "|error| along the face in cm, as it is and less each face's median; adjacent tags in right order; shares of"
        " errors inside the 90 % interval; books moved and taken: found / false.",
        soft_wrap=True,
    )
    figures: dict[str, Any] = {}
    for name, world in WORLDS.items():
        with tempfile.TemporaryDirectory() as place:
            tables, own = simulated(world, Path(place))
        for part, rows in tables.items():
            figures[f"{name}; {part}"] = _print(console, f"simulated, {name}; {part}", rows)
        figures[f"{name}; alike"] = _print_alike(console, own)
    folder = measured_folder()
    paths = measured_sets(folder).get(NAMES["robot"], ()) if folder is not None else ()
    if len(paths) < 2:
        console.print(f"nights: {why_absent()}")
    else:
        rows, own = robot(paths)
        figures["measured robot"] = _print(console, "measured robot runs", rows)
        figures["measured robot; alike"] = _print_alike(console, own)
    return figures


def simulated(
    world: World, folder: Path
) -> tuple[dict[str, dict[str, tuple[Evaluation, Found, float]]], list[float]]:
    """Return what one, two and three nights of a library come to, and how alike tags err from night to night.

    Once with the newest night whole, and once with a part of it left out; see :func:`alike` for the latter.
    """
    library = library_of(world)
    scans = [read_recording(night(world, library, n, folder / str(n))) for n in range(NIGHTS)]
    plan = read_plan(folder / "0" / "recording" / "plan.json")
    scans = rearranged(scans, np.random.default_rng(world.seed))
    seen = [_localized(scan, plan) for scan in scans]
    tables = {"every night whole": _rows(scans, seen, plan)}
    own = alike(scans, seen, plan)
    scans[-1] = part_left_out(scans[-1], plan.faces[0])
    seen[-1] = _localized(scans[-1], plan)
    tables["the newest without a part of a face"] = _rows(scans, seen, plan)
    return tables, own


def alike(scans: Sequence[Recording], seen: Sequence[Night], plan: Plan) -> list[float]:
    """Return the correlation of tags' errors, less each face's median, of every two nights by themselves.

    Of tags that stand where they stood, within ``NEAR_M`` of it on both nights.
    """
    errors: list[dict[tuple[str, float, float], float]] = []
    for scan, one in zip(scans, seen, strict=True):
        truth = _truth(scan)
        tags = evaluate(one.positions, truth, plan, wrongly_surveyed(truth)).tags
        places = _places(truth)
        errors.append({
            (epc, *places[epc][:2]): error
            for epc, error in zip(tags.epc.tolist(), tags.local_error_m.tolist(), strict=True)
            if abs(error) < NEAR_M
        })  # fmt: skip
    both = [
        np.array([(a[key], b[key]) for key in a.keys() & b.keys()])
        for a, b in itertools.combinations(errors, 2)
    ]
    products = [(pair - pair.mean(axis=0)).T @ (pair - pair.mean(axis=0)) for pair in both]
    return [float(p[0, 1] / np.sqrt(p[0, 0] * p[1, 1])) for p in products]


def _rows(
    scans: Sequence[Recording], seen: Sequence[Night], plan: Plan
) -> dict[str, tuple[Evaluation, Found, float]]:
    rows: dict[str, tuple[Evaluation, Found, float]] = {}
    for count in range(1, NIGHTS + 1):
        joined = combine(seen[NIGHTS - count :], plan)
        truth = _truth(scans[-1])
        there = joined.positions.select(~(joined.positions.p_present < 0.5))
        rows[f"{count} night{'s' * (count > 1)}"] = (
            evaluate(there, truth, plan), _found(joined, scans[NIGHTS - count :]), joined.errors.own_share,
        )  # fmt: skip
    return rows


def robot(paths: Sequence[Path]) -> tuple[dict[str, tuple[Evaluation, Found, float]], list[float]]:
    """Return what one, two and all runs of the measured robot come to, over every choice, and :func:`alike`."""
    scans = [read_recording(path) for path in paths]
    plan = read_plan(paths[0] / "plan.json")
    seen = [_localized(scan, plan) for scan in scans]
    truth = _truth(scans[0])
    surveyed = set(truth.epc.tolist())
    rows: dict[str, tuple[Evaluation, Found, float]] = {}
    for count in range(1, len(scans) + 1):
        several = [combine(list(chosen), plan) for chosen in itertools.combinations(seen, count)]
        each = [evaluate(one.positions, truth, plan, wrongly_surveyed(truth)) for one in several]
        false = [
            sum(move.epc in surveyed and move.kind == kind for one in several for move in one.moves)
            for kind in ("moved", "gone")
        ]
        rows[f"{count} night{'s' * (count > 1)}"] = (
            pool(each), Found(moved_false=false[0], gone_false=false[1]),
            float(np.mean([one.errors.own_share for one in several])),
        )  # fmt: skip
    return rows, alike(scans, seen, plan)


def rearranged(scans: Sequence[Recording], rng: np.random.Generator) -> list[Recording]:
    """Exchange pairs of books and take others before each night but the first.

    A book that takes another one's place is that one's tag by another name: metal and neighbours stay as they are.
    """
    truth = _truth(scans[0])
    there = np.ones(len(truth.epc), np.bool_) if truth.present is None else truth.present
    heard = set(scans[0].readings.tags)
    free = rng.permutation([epc for epc in truth.epc[there].tolist() if epc in heard]).tolist()
    names: dict[str, str] = {}
    taken: set[str] = set()
    changed = [scans[0]]
    for scan in scans[1:]:
        for _ in range(EXCHANGED):
            a, b = free.pop(), free.pop()
            names[a], names[b] = b, a
        taken |= {free.pop() for _ in range(TAKEN)}
        changed.append(_changed(scan, names, taken))
    return changed


def _changed(scan: Recording, names: Mapping[str, str], taken: set[str]) -> Recording:
    truth, readings = _truth(scan), scan.readings
    gone = np.array([tag in taken for tag in readings.tags], np.bool_)
    readings = replace(readings, tags=tuple(names.get(tag, tag) for tag in readings.tags))
    epc = np.array([names.get(tag, tag) for tag in truth.epc.tolist()], object)
    there = np.ones(len(epc), np.bool_) if truth.present is None else truth.present
    there = there & ~np.array([tag in taken for tag in epc.tolist()], np.bool_)
    return replace(
        scan,
        readings=readings.select(~gone[readings.tag]).compact(),
        truth=replace(truth, epc=epc, present=there),
    )


def part_left_out(scan: Recording, face: Face) -> Recording:
    """Return a scan without what was heard as the robot drove before the first part of a face."""
    where = scan.poses.at(scan.readings.t)
    offset, depth = face.to_face(where.x_m, where.y_m)
    before = (offset < LEFT_OUT * face.length_m) & (depth < 0.0) & (depth > -1.5)
    activity = scan.activity
    assert activity is not None
    step = 10**8
    starts: list[npt.NDArray[np.int64]] = []
    index: list[npt.NDArray[np.int64]] = []
    for row, (begin, end) in enumerate(zip(activity.t_start.tolist(), activity.t_end.tolist(), strict=True)):
        cut = np.arange(begin, end, step, dtype=np.int64)
        starts.append(cut)
        index.append(np.full(len(cut), row))
    start, row = np.concatenate(starts), np.concatenate(index)
    end = np.minimum(start + step, activity.t_end[row])
    there = scan.poses.at((start + end) // 2)
    offset, depth = face.to_face(there.x_m, there.y_m)
    kept = ~((offset < LEFT_OUT * face.length_m) & (depth < 0.0) & (depth > -1.5))
    pieces = replace(
        activity, t_start=start[kept], t_end=end[kept], antenna=activity.antenna[row[kept]],
        power_dbm=activity.power_dbm[row[kept]], session=activity.session[row[kept]],
        rounds=activity.rounds[row[kept]],
    )  # fmt: skip
    return replace(scan, readings=scan.readings.select(~before).compact(), activity=pieces)


def _localized(scan: Recording, plan: Plan) -> Night:
    found = localize(replace(scan, truth=None), plan)
    return Night(scan.info, found.positions, found.coverage)


def _truth(scan: Recording) -> Truth:
    if scan.truth is None:
        raise ValueError(f"{scan.info.run_id}: a recording without truth cannot be judged")
    return scan.truth


def _places(truth: Truth) -> dict[str, tuple[float, float, float]]:
    there = np.ones(len(truth.epc), np.bool_) if truth.present is None else truth.present
    rows = np.flatnonzero(there)
    return {
        str(truth.epc[n]): (float(truth.x_m[n]), float(truth.y_m[n]), float(truth.z_m[n]))
        for n in rows.tolist()
    }


def _found(joined: Combined, scans: Sequence[Recording]) -> Found:
    """Hold what is said to be moved and gone against what was."""
    first, now = _places(_truth(scans[0])), _places(_truth(scans[-1]))
    heard = {tag for scan in scans for tag in scan.readings.tags}
    moved = {epc for epc in first.keys() & now.keys() & heard if first[epc] != now[epc]}
    gone = {epc for epc in heard if epc in first and epc not in now}
    said = {kind: {move.epc for move in joined.moves if move.kind == kind} for kind in ("moved", "gone")}
    silent = (heard & now.keys()) - set(scans[-1].readings.tags)
    return Found(
        len(moved), len(said["moved"] & moved), len(said["moved"] - moved),
        len(gone), len(said["gone"] & gone), len(said["gone"] - gone), len(silent),
    )  # fmt: skip


def _print_alike(console: Console, own: Sequence[float]) -> list[float]:
    """Print how alike tags err from night to night, and return it."""
    each = ", ".join(f"{one:.2f}" for one in own)
    console.print(f"tags' own errors under {100 * NEAR_M:.0f} cm, two nights each: correlation {each}\n")
    return list(own)


def _print(
    console: Console, title: str, rows: Mapping[str, tuple[Evaluation, Found, float]]
) -> dict[str, Any]:
    """Print one table and return its figures."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("combined", no_wrap=True)
    for column in (
        "mean", "median", "p90", "less med.", "median", "order", "shelf", "in 90 %", "local", "moved", "false",
        "gone", "false", "silent", "new a night",
    ):  # fmt: skip
        table.add_column(column, justify="right", no_wrap=True)
    figures: dict[str, Any] = {}
    for name, (e, found, share) in rows.items():
        known = e.tags.shelf_right[np.isfinite(e.tags.shelf_right)]
        table.add_row(
            name,
            *(f"{v:.2f}" for v in (e.error.mean_cm, e.error.median_cm, e.error.p90_cm)),
            f"{e.local_error.mean_cm:.2f}", f"{e.local_error.median_cm:.2f}",
            f"{e.order.right}/{e.order.pairs}", f"{known.mean():.3f}" if len(known) else "",
            f"{100 * e.coverage_along:.1f}", f"{100 * e.coverage_local:.1f}",
            f"{found.moved_found}/{found.moved}", str(found.moved_false),
            f"{found.gone_found}/{found.gone}", str(found.gone_false), str(found.silent), f"{share:.2f}",
        )  # fmt: skip
        figures[name] = e.to_json() | {
            "found": {field: getattr(found, field) for field in Found.__slots__}, "new_every_night": share
        }  # fmt: skip
    console.print(table)
    return figures
