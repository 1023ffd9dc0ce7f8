"""Free space with exact poses: our error over the Cramer-Rao bound, by readings a tag and receiver noise.

The simulated library without metal, coupling, floor or scatter: a tag's phase is its distance, its own constant, the
cable and the receiver's noise, nothing else. The bound (Kay, *Fundamentals of Statistical Signal Processing:
Estimation Theory*, 1993, section 3.9; with priors, Van Trees, *Detection, Estimation, and Modulation Theory I*, 1968,
section 2.4.3) is that of an estimator which knows poses, antennas, cables, every antenna's phase and the noise of each
reading, and of a tag its shelf, hence how depth and height spread in the library. It has to find the tag's place
along the face, its depth, its height and its one phase:

    J_n = [ k (x - a) / d, k (depth + h) / d, k (z - z_a) / d, 1 ] / sigma,
    var(x) >= [ (J^T J + diag(0, 1 / s_depth^2, 1 / s_height^2, 0))^-1 ]_11

Ours is told poses, antennas' places and the plan; cables, the antennas' phases and the noise it learns from the run.
A bound of this kind knows nothing of other peaks: with few noisy readings the likeliest peak is not the true one
however the place is estimated (the threshold of Barankin, *Annals of Mathematical Statistics* 20, 1949). How many tags
that befalls is told apart, for ours and for the maximum likelihood of the same readings found by brute force, which
knows all that the bound knows.
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
from benchmarks.simulated import TWIN_CABLE_M, places_of, way_m
from localization import localize
from localization.evaluate import evaluate
from recording import Recording, read_recording
from sim.library import make_library
from sim.presets import RadioParameters
from sim.propagation import SPEED_OF_LIGHT_MPS
from sim.record import record
from sim.robot import RobotDescription
from stacks.plan import Plan, read_plan

Floats = npt.NDArray[np.float64]
Place = tuple[float, float, float]
"""Along the face, behind the plane of the tags, above the floor."""

READINGS: Final = (10, 20, 50, 200)
NOISES: Final = (1.0, 4.0, 12.0)
"""Factors on the measured law of the receiver's noise (0.01 to 0.1 rad)."""
BOOKS, SEEDS, SPEED_MPS = 240, (21, 22, 23), 0.02  # slow, so that each tag is read 200 times in one pass
TARGET: Final = 1.15
AXIS: Final = 2.0
NORMAL_MEDIAN: Final = 0.6745  # median of |z| for a standard normal z
WRONG_M, WRONG_BOUNDS = 0.03, 5.0
"""An error beyond both is another peak's."""
REACH_M, GRID_M = 0.5, 0.005
"""Brute force: how far from where the tag was heard best it looks, and how fine."""
NODES: Final = ((-(3**0.5), 1 / 6), (0.0, 2 / 3), (3**0.5, 1 / 6))
"""Depth and height in deviations, and their weights: Gauss-Hermite quadrature of three points."""
POLISH: Final = 10
CENTRE_SIGMA_M: Final = 0.18
"""A tag is heard best before it: the spread of the centroid of received power, which both are told."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One exact pass along the first face of a bookcase in free space.

    Attributes
    ----------
    given : Recording
        What the estimator gets.
    known : Recording
        The same readings with cables and antennas' phases taken off, for the bound and the brute force.
    plan : Plan
    noise : float
    """

    given: Recording
    known: Recording
    plan: Plan
    noise: float


@dataclass(frozen=True, slots=True)
class Held:
    """Errors beside bounds, tag by tag; arrays of shape (n,).

    Attributes
    ----------
    bound_m, error_m, best_m : float64 array
        The bound, our error, and the brute force's.
    sigma_m : float64 array
        Our stated deviation.
    sigma_rad : float
        Median noise of a reading.
    """

    bound_m: Floats
    error_m: Floats
    best_m: Floats
    sigma_m: Floats
    sigma_rad: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """Our error and the bound, over the tags of some scans.

    Attributes
    ----------
    readings : int
        A tag, at most.
    sigma_rad : float
        Median noise of a reading.
    bound_cm, error_cm, all_cm : float
        Root mean squares: of the bound and of our error over the tags on their right peak, and of our error over all.
    ratio, best_ratio : float
        Error over bound, root mean squares over the tags on their right peak; ours, and brute force's.
    typical : float
        Median of error over bound by tag, by that of a normal error.
    wrong, best_wrong : float
        Share of tags on another peak; ours, and brute force's.
    covered : float
        Share of the errors inside our 90 % interval, other peaks' included.
    tags : int
    """

    readings: int
    sigma_rad: float
    bound_cm: float
    error_cm: float
    all_cm: float
    ratio: float
    best_ratio: float
    typical: float
    wrong: float
    best_wrong: float
    covered: float
    tags: int


