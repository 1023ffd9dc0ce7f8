"""What shelf labels buy: references that hang on the shelves, within the run itself and kept for another night.

Simulated libraries with a tagged label on every shelf's left end, and no other reference. A night is localized without
its labels, with them, with a calibration that the labels of another night taught, and with both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.simulated import World, library_of, night
from localization.calibrate import learn
from localization.estimator import Localizer
from localization.evaluate import Evaluation, evaluate
from localization.labels import label_truth
from localization.witness import witness
from recording import read_recording
from stacks.plan import read_plan

WORLDS: Final[Mapping[str, World]] = {
    "easy, two passes at 0.1 m/s": World(trouble=0.5, books=400, passes=2, speed_mps=0.1, seed=81),
    "easy, one pass at 0.2 m/s": World(trouble=0.5, books=400, passes=1, speed_mps=0.2, seed=82),
    "ordinary, two passes at 0.1 m/s": World(books=400, passes=2, speed_mps=0.1, seed=83),
    "ordinary, one pass at 0.2 m/s": World(books=400, passes=1, speed_mps=0.2, seed=84),
    "harsh, two passes at 0.1 m/s": World(trouble=2.0, books=400, passes=2, speed_mps=0.1, seed=85),
}


def main(console: Console | None = None) -> dict[str, Any]:
    """Print the tables and return the figures."""
    console = console or wide_console()
    console.print(
        "|error| along the face in cm, as it is and less each face's median; shares of errors inside the 90 % interval;"
        " adjacent tags in right order.",
        soft_wrap=True,
    )
    figures: dict[str, Any] = {}
    for name, world in WORLDS.items():
        with tempfile.TemporaryDirectory() as place:
            rows = evaluations(world, Path(place))
        table = Table(title=name, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
        table.add_column("labels", no_wrap=True)
        for column in ("mean", "median", "p90", "less med.", "median", "in 90 %", "local", "bar", "order"):
            table.add_column(column, justify="right", no_wrap=True)
        for how, e in rows.items():
            bar = float(100 * sorted(e.tags.sigma_along_m[e.tags.placed])[int(e.tags.placed.sum()) // 2])
            table.add_row(
                how,
                *(f"{v:.2f}" for v in (e.error.mean_cm, e.error.median_cm, e.error.p90_cm)),
                f"{e.local_error.mean_cm:.2f}", f"{e.local_error.median_cm:.2f}",
                f"{100 * e.coverage_along:.1f}", f"{100 * e.coverage_local:.1f}", f"{bar:.2f}",
                f"{e.order.right}/{e.order.pairs}",
            )  # fmt: skip
        console.print(table)
        figures[name] = {how: e.to_json() for how, e in rows.items()}
    return figures


def evaluations(world: World, folder: Path) -> dict[str, Evaluation]:
    """Return what a night comes to, by how its labels are used."""
    library = library_of(world, labels=True)
    scans = [read_recording(night(world, library, n, folder / str(n))) for n in range(2)]
    plan = read_plan(folder / "0" / "recording" / "plan.json")
    truth = scans[1].truth
    assert truth is not None
    other = replace(scans[0], truth=None)
    taught = learn([witness(other, plan, halves=True)], plan, label_truth(plan)).calibration
    ways = {
        "none": Localizer(plan, labels=False),
        "its own": Localizer(plan),
        "another night's": Localizer(plan, labels=False, calibration=taught),
        "both": Localizer(plan, calibration=taught),
    }
    heard = replace(scans[1], truth=None)
    return {
        name: evaluate(one.fit(heard).localization_.positions, truth, plan, label=name)
        for name, one in ways.items()
    }
