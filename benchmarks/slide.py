"""The simulated slide held against the measured one: residuals, strengths and the errors of the published methods.

One table, a figure a line: measured with its 90 % sampling interval, simulated with its own, the ratio. A figure is
matched when the ratio is within 20 % ("20 %"), or else when the simulated value lies within the measured one's
sampling interval ("interval"). Simulated rows have the measured ones' geometry: as many tags, as far away. Where a
kind of row has no measured recording here, the published figure stands in its place; its interval ("~") is what the
simulated rows scatter when as many are drawn as the published figure was made of.
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
from benchmarks.slide_rows import OURS, RESIDUALS, Figure, Row, figures, measured_rows, simulated_row
from sim.slide import MEASURED, scan_row, slide, three_lines

ROWS = 40
THREE_LINES = "4 cm, 3 lines"
DEPTHS_M = (0.47, 0.57, 0.67, 0.77)
LIKE = 0.2  # a ratio this far from one is a match

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

PUBLISHED_RIGS: Mapping[str, int] = {"20 cm": 8, "10 cm": 4, "8 cm": 9, "6 cm": 4, "4 cm": 4, THREE_LINES: 4}


@dataclass(frozen=True, slots=True)
class Compared:
    """One line of the table.

    Attributes
    ----------
    measured, simulated : float
    measured_interval : tuple of float or None
        None where it is not known.
    simulated_interval : tuple of float
    """

    measured: float
    measured_interval: tuple[float, float] | None
    simulated: float
    simulated_interval: tuple[float, float]

    @property
    def ratio(self) -> float:
        """Simulated over measured; NaN without a measured figure."""
        return self.simulated / self.measured if self.measured else math.nan

    @property
    def verdict(self) -> str:
        """Say how the figure is matched: "20 %", "interval", "NO", or "" where nothing was measured."""
        if math.isnan(self.measured):
            return ""
        if abs(self.ratio - 1.0) <= LIKE:
            return "20 %"
        low, high = self.measured_interval or (math.nan, math.nan)
        return "interval" if low <= self.simulated <= high else "NO"


def main(rows: int = ROWS, console: Console | None = None) -> dict[str, Any]:
    """Print the table and return its figures."""
    console = console or Console()
    console = console if console.width >= 136 else Console(width=136)
    folder = measured_folder()
    measured = measured_rows(folder) if folder else {}
    if not measured:
        console.print(f"slide: {why_absent()}; published figures stand for measured ones")
    found: dict[str, Any] = {}
    table = Table(box=box.SIMPLE, title="the slide, measured and simulated", title_justify="left")
    for name in ("row", "figure", "measured", "its 90 %", "simulated", "its 90 %", "ratio", "matched"):
        table.add_column(name, justify="left" if name in ("row", "figure") else "right", no_wrap=True)
    for kind in _kinds(measured):
        real = figures(measured[kind]) if kind in measured else None
        made = figures(simulated(kind, measured.get(kind, ()), rows))
        lines = {name: _compare(kind, name, real, made, rows) for name in made}
        _show(table, kind, len(measured.get(kind, ())), lines)
        found[kind] = {name: _json(line) for name, line in lines.items()}
    console.print(table)
    judged = [f["matched"] for kind in found.values() for name, f in kind.items() if not _information(name)]
    counts = {verdict: judged.count(verdict) for verdict in ("20 %", "interval", "NO")}
    console.print("matched: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return found


def simulated(kind: str, like: Sequence[Row], rows: int, seed: int = 0) -> list[Row]:
    """Return ``rows`` simulated rows with the geometry of those measured, or of the published ones."""
    if like:
        nominal = [(row.scan.along_m, row.scan.away_m, row.scan.line) for row in like]
        scans = []
        for n in range(rows):
            along, away, line = nominal[n % len(nominal)]
            depth = float(away.min())
            height = np.sqrt(np.maximum(away**2 - depth**2, 0.0)) * np.where(line == line.max(), 1.0, -1.0)
            scans.append(scan_row(along, depth, (seed, n, round(1000 * depth)), height_m=height, line=line))
    elif kind == THREE_LINES:
        scans = [three_lines(DEPTHS_M[n % len(DEPTHS_M)], seed + n) for n in range(rows)]
    else:
        pitch = float(kind.split()[0]) / 100
        scans = [
            slide(pitch, depth, seed + n) for n, depth in enumerate(np.linspace(0.45, 0.88, rows).tolist())
        ]
    return [simulated_row(scan, f"slide-{n}") for n, scan in enumerate(scans)]


def _kinds(measured: Mapping[str, Sequence[Row]]) -> list[str]:
    usual = [f"{100 * pitch:.0f} cm" for pitch in sorted(MEASURED, reverse=True)]
    return [*usual, THREE_LINES, *sorted(set(measured) - {*usual, THREE_LINES})]


def _compare(
    kind: str, name: str, real: Mapping[str, Figure] | None, made: Mapping[str, Figure], rows: int
) -> Compared:
    sim = made[name]
    if real is not None:
        return Compared(real[name].value, real[name].interval, sim.value, sim.interval)
    published = _published(kind, name)
    return Compared(published, _scatter(published, sim, rows / PUBLISHED_RIGS[kind]), sim.value, sim.interval)


def _scatter(published: float, sim: Figure, fewer: float) -> tuple[float, float] | None:
    """Return the interval that a figure of so many times fewer recordings has, by the simulated ones' scatter."""
    drawn = sim.draws[np.isfinite(sim.draws) & (sim.draws > 0)]
    if math.isnan(published) or sim.value <= 0 or drawn.size < sim.draws.size:
        return None
    half = 1.645 * float(np.std(np.log(drawn))) * math.sqrt(fewer)
    return published * math.exp(-half), published * math.exp(half)