def main(console: Console | None = None, out: Path | None = None) -> dict[str, Any]:
    """Print a table, draw the plot into ``out`` if named, and return the figures."""
    console = console or wide_console()
    table = Table(
        title=f"free space, exact poses: error over the Cramer-Rao bound, tags on their right peak (target {TARGET});"
        " ML: brute force that knows cables and noise",
        title_justify="left",
        box=box.SIMPLE,
    )
    for column in (
        "noise", "sigma rad", "readings", "tags", "bound cm", "ours cm", "ratio", "ML", "typical", "wrong peak",
        "ML", "all cm", "in 90 %",
    ):  # fmt: skip
        table.add_column(column, justify="right", no_wrap=True)
    figures: dict[str, Any] = {}
    ratios: dict[str, list[float]] = {}
    wrong: dict[str, list[float]] = {}
    for noise in NOISES:
        scans = [free_space(noise, seed=seed) for seed in SEEDS]
        for n in READINGS:
            r = ratio_of([held_against_bound(scan, n) for scan in scans], n)
            figures[f"noise {noise:g}, {n} a tag"] = {k: getattr(r, k) for k in Ratio.__slots__}
            ratios.setdefault(f"noise {noise:g}", []).append(r.ratio)
            wrong.setdefault(f"noise {noise:g}", []).append(100 * r.wrong)
            wrong.setdefault(f"noise {noise:g}, ML", []).append(100 * r.best_wrong)
            table.add_row(
                f"{noise:g}", f"{r.sigma_rad:.3f}", str(n), str(r.tags), f"{r.bound_cm:.3f}", f"{r.error_cm:.3f}",
                f"{r.ratio:.2f}", f"{r.best_ratio:.2f}", f"{r.typical:.2f}", f"{100 * r.wrong:.1f} %",
                f"{100 * r.best_wrong:.1f} %", f"{r.all_cm:.3f}", f"{100 * r.covered:.0f} %",
            )  # fmt: skip
    console.print(table)
    if out is not None:
        panels = [
            Panel("error over bound, right peak", ratios, 0.0, AXIS, (1.0, TARGET)),
            Panel("tags on a wrong peak, %", wrong),
        ]
        path = draw(out / "free_space.svg", "Free space, exact poses", READINGS, "readings a tag", [panels])
        console.print(f"  {path}")
    return figures


def free_space(
    noise: float, *, seed: int = SEEDS[0], books: int = BOOKS, speed_mps: float = SPEED_MPS
) -> Scan:
    """Scan a library's first face."""
    robot = RobotDescription(sigma_xy_m=1e-9, sigma_yaw_rad=1e-9, pose_lag_s=0.0)
    library = replace(make_library(books, seed=seed, robot=robot), radio=_empty(noise))
    # The same seed hears the same; with all cables alike and known only phases differ.
    twin = replace(library, radio=replace(library.radio, cable_m=(TWIN_CABLE_M, TWIN_CABLE_M)))
    with tempfile.TemporaryDirectory() as place:
        given, known = (
            read_recording(
                record(
                    one,
                    Path(place) / name,
                    speed_mps=speed_mps,
                    seed=seed + 1,
                    faces=(library.faces()[0].id,),
                )
            )
            for name, one in (("given", library), ("known", twin))
        )
        plan = read_plan(Path(place) / "given" / "plan.json")
    r = known.readings
    cable = 4 * np.pi * TWIN_CABLE_M * 1e3 / SPEED_OF_LIGHT_MPS * r.frequency_khz.astype(np.float64)
    phase = np.mod(r.phase_rad - cable, 2 * np.pi).astype(np.float32)
    phase[phase >= np.float32(2 * np.pi)] = 0.0
    return Scan(given, replace(known, readings=replace(r, phase_rad=phase)), plan, noise)


def held_against_bound(scan: Scan, readings: int) -> Held:
    """Return our errors beside the bounds of the same readings, at most so many a tag."""
    truth = scan.given.truth
    assert truth is not None
    seen = views(thin(scan.known, readings), scan.plan, minimum=3, beside_m=9.0)
    places = places_of(seen, truth)
    usual = _usual_heights(places)
    spread = (
        float(np.std([p[1] for p in places])),
        float(np.std([p[2] - h for p, h in zip(places, usual, strict=True)])),
    )
    bound: dict[str, float] = {}
    best: dict[str, float] = {}
    noise: list[Floats] = []
    for view, place, height in zip(seen, places, usual, strict=True):
        sigma = _sigma_rad(view, scan.noise)
        noise.append(sigma)
        bound[view.epc] = bound_m(view, place, sigma, spread)
        best[view.epc] = most_likely(view, height, sigma, spread) - place[0]
    found = localize(replace(thin(scan.given, readings), truth=None), scan.plan).positions
    judged = evaluate(found, truth, scan.plan).tags
    limit = np.array([bound.get(epc, np.nan) for epc in judged.epc.tolist()])
    rows = judged.placed & np.isfinite(limit)
    return Held(
        bound_m=limit[rows],
        error_m=judged.error_m[rows],
        best_m=np.array([best[epc] for epc in judged.epc[rows].tolist()]),
        sigma_m=judged.sigma_along_m[rows],
        sigma_rad=float(np.median(np.concatenate(noise))),
    )


