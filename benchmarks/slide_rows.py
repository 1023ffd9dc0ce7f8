"""Figures of slide rows, measured or simulated, by one code: residuals, strengths, and what every method makes of them.

A figure is a quotient of sums over recordings, so it and its sampling interval come from the same sums: the bootstrap
draws recordings with replacement. Measured recordings of one set and depth are one rig moved by a few centimetres;
they are drawn together. What no bootstrap of one set's recordings shows is that all of them have the same tags, metal
and room: simulated sets, each of a laboratory of its own, tell how far one set's figure scatters (`Figure.each`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import numpy.typing as npt

from benchmarks.peers import METHODS
from localization import dense, localize
from localization.positions import Positions
from localization.scatterers import FEWEST_TAGS, ScatterFit
from localization.scatterers import Scan as Dense
from recording import Recording, read_recording
from sim.slide import Scan, from_recording, to_recording
from sim.slide_scan import tag_order
from sim.slide_statistics import moments, one_over_e, residuals
from stacks.plan import Plan, read_plan

Floats = npt.NDArray[np.float64]

OURS = "Nightstack"
PEERS = ("RSSI centroid", "STPP", "RF-Scanner", "SAR, known depth", "SAR, free depth", "Tagoram DAH")
RESIDUALS = ("rms rad", "P(>1 rad)", "1/e length cm", "RSSI sd dB", "neighbours")
LEVELS = "tags' levels sd dB"
ALIKE = ("alike 9 cm deeper", "alike 18 cm deeper")
DEEPER_M = ((0.07, 0.11), (0.155, 0.205))
FOUND = (
    "joint fit: left unexplained",
    "joint fit: held-out gain",
    "joint fit: scatterers",
    "joint fit: strength",
)
WORTH_COUNTING = 0.15  # a scatterer's amplitude against the direct way
DRAWS = 2000
FEWEST_RIGS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One recording of a row.

    Attributes
    ----------
    rig : str
        Recordings of one rig are not independent of each other.
    laboratory : str
        Recordings of one laboratory have the same tags, metal and room.
    recording : Recording
    plan : Plan
    scan : Scan
    """

    rig: str
    laboratory: str
    recording: Recording
    plan: Plan
    scan: Scan


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of many rows, and the same of each bootstrap draw.

    Attributes
    ----------
    value : float
    draws : float64[b]
    each : float64[r]
        The figure of each rig by itself.
    """

    value: float
    draws: Floats
    each: Floats

    @property
    def interval(self) -> tuple[float, float]:
        """The 90 % sampling interval."""
        known = self.draws[np.isfinite(self.draws)]
        if not known.size:  # rows too short for a joint fit have no figure of it
            return math.nan, math.nan
        low, high = np.quantile(known, (0.05, 0.95))
        return float(low), float(high)

    def scatter(self, about: float) -> tuple[float, float] | None:
        """Return where nine rigs in ten would come out if their mean were ``about``; None: not to be told.

        In proportion where every rig's figure is positive.
        """
        each = self.each[np.isfinite(self.each)]
        if each.size < FEWEST_RIGS or not np.isfinite(about):
            return None
        if about > 0 and each.min() > 0:
            half = 1.645 * float(np.std(np.log(each), ddof=1))
            return about * float(np.exp(-half)), about * float(np.exp(half))
        half = 1.645 * float(np.std(each, ddof=1))
        return about - half, about + half


def measured_rows(folder: Path) -> dict[str, list[Row]]:
    """Return the slide recordings of a folder of measured scans, by `kind_of` row."""
    rows: dict[str, list[Row]] = {}
    for run in sorted(folder.glob("rail/*/*/run.json")):
        path = run.parent
        recording = read_recording(path)
        scan = from_recording(recording)
        rig = f"{path.parent.name} {np.round(scan.away_m.min(), 3)}"
        laboratory = f"{path.parent.name} {scan.pitch_m}"
        row = Row(rig, laboratory, recording, read_plan(path / "plan.json"), scan)
        rows.setdefault(kind_of(scan), []).append(row)
    return rows


def simulated_row(scan: Scan, name: str, rig: str | None = None, laboratory: str | None = None) -> Row:
    """Return a simulated scan as a row; what is judged is what came back from the recording."""
    recording, plan = to_recording(scan, name)
    rig = name if rig is None else rig
    return Row(rig, rig if laboratory is None else laboratory, recording, plan, from_recording(recording))


def kind_of(scan: Scan) -> str:
    """Name a row by its pitch, and by its lines where it has several."""
    lines = len(np.unique(scan.line))
    return f"{100 * scan.pitch_m:.0f} cm" + (f", {lines} lines" if lines > 1 else "")


def figures(rows: Sequence[Row], *, ours: bool = True, seed: int = 1) -> dict[str, Figure]:
    """Return every figure of rows of one kind.

    Parameters
    ----------
    rows : sequence of Row
    ours : bool
        With our own estimator, which is told nothing but the plan.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to Figure
        `RESIDUALS`, `LEVELS` and `ALIKE`; then of each method "NAME: error cm", "NAME: less median cm" and
        "NAME: order"; then what our joint fit found and left (`FOUND`; rows of fewer than five tags have none).
    """
    sums = [_sums(row, ours) for row in rows]
    weight = _draws([row.rig for row in rows], seed)
    apart = weight.shape[0] - len({row.rig for row in rows})
    found: dict[str, Figure] = {}
    for name, across in zip(ALIKE, alike(rows), strict=True):
        for of, sum_and_count in zip(sums, across, strict=True):
            of[name] = sum_and_count
    for name in sums[0]:
        top = np.array([s[name][0] for s in sums], np.float64).reshape(len(rows), -1)
        below = np.array([s[name][1] for s in sums], np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold no pair at all
            values = _FINISH.get(name, _plain)((weight @ top) / (weight @ below)[:, None])
        found[name] = Figure(float(values[0]), values[1:apart], values[apart:])
    return found


def _draws(rigs: Sequence[str], seed: int) -> Floats:
    """How often each recording counts, shape (1 + draws + rigs, recordings): all once; drawn; each rig by itself."""
    names, member = np.unique(np.array(rigs), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    single = np.eye(len(names))
    return np.concatenate([np.ones((1, len(rigs))), drawn[:, member].astype(np.float64), single[:, member]])


def alike(rows: Sequence[Row]) -> list[list[tuple[float, float]]]:
    """Return how alike a tag's residuals are in two scans of one laboratory, by how much deeper one is.

    One list for each of `ALIKE`, in it for each row the sum of correlations with other rows' and their number.
    """
    phases = [_centred(residuals(row.scan)) for row in rows]
    found = [[(0.0, 0.0)] * len(rows) for _ in DEEPER_M]
    for a, first in enumerate(rows):
        for b in range(a):
            other = rows[b]
            if (first.laboratory, first.scan.along_m.size) != (other.laboratory, other.scan.along_m.size):
                continue
            deeper = abs(float(first.scan.away_m.min() - other.scan.away_m.min()))
            same = np.nanmean(phases[a] * phases[b], axis=1)
            for of, (low, high) in zip(found, DEEPER_M, strict=True):
                if low <= deeper < high:
                    for n in (a, b):
                        of[n] = of[n][0] + float(np.nansum(same)), of[n][1] + float(np.isfinite(same).sum())
    return found


def _centred(phases: Floats) -> Floats:
    """Mean over channels, each tag's brought to mean 0 and variance 1 along the rail; NaN where nothing was heard."""
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a tag may never be heard at a stop
        mean = np.angle(np.nanmean(np.exp(1j * phases), axis=2))
        mean = mean - np.nanmean(mean, axis=1, keepdims=True)
        return np.asarray(mean / np.sqrt(np.nanmean(mean**2, axis=1, keepdims=True)), np.float64)


