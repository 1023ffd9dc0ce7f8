"""What a calibration buys: a robot calibrated by its other runs, or by two reference tags a face and nothing else.

Measured robot runs are localized with a calibration from the *other* runs' surveyed tags, and with one from two tags
a face of the run itself, drawn at random, of which the others are scored. Then a simulated library, whose robot's
poses are old and whose antennas' phase centres are not where they are stated: both shift every book of a run alike,
and calibrating on another run takes that out. Runs at two speeds tell the one from the other. What calibrations state
of their own error is held against it on sites drawn by chance (`calibrated_sites`).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import calibrated_sites
from benchmarks.accuracy import wide_console
from benchmarks.measured import NAMES, measured_folder, measured_sets, why_absent, wrongly_surveyed
from benchmarks.scoring import wanted
from localization.calibrate import learn
from localization.calibration import Calibration
from localization.estimator import Localizer
from localization.evaluate import Evaluation, evaluate, pool, true_faces
from localization.witness import Witness, witness
from recording import Recording, Truth, read_recording
from sim.library import make_library
from sim.record import record
from stacks.plan import Plan, read_plan

SEEDS: Final = (11, 12, 13, 14, 15)
REFERENCES: Final = 2
BOOKS, LIBRARY_SEED, PASSES = 300, 31, 2
SPEEDS_MPS: Final[Mapping[str, float]] = {"slow": 0.1, "slow again": 0.1, "fast": 0.25, "between": 0.15}
"""Scans of the simulated library."""


@dataclass(frozen=True, slots=True)
class Run:
    """A recording with its plan, and what it says before any truth is looked at."""

    recording: Recording
    plan: Plan
    witness: Witness

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Read and localize a recording folder."""
        recording, plan = read_recording(folder), read_plan(folder / "plan.json")
        return cls(recording, plan, witness(replace(recording, truth=None), plan, halves=True))

    @property
    def truth(self) -> Truth:
        """Where its tags stood."""
        if self.recording.truth is None:
            raise ValueError(f"{self.recording.info.run_id}: a recording without truth cannot be judged")
        return self.recording.truth

    def judged(self, calibration: Calibration, exclude: Iterable[str] = ()) -> Evaluation:
        """Return what the run comes to with a calibration; tags used as references are left out."""
        heard = replace(self.recording, truth=None)
        found = Localizer(self.plan, calibration=calibration).fit(heard).localization_.positions
        skip = (*wrongly_surveyed(self.truth), *exclude)
        return evaluate(found, self.truth, self.plan, skip, label=self.recording.info.run_id)

    def drawn(self, seed: int) -> Truth:
        """Return two reference tags of each face, drawn at random from those heard; a wrong survey is drawn, too."""
        rng = np.random.default_rng(seed)
        faces = true_faces(self.truth, self.plan)
        heard = np.isin(self.truth.epc.astype(str), self.witness.epc.astype(str))
        rows: list[int] = []
        for face in self.plan.faces:
            here = np.flatnonzero((faces == face.id) & heard)
            rows += rng.permutation(here)[:REFERENCES].tolist()
        return _some(self.truth, np.sort(np.array(rows, np.int64)))


def main(console: Console | None = None, *, only: Sequence[str] = ()) -> dict[str, Any]:
    """Print the tables and return the figures; of groups whose names contain one of ``only``, if there are any."""
    console = console or wide_console()
    console.print(
        "|error| along the face in cm, as it is and less each face's median; shares of errors inside the 90 % interval;"
        " adjacent tags in right order.",
        soft_wrap=True,
    )
    figures: dict[str, Any] = {}
    if wanted("drawn sites", only):
        figures["drawn sites"] = calibrated_sites.table(console)
    folder = measured_folder() if wanted("measured robot", only) else None
    paths = measured_sets(folder).get(NAMES["robot"], ()) if folder is not None else ()
    if not wanted("measured robot", only):
        pass
    elif len(paths) < 2:
        console.print(f"calibrated: {why_absent()}")
    else:
        figures["measured robot"] = _print(
            console, "measured robot runs", robot([Run.read(path) for path in paths])
        )
    if not wanted("simulated library", only):
        return figures
    with tempfile.TemporaryDirectory() as place:
        runs = {name: Run.read(path) for name, path in _scans(Path(place)).items()}
        figures["simulated library"] = _print(console, f"simulated library of {BOOKS} books", simulated(runs))
        for speeds in (("slow", "fast"), ("slow",)):
            learnt = learn([runs[name].witness for name in speeds], runs["slow"].plan, runs["slow"].truth)
            console.print(
                f"  from {' and '.join(speeds)}: latency {learnt.calibration.latency_s:.3f} s", soft_wrap=True
            )
    return figures