def ratio_of(held: Sequence[Held], readings: int) -> Ratio:
    """Pool the tags of several scans."""
    bound, error, best, sigma = (
        np.concatenate([getattr(one, name) for one in held])
        for name in ("bound_m", "error_m", "best_m", "sigma_m")
    )
    wrong, best_wrong = ((np.abs(e) > WRONG_M) & (np.abs(e) > WRONG_BOUNDS * bound) for e in (error, best))
    return Ratio(
        readings=readings,
        sigma_rad=float(np.median([one.sigma_rad for one in held])),
        bound_cm=100 * _rms(bound[~wrong]),
        error_cm=100 * _rms(error[~wrong]),
        all_cm=100 * _rms(error),
        ratio=_rms(error[~wrong]) / _rms(bound[~wrong]),
        best_ratio=_rms(best[~best_wrong]) / _rms(bound[~best_wrong]),
        typical=float(np.median(np.abs(error) / bound)) / NORMAL_MEDIAN,
        wrong=float(wrong.mean()),
        best_wrong=float(best_wrong.mean()),
        covered=float(np.mean(np.abs(error) <= 1.645 * sigma)),
        tags=len(bound),
    )


def bound_m(view: View, place: Place, sigma_rad: Floats, spread_m: tuple[float, float]) -> float:
    """Return a tag's bound along the face, given how depth and height spread."""
    slopes = _slopes(view, place) / sigma_rad[:, None]
    information = slopes.T @ slopes + _prior(spread_m)
    return float(np.sqrt(np.linalg.inv(information)[0, 0]))


def most_likely(view: View, height_m: float, sigma_rad: Floats, spread_m: tuple[float, float]) -> float:
    """Return where along the face a tag most likely stands, by trying everywhere.

    Depth and height are summed over, the phase is taken at its best; the highest place is then polished
    by least squares.
    """
    weight = 1.0 / sigma_rad**2
    power = 10.0 ** (view.rssi_dbm / 10.0)
    centre = float((power * view.along_m).sum() / power.sum())
    x = np.arange(centre - REACH_M, centre + REACH_M, GRID_M)
    total = np.full(len(x), -np.inf)
    along = (view.along_m[:, None] - x) ** 2
    for a, share_a in NODES:
        for b, share_b in NODES:
            across = (a * spread_m[0] + view.away_m) ** 2 + (height_m + b * spread_m[1] - view.height_m) ** 2
            phase = view.phase_rad[:, None] - view.wavenumber[:, None] * np.sqrt(along + across[:, None])
            value = np.abs((weight[:, None] * np.exp(1j * phase)).sum(axis=0)) - weight.sum()
            total = np.logaddexp(total, value + np.log(share_a * share_b))
    best = float(x[(total - 0.5 * ((x - centre) / CENTRE_SIGMA_M) ** 2).argmax()])
    here = np.array([best, 0.0, height_m, 0.0])
    for step in range(POLISH):
        place = float(here[0]), float(here[1]), float(here[2])
        left = view.phase_rad - view.wavenumber * way_m(view, *place)
        if step == 0:
            here[3] = np.angle((weight * np.exp(1j * left)).sum())
        left = np.angle(np.exp(1j * (left - here[3])))
        slopes = _slopes(view, place)
        away = here - np.array([0.0, 0.0, height_m, 0.0])
        pull = slopes.T @ (weight * left) - _prior(spread_m) @ away * np.array([0.0, 1.0, 1.0, 0.0])
        move = np.linalg.solve(slopes.T @ (weight[:, None] * slopes) + _prior(spread_m), pull)
        here += np.clip(move, [-0.02, -0.02, -0.02, -1.0], [0.02, 0.02, 0.02, 1.0])
    return float(here[0])


def _slopes(view: View, place: Place) -> Floats:
    """Return how the phases change with place, depth, height and the tag's phase, shape (n, 4)."""
    gap = np.stack([place[0] - view.along_m, place[1] + view.away_m, place[2] - view.height_m], axis=1)
    return np.column_stack(
        [view.wavenumber[:, None] * gap / way_m(view, *place)[:, None], np.ones(len(view))]
    )


def _prior(spread_m: tuple[float, float]) -> Floats:
    return np.diag([1e-6, spread_m[0] ** -2, spread_m[1] ** -2, 1e-9])


def _usual_heights(places: Sequence[Place]) -> list[float]:
    """Return the mean height of the tags of each tag's shelf: shelves are a hand and more apart."""
    heights = np.array([place[2] for place in places])
    order = np.argsort(heights)
    shelf = np.zeros(len(places), np.int64)
    shelf[order] = np.cumsum(np.append(0, np.diff(heights[order]) > WRONG_M * 5))
    mean = np.bincount(shelf, heights) / np.bincount(shelf)
    return mean[shelf].tolist()


def _rms(value: Floats) -> float:
    return float(np.sqrt(np.mean(value**2)))


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
