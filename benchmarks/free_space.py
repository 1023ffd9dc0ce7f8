"""Free space with exact poses: our error over the Cramer-Rao bound, by readings a tag and receiver noise.

The simulated library without metal, coupling, floor or scatter: a tag's phase is its distance, its own constant, the
cable and the receiver's noise, nothing else. The bound is that of an estimator that knows depth, height, cables and
the noise of every reading, and has the tag's place along the face and one constant for each antenna to find (Kay,
*Fundamentals of Statistical Signal Processing: Estimation Theory*, 1993, section 3.9):

    J_n = [ k_n (x - a_n) / d_n, 1 at its antenna ] / sigma_n,    var(x) >= [ (J^T J)^-1 ]_11
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.peers.views import View, views
from benchmarks.plot import Panel, draw
from benchmarks.robustness import thinned as thin
from benchmarks.simulated import places_of, way_m
from localization import localize
from localization.evaluate import evaluate
from recording import Recording, read_recording
from sim.library import make_library
from sim.presets import RadioParameters
from sim.record import record
from sim.robot import RobotDescription
from stacks.plan import Plan, read_plan

Floats = npt.NDArray[np.float64]

READINGS: Final = (10, 20, 50, 200)
NOISES: Final = (1.0, 4.0, 12.0)
"""Factors on the measured law of the receiver's noise (0.01 to 0.1 rad)."""
BOOKS, SEED, SPEED_MPS = 240, 21, 0.02  # slow, so that each tag is read 200 times in one pass
TARGET: Final = 1.15
AXIS: Final = 4.0
NORMAL_MEDIAN: Final = 0.6745  # median of |z| for a standard normal z


@dataclass(frozen=True, slots=True)
class Ratio:
    """Our error and the bound, over the tags of one scan.

    Attributes
    ----------
    readings : int
        A tag, at most.
    sigma_rad : float
        Median noise of a reading.
    bound_cm, error_cm : float
        Root mean squares.
    ratio : float
        ``error_cm / bound_cm``.
    typical : float
        Median of error over bound by tag, by that of a normal error: not ruled by a few tags.
    covered : float
        Share of the errors inside our 90 % interval.
    tags : int
    """

    readings: int
    sigma_rad: float
    bound_cm: float
    error_cm: float
    ratio: float
    typical: float
    covered: float
    tags: int


def main(console: Console | None = None, out: Path | None = None) -> dict[str, Any]:
    """Print a table, draw the plot into ``out`` if named, and return the figures."""
    console = console or wide_console()
    table = Table(
        title=f"free space, exact poses: error over the Cramer-Rao bound (target {TARGET})",
        title_justify="left",
        box=box.SIMPLE,
    )
    for column in (
        "noise",
        "sigma rad",
        "readings",
        "tags",
        "bound cm",
        "ours cm",
        "ratio",
        "typical",
        "in 90 %",
    ):
        table.add_column(column, justify="right", no_wrap=True)
    figures: dict[str, Any] = {}
    ratios: dict[str, list[float]] = {}
    typical: dict[str, list[float]] = {}
    for noise in NOISES:
        recording, plan = free_space(noise)
        for n in READINGS:
            r = held_against_bound(thin(recording, n), plan, n, noise)
            figures[f"noise {noise:g}, {n} a tag"] = {k: getattr(r, k) for k in Ratio.__slots__}
            ratios.setdefault(f"noise {noise:g}", []).append(r.ratio)
            typical.setdefault(f"noise {noise:g}", []).append(r.typical)
            table.add_row(
                f"{noise:g}", f"{r.sigma_rad:.3f}", str(n), str(r.tags), f"{r.bound_cm:.3f}", f"{r.error_cm:.3f}",
                f"{r.ratio:.2f}", f"{r.typical:.2f}", f"{100 * r.covered:.0f} %",
            )  # fmt: skip
    console.print(table)
    if out is not None:
        panels = [
            Panel(f"error over bound, {name} (axis ends at {AXIS:g})", lines, 0.0, AXIS, (1.0, TARGET))
            for name, lines in (("rms", ratios), ("typical", typical))
        ]
        path = draw(out / "free_space.svg", "Free space, exact poses", READINGS, "readings a tag", [panels])
        console.print(f"  {path}")
    return figures