def robot(runs: Sequence[Run]) -> dict[str, list[Evaluation]]:
    """Return the evaluations of every run, by how it was calibrated."""
    rows: dict[str, list[Evaluation]] = {"no calibration": [run.judged(Calibration()) for run in runs]}
    plan = runs[0].plan
    for title, known in (("other runs, their surveyed tags", True), ("other runs, no reference tags", False)):
        rows[title] = []
        for run in runs:
            others = [other for other in runs if other is not run]
            truth = others[0].truth if known else None
            rows[title].append(
                run.judged(learn([other.witness for other in others], plan, truth).calibration)
            )
    rows[f"{REFERENCES} tags a face of the run, {len(SEEDS)} draws"] = [
        e for seed in SEEDS for e in _by_few(runs, seed)
    ]
    return rows


def _by_few(runs: Sequence[Run], seed: int) -> list[Evaluation]:
    """Calibrate every run by a few tags of its own and score the others."""
    found: list[Evaluation] = []
    for run in runs:
        drawn = run.drawn(seed)
        learnt = learn([run.witness], run.plan, drawn)
        found.append(run.judged(learnt.calibration, drawn.epc.tolist()))
    return found


def simulated(runs: Mapping[str, Run]) -> dict[str, list[Evaluation]]:
    """Return the evaluations of the simulated scans, by scan and by what it was calibrated with."""
    ways = [
        ("slow again", ("slow",)),
        ("slow again", ("slow", "fast")),
        ("between", ("slow",)),
        ("between", ("slow", "fast")),
        ("fast", ("slow", "slow again")),
        ("fast", ("slow", "between")),
    ]
    rows: dict[str, list[Evaluation]] = {}
    for scored, teachers in ways:
        run = runs[scored]
        name = f"{scored}, {SPEEDS_MPS[scored]} m/s"
        if f"{name}: no calibration" not in rows:
            rows[f"{name}: no calibration"] = [run.judged(Calibration())]
        learnt = learn([runs[teacher].witness for teacher in teachers], run.plan, run.truth)
        rows[f"{name}: by {' and '.join(teachers)}"] = [run.judged(learnt.calibration)]
    run = runs["slow again"]
    rows[f"slow again, {REFERENCES} tags a face of its own"] = _by_few([run], SEEDS[0])
    return rows


def _scans(folder: Path) -> dict[str, Path]:
    library = make_library(BOOKS, seed=LIBRARY_SEED)
    return {
        name: record(
            library, folder / name.replace(" ", "-"), passes=PASSES, speed_mps=speed, seed=LIBRARY_SEED + n,
            run_id=name.replace(" ", "-"),
        )
        for n, (name, speed) in enumerate(SPEEDS_MPS.items(), 1)
    }  # fmt: skip


def _some(truth: Truth, rows: np.ndarray) -> Truth:
    return Truth(
        epc=truth.epc[rows], x_m=truth.x_m[rows], y_m=truth.y_m[rows], z_m=truth.z_m[rows],
        shelf_id=None if truth.shelf_id is None else truth.shelf_id[rows],
        face=None if truth.face is None else truth.face[rows],
    )  # fmt: skip


def _print(console: Console, title: str, rows: Mapping[str, list[Evaluation]]) -> dict[str, Any]:
    """Print one table and return its figures."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("calibrated by", no_wrap=True)
    for column in (
        "mean",
        "median",
        "p90",
        "less med.",
        "median",
        "p90",
        "in 90 %",
        "local",
        "order",
        "mean by run",
    ):
        table.add_column(column, justify="right", no_wrap=True)
    figures: dict[str, Any] = {}
    for name, evaluations in rows.items():
        e = pool(evaluations, label=name)
        each = [one.error.mean_cm for one in evaluations]
        table.add_row(
            name,
            *(f"{v:.2f}" for v in (e.error.mean_cm, e.error.median_cm, e.error.p90_cm)),
            *(f"{v:.2f}" for v in (e.local_error.mean_cm, e.local_error.median_cm, e.local_error.p90_cm)),
            _share(e.coverage_along),
            _share(e.coverage_local),
            f"{e.order.right}/{e.order.pairs}",
            f"{min(each):.2f}..{max(each):.2f}",
        )
        figures[name] = e.to_json() | {"mean_cm_by_run": each}
    console.print(table)
    return figures


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f}"
