"""The estimator's three ways beside one another: single-tag, with joint fits, and whole, on simulated libraries."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.simulated import WORLDS, World, scan
from localization.estimator import Localizer
from localization.evaluate import evaluate
from recording import read_recording, read_truth
from stacks.plan import read_plan

#: Whether each is fast, and whether it fits shelves jointly although it is.
PATHS: Final[Mapping[str, tuple[bool, bool]]] = {
    "single-tag": (True, False),
    "joint": (True, True),
    "whole": (False, False),
}
LIBRARIES: Final[Mapping[str, World]] = {
    "easy": WORLDS["easy"],
    "ordinary": WORLDS["ordinary"],
    "ordinary, 300 books, four passes at 0.05 m/s, seed 31": World(books=300, speed_mps=0.05, seed=31),
    "harsh": WORLDS["harsh"],
}
COLUMNS: Final = ("readings a tag", "mean", "less med.", "order", "shelf", "in 90 %", "local")


def main(console: Console | None = None) -> dict[str, Any]:
    """Print a row for each library and path, and return the figures."""
    console = console or wide_console()
    table = Table(title="|error| along the face, cm", title_justify="left", box=box.SIMPLE)
    for column in ("library", "path"):
        table.add_column(column, no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for name, world in LIBRARIES.items():
            path = scan(world, Path(place) / name).path
            plan, truth = read_plan(path / "plan.json"), read_truth(path)
            recording = read_recording(path, truth=False)
            readings = float(np.median(np.bincount(recording.readings.tag)))
            figures[name] = {"readings_per_tag": readings}
            for way, (fast, joint) in PATHS.items():
                positions = Localizer(plan, fast=fast, joint=joint).fit(recording).localization_.positions
                found = evaluate(positions, truth, plan, label=name)
                figures[name][way] = found.to_json()
                table.add_row(
                    name, way, f"{readings:.0f}", f"{found.error.mean_cm:.2f}", f"{found.local_error.mean_cm:.2f}",
                    f"{found.order.right}/{found.order.pairs}", f"{100 * found.shelf_accuracy:.1f} %",
                    f"{100 * found.coverage_along:.1f} %", f"{100 * found.coverage_local:.1f} %",
                )  # fmt: skip
    console.print(table)
    return figures