def free_space(noise: float, *, books: int = BOOKS, speed_mps: float = SPEED_MPS) -> tuple[Recording, Plan]:
    """Return one exact pass along the first face of a bookcase in free space."""
    robot = RobotDescription(sigma_xy_m=1e-9, sigma_yaw_rad=1e-9, pose_lag_s=0.0)
    library = replace(make_library(books, seed=SEED, robot=robot), radio=_empty(noise))
    with tempfile.TemporaryDirectory() as place:
        path = record(
            library,
            Path(place) / "scan",
            speed_mps=speed_mps,
            seed=SEED + 1,
            faces=(library.faces()[0].id,),
        )
        return read_recording(path), read_plan(path / "plan.json")


def held_against_bound(recording: Recording, plan: Plan, readings: int, noise: float) -> Ratio:
    """Return our error beside the bound of the same readings."""
    truth = recording.truth
    assert truth is not None
    seen = views(recording, plan, minimum=3, beside_m=9.0)
    bound = dict(zip([v.epc for v in seen], bounds_m(seen, places_of(seen, truth), noise), strict=True))
    judged = evaluate(localize(replace(recording, truth=None), plan).positions, truth, plan).tags
    limit = np.array([bound.get(epc, np.nan) for epc in judged.epc.tolist()])
    rows = judged.placed & np.isfinite(limit)
    error, limit, sigma = judged.error_m[rows], limit[rows], judged.sigma_along_m[rows]
    rms, least = float(np.sqrt(np.mean(error**2))), float(np.sqrt(np.mean(limit**2)))
    return Ratio(
        readings=readings,
        sigma_rad=float(np.median(np.concatenate([_sigma_rad(view, noise) for view in seen]))),
        bound_cm=100 * least,
        error_cm=100 * rms,
        ratio=rms / least,
        typical=float(np.median(np.abs(error) / limit)) / NORMAL_MEDIAN,
        covered=float(np.mean(np.abs(error) <= 1.645 * sigma)),
        tags=int(rows.sum()),
    )


def bounds_m(seen: Sequence[View], places: Sequence[tuple[float, float, float]], noise: float) -> list[float]:
    """Return each tag's Cramer-Rao bound along the face; NaN where its readings leave the place open."""
    return [_bound(view, place, _sigma_rad(view, noise)) for view, place in zip(seen, places, strict=True)]


def _bound(view: View, place: tuple[float, float, float], sigma_rad: Floats) -> float:
    slope = view.wavenumber * (place[0] - view.along_m) / way_m(view, *place) / sigma_rad
    antenna = np.unique(np.round(view.height_m, 3), return_inverse=True)[1]
    # An antenna's constant takes the weighted mean of its slopes away; what is left tells the place.
    weight = 1.0 / sigma_rad
    shared = np.bincount(antenna, slope * weight) / np.bincount(antenna, weight**2)
    information = float(np.sum((slope - shared[antenna] * weight) ** 2))
    return information**-0.5 if information > 0 else float("nan")


def _sigma_rad(view: View, noise: float) -> Floats:
    """Return the receiver's noise by the simulator's law (measured on the public slide scans)."""
    return noise * np.sqrt(1e-4 + (0.056 * 10 ** (-(view.rssi_dbm + 62.5) / 20)) ** 2)


def _empty(noise: float) -> RadioParameters:
    """Return the radio without anything but distance, cables and noise."""
    return replace(
        RadioParameters(),
        end_scatterer=(0.0, 0.0),
        weak_scatterer=(0.0, 0.0),
        coupling=0.0,
        phase_centre_sd_m=0.0,
        antenna_centre_sd_m=0.0,
        am_pm_rad_per_db=0.0,
        floor_reflection=0.0,
        metal_edge_loss_db=0.0,
        weak_tag_share=0.0,
        channel_phase_sd_rad=0.0,
        noise_scale=noise,
        pi_flips=False,
    )
