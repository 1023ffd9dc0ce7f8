"""Position error of every method, on the measured scans and on a simulated library."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measured import measured_folder, measured_sets, why_absent
from benchmarks.peers import METHODS
from benchmarks.scoring import OURS, Score, score
from benchmarks.simulated import record_library

TABLE_WIDTH, BOOKS = 120, 300
COLUMNS = ("mean", "median", "p90", "p99", "less median", "placed", "order", "in 90 %", "s")


def main(console: Console | None = None) -> dict[str, Any]:
    """Print one table for each group of recordings and return the figures."""
    console = console or wide_console()
    figures: dict[str, Any] = {}
    folder = measured_folder()
    if folder is None:
        console.print(f"accuracy: {why_absent()}")
    else:
        figures |= _groups(console, measured_sets(folder))
    with tempfile.TemporaryDirectory() as place:
        simulated = {
            f"simulated library, {preset}, {BOOKS} books": (
                record_library(Path(place), books=BOOKS, preset=preset),
            )
            for preset in ("easy", "ordinary")
        }
        figures |= _groups(console, simulated)
    return figures


def wide_console() -> Console:
    """Return a console on which a row is a line, also in a log."""
    console = Console()
    return console if console.width >= TABLE_WIDTH else Console(width=TABLE_WIDTH)


def _groups(console: Console, groups: Mapping[str, tuple[Path, ...]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for group, paths in groups.items():
        scores = [score(method, group, paths) for method in [*METHODS, OURS]]
        console.print(_table(group, len(paths), scores))
        figures[group] = {s.method: s.evaluation.to_json() | {"seconds": s.seconds} for s in scores}
    return figures


def _table(group: str, recordings: int, scores: list[Score]) -> Table:
    title = f"{group}: {recordings} recording{'s' * (recordings > 1)}; |error| along the face in cm"
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    table.add_column("method", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for row in scores:
        e = row.evaluation
        table.add_row(
            row.method,
            *(f"{v:.2f}" for v in (e.error.mean_cm, e.error.median_cm, e.error.p90_cm, e.error.p99_cm)),
            f"{e.local_error.mean_cm:.2f}",
            f"{e.placed}/{e.present}",
            f"{e.order.right}/{e.order.pairs}",
            "" if math.isnan(e.coverage_along) else f"{100 * e.coverage_along:.0f} %",
            f"{row.seconds:.1f}",
            style="bold" if row.method == OURS else None,
        )
    return table
