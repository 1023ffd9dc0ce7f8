"""What each part of the estimator buys: the figures with it, and without it.

Then how many tags of fifteen other thinly heard libraries stand on their right shelf with the footprint and without.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.measured import measured_folder, measured_sets, why_absent, wrongly_surveyed
from benchmarks.robustness import thinned
from benchmarks.scoring import wanted
from localization.estimator import PARTS, Localizer
from localization.evaluate import Evaluation, evaluate, pool
from recording import read_recording, read_truth
from sim.library import make_library
from sim.record import record
from stacks.plan import read_plan

BOOKS = 500
#: Simulated libraries: preset, passes, speed in m/s, seeds, readings a tag at most.
LIBRARIES: Mapping[str, tuple[str, int, float, tuple[int, ...], int | None]] = {
    "easy, two passes at 0.1 m/s": ("easy", 2, 0.1, (105,), None),
    "ordinary, two passes at 0.1 m/s": ("ordinary", 2, 0.1, (101, 102), None),
    "ordinary, two passes at 0.1 m/s, 10 readings a tag": ("ordinary", 2, 0.1, (101, 102, 108), 10),
    "ordinary, one pass at 0.1 m/s": ("ordinary", 1, 0.1, (103,), None),
    "ordinary, one pass at 0.2 m/s": ("ordinary", 1, 0.2, (104,), None),
    "harsh, two passes at 0.1 m/s": ("harsh", 2, 0.1, (107,), None),
    "harsh, two passes at 0.1 m/s, 15 readings a tag": ("harsh", 2, 0.1, (107, 109), 15),
}
THIN: Final = "thinly heard"
#: Of the libraries of ``THIN``: presets, and books, readings a tag at most and first seed of one of each.
THIN_PRESETS: Final = ("easy", "ordinary", "harsh")
THIN_LIBRARIES: Final = ((270, 10, 211), (300, 15, 221), (330, 20, 231), (360, 10, 241), (400, 15, 251))
COLUMNS = ("mean", "less med.", "p90", "order", "shelf", "in 90 %", "local")


def main(console: Console | None = None, *, only: Sequence[str] = ()) -> dict[str, Any]:
    """Print one table a group of recordings and return the figures.

    Parameters
    ----------
    console : Console, optional
    only : sequence of str
        Names of groups, or parts of names; all by default.
    """
    console = console or wide_console()
    figures: dict[str, Any] = {}
    folder = measured_folder()
    if folder is None:
        console.print(f"ablation, measured: {why_absent()}")
    else:
        for group, paths in measured_sets(folder).items():
            if not wanted(f"measured {group}", only):
                continue
            figures[group] = _group(console, group, paths)
    with tempfile.TemporaryDirectory() as place:
        for name, (preset, passes, speed_mps, seeds, readings) in LIBRARIES.items():
            if not wanted(name, only):
                continue
            paths = []
            for seed in seeds:
                library = make_library(BOOKS, seed=seed, radio=preset)
                out = Path(place) / f"{name}-{seed}"
                paths.append(record(library, out, passes=passes, speed_mps=speed_mps, seed=seed + 1000))
            figures[name] = _group(console, f"simulated, {name}, {BOOKS} books", paths, readings)
        if wanted(THIN, only):
            figures[THIN] = _thinly_heard(console, Path(place))
    return figures


def _group(
    console: Console, title: str, paths: Sequence[Path], readings: int | None = None
) -> dict[str, Any]:
    table = Table(title=f"{title}: {len(paths)} recordings; cm", title_justify="left", box=box.SIMPLE)
    table.add_column("estimator", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    figures: dict[str, Any] = {}
    for without in ("", *PARTS):
        found = pool([_score(path, without, readings) for path in paths])
        name = f"without {without}" if without else "whole"
        table.add_row(
            name,
            f"{found.error.mean_cm:.2f}",
            f"{found.local_error.mean_cm:.2f}",
            f"{found.error.p90_cm:.2f}",
            f"{found.order.right}/{found.order.pairs}",
            "" if found.shelf_accuracy != found.shelf_accuracy else f"{100 * found.shelf_accuracy:.1f} %",
            f"{100 * found.coverage_along:.0f} %",
            f"{100 * found.coverage_local:.0f} %",
            style=None if without else "bold",
        )
        figures[name] = found.to_json()
    console.print(table)
    return figures


def _thinly_heard(console: Console, folder: Path) -> dict[str, dict[str, float]]:
    """Print the shares of right shelves with the footprint and without it, library by library."""
    table = Table(title=f"{THIN}: tags on their right shelf, %", title_justify="left", box=box.SIMPLE)
    table.add_column("library", no_wrap=True)
    for column in ("readings a tag", "whole", "without footprint", "difference"):
        table.add_column(column, justify="right", no_wrap=True)
    figures: dict[str, dict[str, float]] = {}
    for number, preset in enumerate(THIN_PRESETS):
        for books, readings, first in THIN_LIBRARIES:
            seed = first + number
            library = make_library(books, seed=seed, radio=preset)
            path = record(library, folder / f"thin-{seed}", passes=2, speed_mps=0.1, seed=seed + 1000)
            whole, without = (100 * _score(path, part, readings).shelf_accuracy for part in ("", "footprint"))
            name = f"{preset}, {books} books, seed {seed}"
            figures[name] = {"readings": readings, "whole": whole, "without footprint": without}
            table.add_row(name, str(readings), f"{whole:.1f}", f"{without:.1f}", f"{whole - without:+.1f}")
    whole, without = (
        float(np.mean([row[name] for row in figures.values()])) for name in ("whole", "without footprint")
    )
    table.add_row("mean", "", f"{whole:.1f}", f"{without:.1f}", f"{whole - without:+.1f}", style="bold")
    console.print(table)
    return figures


def _score(path: Path, without: str, readings: int | None) -> Evaluation:
    plan, truth = read_plan(path / "plan.json"), read_truth(path)
    fitted = Localizer(plan, jobs=2, without=(without,) if without else ())
    recording = read_recording(path, truth=False)
    recording = recording if readings is None else thinned(recording, readings)
    positions = fitted.fit(recording).localization_.positions
    return evaluate(positions, truth, plan, wrongly_surveyed(truth), label=path.name)
