"""Measured readings thinned at random to what a library gives: error, order, coverage and bars by readings a tag."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.measured import measured_folder, measured_sets, why_absent
from benchmarks.peers.views import ONE_SERIES, SPEED_OF_LIGHT_MPS, phase_flips
from benchmarks.plot import Panel, draw
from benchmarks.robustness import TWO_PI
from benchmarks.robustness import thinned as thin
from benchmarks.scoring import OURS, Score, judge, pooled
from localization.estimator import Localizer
from localization.evaluate import Evaluation
from recording import Recording, read_recording
from stacks.plan import Plan, read_plan

READINGS: Final = (200, 50, 20, 10)
CALIBRATED: Final = (
    f"{OURS}, calibrated"  # on the peers' recording: what is lost for want of calibration shows
)
METHODS_SHOWN: Final = ("RF-Scanner", "Phase ReLock", "SAR, known depth", OURS, CALIBRATED)
EVERY: Final = 2  # of the slide's recordings, so that this takes minutes
SEED: Final = 17
HONEST: Final = (85.0, 95.0)


def as_single_reads(recording: Recording) -> Recording:
    """Return a recording whose rows are single reads, not means of many.

    A mean of n reads has lost most of the receiver's noise; what one read has of it is added again, by the law
    measured on the same slide, ``sigma^2 = 0.010^2 + (0.056 * 10^(-(RSSI + 62.5) / 20))^2`` rad^2.
    """
    r = recording.readings
    if r.seen_count is None:
        return recording
    variance = 1e-4 + (0.056 * 10 ** (-(r.rssi_dbm.astype(np.float64) + 62.5) / 20)) ** 2
    missing = np.sqrt(variance * (1.0 - 1.0 / np.maximum(r.seen_count, 1)))
    noise = np.random.default_rng(SEED).standard_normal(len(r)) * missing
    phase = np.mod(r.phase_rad + noise, 2 * np.pi).astype(np.float32)
    phase = np.where(phase >= TWO_PI, np.float32(0.0), phase)
    return replace(recording, readings=replace(r, phase_rad=phase, seen_count=None))


def for_peers(whole: Recording, plan: Plan) -> Recording:
    """Return the recording with what too few readings do not tell, found from all of them.

    Whether phases flip by pi, and each antenna's cable, whose phase is taken off so that its channels and passes make
    one series: of ten readings a tag on eight channels no channel has enough for any of the methods.
    """
    flips = phase_flips(whole)
    cable_m = Localizer(plan).fit(replace(whole, truth=None)).delays_m_
    r = whole.readings
    turn = 4 * np.pi * r.frequency_khz * 1e3 / SPEED_OF_LIGHT_MPS * cable_m[r.antenna]
    phase = np.mod(r.phase_rad - turn, 2 * np.pi).astype(np.float32)
    mounts = tuple(
        replace(mount, phase_ambiguity="pi" if flips[mount.id] else "none") for mount in whole.info.antennas
    )
    return replace(
        whole,
        info=replace(whole.info, antennas=mounts, extra={**whole.info.extra, ONE_SERIES: True}),
        readings=replace(r, phase_rad=np.where(phase >= TWO_PI, np.float32(0.0), phase)),
    )


def main(console: Console | None = None, out: Path | None = None) -> dict[str, Any]:
    """Print a table, draw the plot into ``out`` if named, and return the figures."""
    console = console or wide_console()
    folder = measured_folder()
    if folder is None:
        console.print(f"thinned: {why_absent()}")
        return {}
    groups = {
        name: paths if name == "robot" else paths[::EVERY] for name, paths in measured_sets(folder).items()
    }
    found = {group: scores_of(group, paths) for group, paths in groups.items()}
    for group, scores in found.items():
        console.print(_table(f"{group}: {len(groups[group])} recordings, readings a tag at most", scores))
    if out is not None:
        console.print(f"  {plot(out / 'thinned.svg', found)}")
    return {
        group: {f"{method}, {n} a tag": s.evaluation.to_json() for (method, n), s in scores.items()}
        for group, scores in found.items()
    }


def scores_of(group: str, paths: Sequence[Path]) -> dict[tuple[str, int], Score]:
    """Return every method's score at each number of readings a tag."""
    found: dict[tuple[str, int], list[Any]] = {(m, n): [] for m in METHODS_SHOWN for n in READINGS}
    for path in paths:
        whole, plan = as_single_reads(read_recording(path)), read_plan(path / "plan.json")
        helped = for_peers(whole, plan)
        for n in READINGS:
            for method in METHODS_SHOWN:
                recording, name = (
                    (whole if method == OURS else helped),
                    method.removesuffix(CALIBRATED[len(OURS) :]),
                )
                found[method, n].append(judge(name, thin(recording, n), plan, label=path.name))
    return {(m, n): pooled(m, group, judged) for (m, n), judged in found.items()}


def _table(title: str, scores: Mapping[tuple[str, int], Score]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    columns = (
        "method", "readings", "mean cm", "median", "p90", "less median", "order", "in 90 %", "local",
        "90 % bar, cm", "local bar", "placed", "s",
    )  # fmt: skip
    for column in columns:
        table.add_column(column, no_wrap=True, justify="left" if column == "method" else "right")
    for (method, n), row in scores.items():
        e = row.evaluation
        numbers = (e.error.mean_cm, e.error.median_cm, e.error.p90_cm, e.local_error.mean_cm)
        bars = (_half_width(e.sigma_along_cm), _half_width(e.sigma_local_cm))
        table.add_row(
            method,
            str(n),
            *(_number(v) for v in numbers),
            f"{e.order.right}/{e.order.pairs}",
            *(_number(100 * v, 1) for v in (e.coverage_along, e.coverage_local)),
            *(_number(v) for v in bars),
            f"{e.placed}/{e.present}",
            f"{row.seconds:.1f}",
            style="bold" if method in (OURS, CALIBRATED) else None,
        )
    return table


def plot(path: Path, found: Mapping[str, Mapping[tuple[str, int], Score]]) -> Path:
    """Draw error, order, coverage and bar width against readings a tag, a column for each group."""

    def lines(
        scores: Mapping[tuple[str, int], Score], what: Callable[[Evaluation], float]
    ) -> dict[str, list[float]]:
        every = {m: [float(what(scores[m, n].evaluation)) for n in READINGS] for m in METHODS_SHOWN}
        return {m: values for m, values in every.items() if any(map(math.isfinite, values))}

    rows = [
        [Panel(f"{g}: mean error, cm", lines(s, lambda e: e.error.mean_cm)) for g, s in found.items()],
        [
            Panel("neighbours in order, %", lines(s, lambda e: 100 * e.order.share), low=40, high=100)
            for s in found.values()
        ],
        [
            Panel("inside the 90 % interval, %", lines(s, lambda e: 100 * e.coverage_along), 40, 100, HONEST)
            for s in found.values()
        ],
        [
            Panel(
                "half width of the 90 % interval, cm (median)",
                lines(s, lambda e: _half_width(e.sigma_along_cm)),
            )
            for s in found.values()
        ],
    ]
    return draw(path, "Measured scans, readings thinned at random", READINGS, "readings a tag", rows)


def _half_width(sigma_cm: float) -> float:
    return 1.645 * sigma_cm


def _number(value: float, digits: int = 2) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
