"""What each part of the estimator buys: the figures with it, and without it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.measured import measured_folder, measured_sets, why_absent, wrongly_surveyed
from benchmarks.robustness import thinned
from localization.estimator import PARTS, Localizer
from localization.evaluate import Evaluation, evaluate, pool
from recording import read_recording, read_truth
from sim.library import make_library
from sim.record import record
from stacks.plan import read_plan

EVERY = 4  # of a slide set's recordings
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
COLUMNS = ("mean", "less med.", "p90", "order", "shelf", "in 90 %", "local")


def main(console: Console | None = None) -> dict[str, Any]:
    """Print one table a group of recordings and return the figures."""
    console = console or wide_console()
    figures: dict[str, Any] = {}
    folder = measured_folder()
    if folder is None:
        console.print(f"ablation, measured: {why_absent()}")
    else:
        for group, paths in measured_sets(folder).items():
            chosen = paths if group == "robot" else paths[::EVERY]
            figures[group] = _group(console, group, chosen)
    with tempfile.TemporaryDirectory() as place:
        for name, (preset, passes, speed_mps, seeds, readings) in LIBRARIES.items():
            paths = []
            for seed in seeds:
                library = make_library(BOOKS, seed=seed, radio=preset)
                out = Path(place) / f"{name}-{seed}"
                paths.append(record(library, out, passes=passes, speed_mps=speed_mps, seed=seed + 1000))
            figures[name] = _group(console, f"simulated, {name}, {BOOKS} books", paths, readings)
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


def _score(path: Path, without: str, readings: int | None) -> Evaluation:
    plan, truth = read_plan(path / "plan.json"), read_truth(path)
    fitted = Localizer(plan, jobs=2, without=(without,) if without else ())
    recording = read_recording(path, truth=False)
    recording = recording if readings is None else thinned(recording, readings)
    positions = fitted.fit(recording).localization_.positions
    return evaluate(positions, truth, plan, wrongly_surveyed(truth), label=path.name)
