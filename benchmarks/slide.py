"""The simulated slide held against the measured one: residuals, strengths and the errors of the published methods.

One table, a figure a line: measured, with the 90 % interval of a bootstrap over its recordings and the wider one of a
whole set; simulated, with its own; the ratio. A set's recordings share tags, metal and room, so its figures are those
of one draw: how far such a draw scatters is taken from simulated sets of the same geometry. A figure is matched when
the ratio is within 20 % ("20 %"). Where a set's figure scatters by more than that, it cannot be judged at 20 %: then
it is not told apart ("interval") when the simulated value lies within the set's interval. All else is a miss ("NO").

Where a kind of row has no measured recording here, the published figure stands in its place, for the methods whose
code here gives the published figures on the sets that both have seen.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measured import measured_folder, why_absent
from benchmarks.slide_rows import (
    ALIKE,
    LEVELS,
    OURS,
    RESIDUALS,
    Figure,
    Row,
    figures,
    measured_rows,
    simulated_row,
)  # fmt: skip
from sim.slide import MEASURED, Scan, parameters_at, scan_row, slide, three_lines

SETS = 16
WIDTH = 156
NUMBERS = (
    "measured", "its 90 %", "a set's 90 %", "+-", "simulated", "its 90 %", "ratio", "matched",
)  # fmt: skip
MOST_SCANS = 6  # of one laboratory in a simulated set
THREE_LINES = "4 cm, 3 lines"
DEPTHS_M = (0.47, 0.57, 0.67, 0.77)
LIKE = 0.2  # a ratio this far from one is a match
# RF-Scanner, STPP and Tagoram were coded otherwise for the published figures: on the 8 cm rows that both have seen they
# err by 4.86, 4.50 and 6.71 cm there and by 6.54, 8.13 and 9.71 cm here; these agree to 6 %.
SAME_CODE = ("RSSI centroid", "SAR, known depth", "SAR, free depth")

# What the published recordings of the kinds gave to the same methods, mean |error| in cm and adjacent order (public
# AdaRF recordings, test splits 1, 4 and 5; the residuals of a kind with several lines were not published).
PUBLISHED_PEERS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "20 cm": {
        "RSSI centroid": (12.5, 0.73),
        "STPP": (2.53, 1.0),
        "RF-Scanner": (2.48, 1.0),
        "SAR, known depth": (1.81, 1.0),
        "SAR, free depth": (2.34, 1.0),
        "Tagoram DAH": (3.21, 1.0),
    },
    "8 cm": {
        "RSSI centroid": (14.1, 0.61),
        "STPP": (4.50, 0.83),
        "RF-Scanner": (4.86, 0.93),
        "SAR, known depth": (4.17, 0.89),
        "SAR, free depth": (4.68, 0.84),
        "Tagoram DAH": (6.71, 0.79),
    },
    THREE_LINES: {
        "RSSI centroid": (8.3, 0.69),
        "STPP": (9.5, 0.59),
        "RF-Scanner": (9.2, 0.65),
        "SAR, known depth": (6.3, 0.63),
        "SAR, free depth": (7.8, 0.68),
        "Tagoram DAH": (9.2, 0.54),
    },
}


# By how much the tags of a measured row differ in mean level, their distances taken out, as computed here.
LEVELS_DB: Mapping[str, float] = {"20 cm": 0.70, "10 cm": 1.88, "8 cm": 1.72, "6 cm": 1.23, "4 cm": 1.12}


@dataclass(frozen=True, slots=True)
class Compared:
    """One line of the table.

    Attributes
    ----------
    measured, simulated : float
    recordings_interval : tuple of float or None
        Of the measured figure, by a bootstrap over recordings.
    measured_interval : tuple of float or None
        Of the measured figure as that of one set; None where it is not known.
    simulated_interval : tuple of float
    """

    measured: float
    recordings_interval: tuple[float, float] | None
    measured_interval: tuple[float, float] | None
    simulated: float
    simulated_interval: tuple[float, float]

    @property
    def ratio(self) -> float:
        """Simulated over measured; NaN without a measured figure."""
        return self.simulated / self.measured if self.measured else math.nan

    @property
    def scatter(self) -> float:
        """How far a set's figure scatters about its mean, as a share of it: half the width of its 90 % interval."""
        if self.measured_interval is None or not self.measured:
            return math.nan
        low, high = self.measured_interval
        return (high - low) / 2.0 / abs(self.measured)

    @property
    def verdict(self) -> str:
        """Say how the figure is matched: "20 %", "interval", "NO", or "" where nothing was measured."""
        if math.isnan(self.measured):
            return ""
        if abs(self.ratio - 1.0) <= LIKE:
            return "20 %"
        low, high = self.measured_interval or (math.nan, math.nan)
        return "interval" if self.scatter > LIKE and low <= self.simulated <= high else "NO"