def _published(kind: str, name: str) -> float:
    method, _, what = name.partition(": ")
    peers = PUBLISHED_PEERS.get(kind, {})
    if method in peers and what in ("error cm", "order"):
        return peers[method][0 if what == "error cm" else 1]
    residuals = {f"{100 * pitch:.0f} cm": r for pitch, r in MEASURED.items()}.get(kind)
    if residuals is None or name not in RESIDUALS:
        return math.nan
    r = residuals
    values = (r.rms_rad, r.over_1_rad, 100 * r.length_m, r.rssi_sd_db, r.neighbours)
    return dict(zip(RESIDUALS, values, strict=True))[name]


def _information(name: str) -> bool:
    """Tell whether a figure is shown but not judged: ours, and the errors less the median."""
    return name.startswith(OURS) or "less median" in name


def _show(table: Table, kind: str, recordings: int, lines: Mapping[str, Compared]) -> None:
    about = "" if recordings else "~"
    label = f"{kind} ({recordings})" if recordings else f"{kind} (published)"
    for name, line in lines.items():
        if math.isnan(line.measured) and not _information(name) and name not in RESIDUALS:
            continue
        digits = 1 if name.startswith("1/e") else 2
        low, high = line.simulated_interval
        real = line.measured_interval
        table.add_row(
            label,
            name,
            "" if math.isnan(line.measured) else f"{line.measured:.{digits}f}",
            "" if real is None else f"{about}{real[0]:.{digits}f}..{real[1]:.{digits}f}",
            f"{line.simulated:.{digits}f}",
            f"{low:.{digits}f}..{high:.{digits}f}",
            "" if math.isnan(line.ratio) else f"{line.ratio:.2f}",
            "info" if _information(name) else line.verdict,
        )
        label = ""
    table.add_section()


def _json(line: Compared) -> dict[str, Any]:
    return {
        "measured": line.measured,
        "measured_interval": line.measured_interval,
        "simulated": line.simulated,
        "simulated_interval": line.simulated_interval,
        "ratio": line.ratio,
        "matched": line.verdict,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slide", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="simulated rows of each kind")
    main(parser.parse_args().rows)
