"""Where are the antennas' phase centres against one another? As simulated, by tags one by one, and once metal is out.

A phase centre is a centimetre or more from where the antenna was measured to hang, and every level is heard mostly by
one antenna: what these are off by against one another, levels are.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.simulated import END_METAL, WEAK_METAL
from localization.estimator import Localizer
from localization.evaluate import evaluate
from recording import read_recording, read_truth
from sim.air import RobotPose
from sim.library import Library, make_library
from sim.radio import Radio
from sim.record import record
from stacks.plan import read_plan

Floats = npt.NDArray[np.float64]

BOOKS: Final = 400
STRONG: Final = "ordinary, strong metal"
#: Preset, passes, speed in m/s, seeds.
LIBRARIES: Final = (
    ("easy", 2, 0.1, (105, 106)),
    ("ordinary", 2, 0.1, (101, 102)),
    (STRONG, 4, 0.2, (101, 102, 103, 104)),
    ("harsh", 2, 0.1, (107, 109)),
)
#: Levels of a face with fewer tags do not show what they are off by.
FEWEST_TAGS: Final = 15


def main(console: Console | None = None) -> dict[str, Any]:
    """Print a row a library and return the figures."""
    console = console or wide_console()
    table = Table(
        title="Antennas' phase centres along the way against their mean, cm; levels' medians against their face's, rms",
        title_justify="left", box=box.SIMPLE,
    )  # fmt: skip
    for column in (
        "library",
        "seed",
        "true",
        "by tags alone",
        "metal out",
        "levels before",
        "levels",
        "mean |error|",
    ):
        table.add_column(column, justify="left" if column == "library" else "right", no_wrap=True)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for preset, passes, speed_mps, seeds in LIBRARIES:
            for seed in seeds:
                library = _library(preset, seed)
                path = record(
                    library, Path(place) / f"{preset}-{seed}", passes=passes, speed_mps=speed_mps, seed=seed
                )
                row = figures[f"{preset}, seed {seed}"] = _judged(path, library)
                table.add_row(
                    preset, str(seed), *(_told(row[name]) for name in ("true", "alone", "found")),
                    *(f"{row[name]:.2f}" for name in ("levels_before_cm", "levels_cm", "local_error_cm")),
                )  # fmt: skip
    console.print(table)
    return figures


def _library(preset: str, seed: int) -> Library:
    library = make_library(BOOKS, seed=seed, radio="ordinary" if preset == STRONG else preset)
    if preset != STRONG:
        return library
    return replace(library, radio=replace(library.radio, end_scatterer=END_METAL, weak_scatterer=WEAK_METAL))


def _judged(path: Path, library: Library) -> dict[str, Any]:
    recording, plan, truth = (
        read_recording(path, truth=False),
        read_plan(path / "plan.json"),
        read_truth(path),
    )
    ids = [mount.id for mount in recording.info.antennas]
    figures: dict[str, Any] = {"true": _across_cm(library)}
    for name, without in (("alone", ("antennas",)), ("found", ())):
        fitted = Localizer(plan, without=without, jobs=2).fit(recording)
        known = fitted.registration_
        across = np.zeros(len(ids)) if known is None else 100.0 * known.across_m[ids]
        figures[name] = [round(float(v), 2) for v in across - across.mean()]
        tags = evaluate(fitted.localization_.positions, truth, plan).tags
        apart = _levels_cm(tags.face, tags.shelf, 100.0 * tags.local_error_m)
        figures["levels_cm" if name == "found" else "levels_before_cm"] = apart
        figures["local_error_cm"] = float(np.nanmean(np.abs(100.0 * tags.local_error_m)))
    return figures


def _across_cm(library: Library) -> list[float]:
    """Return how far to the left of its boresight each phase centre is, against the mean of all."""
    radio, across = Radio(library), []
    for port in radio.ports:
        mount = radio.mount(port)
        place, boresight = radio.antenna_place(port, RobotPose(0.0, 0.0, 0.0))
        off = place - np.array(mount.position_m)
        left = np.array([-boresight[1], boresight[0]]) / np.hypot(boresight[0], boresight[1])
        across.append(100.0 * float(off[:2] @ left))
    return [round(float(v), 2) for v in np.array(across) - np.mean(across)]


def _levels_cm(face: npt.NDArray[np.object_], shelf: npt.NDArray[np.object_], error_cm: Floats) -> float:
    """Return how far levels' medians are from their faces', root mean square."""
    known = np.isfinite(error_cm)
    off: list[float] = []
    rows = [(str(f), str(s).rsplit("-", 1)[-1]) for f, s in zip(face, shelf, strict=True)]
    for one in sorted(set(rows)):
        here = known & np.array([row == one for row in rows])
        if here.sum() >= FEWEST_TAGS:
            off.append(float(np.median(error_cm[here])))
    return float(np.sqrt(np.mean(np.square(off))))


def _told(values: list[float]) -> str:
    return ", ".join(f"{value:+.1f}" for value in values)