def main(sets: int = SETS, console: Console | None = None) -> dict[str, Any]:
    """Print the table and return its figures."""
    console = console or Console()
    console = console if console.width >= WIDTH else Console(width=WIDTH)
    folder = measured_folder()
    measured = measured_rows(folder) if folder else {}
    if not measured:
        console.print(f"slide: {why_absent()}; published figures stand for measured ones")
    found: dict[str, Any] = {}
    table = Table(box=box.SIMPLE, title="the slide, measured and simulated", title_justify="left")
    for name in ("row", "figure", *NUMBERS):
        table.add_column(name, justify="left" if name in ("row", "figure") else "right", no_wrap=True)
    for kind in _kinds(measured):
        real = figures(measured[kind]) if kind in measured else None
        made = figures(simulated(kind, measured.get(kind, ()), sets))
        lines = {name: _compare(kind, name, real, made) for name in made}
        _show(table, kind, len(measured.get(kind, ())), lines)
        found[kind] = {name: _json(line) for name, line in lines.items()}
    console.print(table)
    judged = [
        f for kind in found.values() for name, f in kind.items() if f["matched"] and not _information(name)
    ]
    counts = {verdict: sum(f["matched"] == verdict for f in judged) for verdict in ("20 %", "interval", "NO")}
    console.print("matched: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    sharp = [f for f in judged if not f["scatter"] > LIKE]
    within = sum(f["matched"] == "20 %" for f in sharp)
    console.print(f"of the {len(sharp)} figures that a set tells to 20 %, {within} are within 20 %")
    return found


def simulated(kind: str, like: Sequence[Row], sets: int, seed: int = 0) -> list[Row]:
    """Return simulated sets with the geometry of the measured ones, or of those published; each is a rig.

    A set has as many laboratories as were measured, with no more than `MOST_SCANS` of their depths each.
    """
    found: list[Row] = []
    for n in range(sets):
        for number, geometry in enumerate(_laboratories(like)):
            laboratory = (seed, n, number, round(1000 * geometry[0].pitch_m))
            for m, scan in enumerate(geometry):
                depth = float(scan.away_m.min())
                upward = np.where(scan.line == scan.line.max(), 1.0, -1.0)
                height = np.sqrt(np.maximum(scan.away_m**2 - depth**2, 0.0)) * upward
                made = scan_row(
                    scan.along_m, depth, (*laboratory, m), parameters_at(scan.pitch_m),
                    height_m=height, line=scan.line, laboratory=laboratory,
                )  # fmt: skip
                name = f"slide-{n}-{number}"
                found.append(simulated_row(made, f"{name}-{m}", f"set {n}", name))
        if not like:
            for m, depth in enumerate(DEPTHS_M):
                made = _published_scan(kind, depth, (seed, n))
                found.append(simulated_row(made, f"slide-{n}-{m}", f"set {n}", f"slide-{n}"))
    return found


def _laboratories(like: Sequence[Row]) -> list[list[Scan]]:
    """Return the scans of each laboratory, thinned evenly in depth."""
    members: dict[str, list[Scan]] = {}
    for row in like:
        members.setdefault(row.laboratory, []).append(row.scan)
    found: list[list[Scan]] = []
    for scans in members.values():
        ordered = sorted(scans, key=lambda scan: float(scan.away_m.min()))
        at = np.unique(
            np.linspace(0, len(ordered) - 1, min(MOST_SCANS, len(ordered))).round().astype(np.int64)
        )
        found.append([ordered[i] for i in at.tolist()])
    return found


def _published_scan(kind: str, depth_m: float, laboratory: tuple[int, ...]) -> Scan:
    if kind == THREE_LINES:
        return three_lines(depth_m, laboratory[-1], laboratory=laboratory)
    return slide(float(kind.split()[0]) / 100, depth_m, laboratory[-1], laboratory=laboratory)


def _kinds(measured: Mapping[str, Sequence[Row]]) -> list[str]:
    usual = [f"{100 * pitch:.0f} cm" for pitch in sorted(MEASURED, reverse=True)]
    return [*usual, THREE_LINES, *sorted(set(measured) - {*usual, THREE_LINES})]


def _compare(kind: str, name: str, real: Mapping[str, Figure] | None, made: Mapping[str, Figure]) -> Compared:
    sim = made[name]
    value = real[name].value if real is not None else _published(kind, name)
    recordings = None if real is None or name in ALIKE else real[name].interval
    return Compared(value, recordings, sim.scatter(value), sim.value, sim.interval)


def _published(kind: str, name: str) -> float:
    method, _, what = name.partition(": ")
    peers = PUBLISHED_PEERS.get(kind, {})
    if method in peers and method in SAME_CODE and what in ("error cm", "order"):
        return peers[method][0 if what == "error cm" else 1]
    if name == LEVELS:
        return LEVELS_DB.get(kind, math.nan)
    residuals = {f"{100 * pitch:.0f} cm": r for pitch, r in MEASURED.items()}.get(kind)
    if residuals is None or name not in RESIDUALS:
        return math.nan
    r = residuals
    values = (r.rms_rad, r.over_1_rad, 100 * r.length_m, r.rssi_sd_db, r.neighbours)
    return dict(zip(RESIDUALS, values, strict=True))[name]


def _information(name: str) -> bool:
    """Tell whether a figure is shown but not judged: our error and order as they are, others' less the median."""
    return name.startswith(OURS) != ("less median" in name)


def _show(table: Table, kind: str, recordings: int, lines: Mapping[str, Compared]) -> None:
    label = f"{kind} ({recordings})" if recordings else f"{kind} (published)"
    for name, line in lines.items():
        if math.isnan(line.measured) and not _information(name) and name not in RESIDUALS:
            continue
        digits = 1 if name.startswith("1/e") else 2
        table.add_row(
            label,
            name,
            "" if math.isnan(line.measured) else f"{line.measured:.{digits}f}",
            _between(line.recordings_interval, digits),
            _between(line.measured_interval, digits),
            "" if math.isnan(line.scatter) else f"{100 * line.scatter:.0f} %",
            f"{line.simulated:.{digits}f}",
            _between(line.simulated_interval, digits),
            "" if math.isnan(line.ratio) else f"{line.ratio:.2f}",
            "info" if _information(name) else line.verdict,
        )
        label = ""
    table.add_section()


def _between(interval: tuple[float, float] | None, digits: int) -> str:
    return "" if interval is None else f"{interval[0]:.{digits}f}..{interval[1]:.{digits}f}"


def _json(line: Compared) -> dict[str, Any]:
    return {
        "measured": line.measured,
        "recordings_interval": line.recordings_interval,
        "measured_interval": line.measured_interval,
        "scatter": line.scatter,
        "simulated": line.simulated,
        "simulated_interval": line.simulated_interval,
        "ratio": line.ratio,
        "matched": line.verdict,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slide", description=__doc__)
    parser.add_argument("--sets", type=int, default=SETS, help="simulated sets of each kind")
    main(parser.parse_args().sets)