def _sums(row: Row, ours: bool) -> dict[str, tuple[float | Floats, float]]:
    m = moments(row.scan)
    of: dict[str, tuple[float | Floats, float]] = {
        "rms rad": (m.square, m.tags),
        "P(>1 rad)": (m.beyond, m.tags),
        "1/e length cm": (m.correlation, m.tags),
        "RSSI sd dB": (m.fade, m.tags),
        "neighbours": (m.neighbours, m.pairs),
    }
    of[LEVELS] = _levels(row.scan)
    for method in PEERS:
        of |= _judged(method, METHODS[method](row.recording, row.plan), row)
    if ours:
        of |= _ours(row)
    return of


def _levels(scan: Scan) -> tuple[float, float]:
    """Return the variance between tags of their mean level, distance taken out, and what it counts."""
    level = scan.rssi_dbm + 40 * np.log10(scan.distance_m)[:, :, None]
    there = np.isfinite(level)
    mean = np.where(there, level, 0.0).sum(axis=(1, 2)) / np.maximum(there.sum(axis=(1, 2)), 1)
    return float(np.var(mean[there.any(axis=(1, 2))], ddof=1)), 1.0


def _ours(row: Row) -> dict[str, tuple[float | Floats, float]]:
    """Return our own errors and, where tags were fitted jointly, what the fit found and left."""
    fits: list[ScatterFit] = []
    real = dense.fit_scatterers

    def watched(scan: Dense) -> ScatterFit:
        fits.append(real(scan))
        return fits[-1]

    with mock.patch.object(dense, "fit_scatterers", watched):
        of = _judged(OURS, localize(row.recording, row.plan).positions, row)
    fits = [fit for fit in fits if len(fit.offset_m) >= FEWEST_TAGS]
    tags = float(sum(len(fit.unexplained) for fit in fits))
    found = (
        (float(sum(fit.unexplained.sum() for fit in fits)), tags),
        (float(sum(fit.gain for fit in fits)), float(len(fits))),
        (float(sum((fit.strength > WORTH_COUNTING).sum() for fit in fits)), float(len(fits))),
        (float(sum(np.sqrt((fit.strength**2).sum()) for fit in fits)), float(len(fits))),
    )
    return of | dict(zip(FOUND, found, strict=True))


def _judged(method: str, positions: Positions, row: Row) -> dict[str, tuple[float | Floats, float]]:
    truth, scan = row.recording.truth, row.scan
    assert truth is not None  # from_recording refuses one without
    place = dict(zip(positions.epc.tolist(), positions.x_m.tolist(), strict=True))
    order = tag_order(truth)
    said = np.array([place.get(epc, np.nan) for epc in truth.epc[order].tolist()], np.float64)
    error = said - scan.along_m
    there = np.isfinite(error)
    left, right = scan.pairs[there[scan.pairs].all(axis=1)].T
    local = error[there] - np.median(error[there]) if there.any() else error[there]
    return {
        f"{method}: error cm": (100 * float(np.abs(error[there]).sum()), float(there.sum())),
        f"{method}: less median cm": (100 * float(np.abs(local).sum()), float(there.sum())),
        f"{method}: order": (float((said[right] > said[left]).sum()), float(left.size)),
    }


def _plain(quotients: Floats) -> Floats:
    return quotients[:, 0]


_FINISH: Mapping[str, Callable[[Floats], Floats]] = {
    "rms rad": lambda q: np.sqrt(q[:, 0]),
    "RSSI sd dB": lambda q: np.sqrt(q[:, 0]),
    LEVELS: lambda q: np.sqrt(q[:, 0]),
    "1/e length cm": lambda q: 100 * one_over_e(np.nan_to_num(q)),
}
