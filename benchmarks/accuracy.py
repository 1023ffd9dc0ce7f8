"""One table: position error of every method and ours, on measured scans, simulated slides and simulated libraries."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import oracle
from benchmarks.known_field import KnownField
from benchmarks.measured import measured_folder, measured_sets, why_absent
from benchmarks.peers import METHODS
from benchmarks.rail import ROW_GROUPS, record_rows
from benchmarks.scoring import OURS, Score, pooled, score, wanted
from benchmarks.simulated import WORLDS, Scanned, World, reached, scan
from localization.evaluate import ErrorFigures, Evaluation, OrderFigures, evaluate
from sim.radio import Radio
from stacks.plan import read_plan

TABLE_WIDTH = 156
ORACLE, TOLD_METAL, TOLD_COUPLING = "oracle", "oracle, told the metal", "oracle, and the coupling"
ORACLES = (ORACLE, TOLD_METAL, TOLD_COUPLING)
OTHER_SEEDS: Mapping[str, World] = {f"ordinary, seed {seed}": World(seed=seed) for seed in (11, 12)}
"""Libraries placed by ours and the oracles alone: one seed is a small sample."""
SLOW = "SAR, free depth"  # a minute and a half for each library, to which the plan gives the depth anyhow
LIBRARY_PEERS = tuple(method for method in METHODS if method != SLOW)
COLUMNS = (
    "mean", "median", "p90", "p99", "less med.", "order", "<1.5 cm", "1.5-3", ">3 cm", "shelf", "face", "in 90 %",
    "local", "placed", "s",
)  # fmt: skip


def main(console: Console | None = None, *, only: Sequence[str] = ()) -> dict[str, Any]:
    """Print the table, a part for each group of recordings, and return the figures.

    Parameters
    ----------
    console : Console, optional
    only : sequence of str
        Names of groups, or parts of names; all by default.
    """
    console = console or wide_console()
    figures: dict[str, Any] = {}
    console.print(
        "|error| along the face in cm, less med.: less each face's median, mean; adjacent tags in right order,"
        " all and by true gap;\nright shelf and face of ours (the others are told the face); share of errors inside"
        " the 90 % interval, as they are and local.",
        soft_wrap=True,
    )
    folder = measured_folder()
    if folder is None:
        console.print(f"accuracy: {why_absent()}")
    else:
        sets = measured_sets(folder).items()
        figures |= _groups(console, {name: paths for name, paths in sets if wanted(f"measured {name}", only)})
    with tempfile.TemporaryDirectory() as place:
        if any(wanted(name, only) for name in ROW_GROUPS):
            rows = record_rows(Path(place))
            figures |= _groups(console, {name: rows[name] for name in ROW_GROUPS if wanted(name, only)})
        for name, world in {**WORLDS, **OTHER_SEEDS}.items():
            group = f"simulated library, {name}"
            if wanted(group, only):
                peers = () if name in OTHER_SEEDS else LIBRARY_PEERS
                figures |= _library(console, group, world, Path(place) / name, peers)
    return figures


def wide_console() -> Console:
    """Return a console on which a row is a line, also in a log."""
    console = Console()
    return console if console.width >= TABLE_WIDTH else Console(width=TABLE_WIDTH)


def _groups(console: Console, groups: Mapping[str, tuple[Path, ...]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for group, paths in groups.items():
        scores = [score(method, group, paths) for method in [*METHODS, OURS]]
        console.print(accuracy_table(f"{group}: {len(paths)} recording{'s' * (len(paths) > 1)}", scores))
        figures[group] = _json(scores)
    return figures


def _library(
    console: Console, group: str, world: World, folder: Path, peers: Sequence[str] = LIBRARY_PEERS
) -> dict[str, Any]:
    scanned = scan(world, folder)
    came_to = reached(scanned)
    scores = [score(method, group, [scanned.for_peers]) for method in peers]
    scores += [score(OURS, group, [scanned.path]), *(oracle_score(scanned, group, name) for name in ORACLES)]
    console.print(accuracy_table(f"{group}: {world.books} books, {world.antennas} antennas", scores))
    console.print(f"  {came_to.sentence()}\n", soft_wrap=True)
    return {group: _json(scores) | {"reached": came_to.to_json()}}


def oracle_score(scanned: Scanned, group: str, name: str = ORACLE) -> Score:
    """Return what an oracle, one of ``ORACLES``, reaches on a library's scan."""
    exact, plan = scanned.exact, read_plan(scanned.path / "plan.json")
    assert exact.truth is not None
    start = time.perf_counter()
    positions = oracle.locate(exact, plan, oracle_model(scanned, name))
    seconds = time.perf_counter() - start
    return pooled(name, group, [(evaluate(positions, exact.truth, plan, label=group), seconds)])


def oracle_model(scanned: Scanned, name: str) -> oracle.Model:
    """Return the phases that an oracle, one of ``ORACLES``, expects of a place."""
    if name == ORACLE:
        return oracle.straight
    return KnownField(scanned.exact, Radio(scanned.library), coupling=name == TOLD_COUPLING)


def accuracy_table(title: str, scores: Sequence[Score]) -> Table:
    """Return the rows of one group of recordings."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for row in scores:
        cells = _cells(row.evaluation, ours=row.method == OURS)
        style = "bold" if row.method == OURS else "italic" if row.method in ORACLES else None
        table.add_row(row.method, *cells, f"{row.seconds:.1f}", style=style)
    return table


def _cells(e: Evaluation, *, ours: bool) -> list[str]:
    return [
        *_errors(e.error),
        _number(e.local_error.mean_cm),
        _order(e.order),
        *(_order(order) for order in e.order_by_gap.values()),
        _share(e.shelf_accuracy if ours else math.nan),
        _share(e.face_accuracy if ours else math.nan),
        _share(e.coverage_along),
        _share(e.coverage_local),
        f"{e.placed}/{e.present}",
    ]


def _errors(figures: ErrorFigures) -> list[str]:
    return [_number(v) for v in (figures.mean_cm, figures.median_cm, figures.p90_cm, figures.p99_cm)]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _order(order: OrderFigures) -> str:
    return f"{order.right}/{order.pairs}" if order.pairs else ""


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f}"


def _json(scores: Sequence[Score]) -> dict[str, Any]:
    return {s.method: s.evaluation.to_json() | {"seconds": s.seconds} for s in scores}
