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
knows all that the bound knows. For all tags together the bound is the whole posterior's
(:mod:`benchmarks.free_space_bounds`): the mean square error of its mean, and how often its highest peak is another's.
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
from benchmarks.free_space_bounds import WRONG_BOUNDS, WRONG_M, Place, Reached, noise_rad, reached
from benchmarks.peers.views import views
from benchmarks.plot import Panel, draw
from benchmarks.robustness import thinned as thin
from benchmarks.simulated import TWIN_CABLE_M, places_of
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

READINGS: Final = (10, 20, 50, 200)
NOISES: Final = (1.0, 4.0, 12.0)
"""Factors on the measured law of the receiver's noise (0.01 to 0.1 rad)."""
SEEDS: Final = (21, 22, 23, 31, 32, 33, 41, 42, 43)
BOOKS, SPEED_MPS = 240, 0.02  # slow, so that each tag is read 200 times in one pass
TARGET: Final = 1.15
AXIS: Final = 2.0
NORMAL_MEDIAN: Final = 0.6745  # median of |z| for a standard normal z
RESAMPLED: Final = 300
"""Times the libraries are drawn again for the ratio's standard error."""


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
    error_m, sigma_m : float64 array
        Our error, and our stated deviation.
    bound_m, best_m, mean_m, least_m, least_wrong : float64 array
        The bound, the errors of the brute force's likeliest place and of the posterior's mean, that posterior's own
        deviation, and its chance that the likeliest place is on another peak.
    sigma_rad : float
        Median noise of a reading.
    """

    error_m: Floats
    sigma_m: Floats
    bound_m: Floats
    best_m: Floats
    mean_m: Floats
    least_m: Floats
    least_wrong: Floats
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
    bound_cm, error_cm : float
        Root mean squares of the bound and of our error over the tags on their right peak.
    all_cm, best_all_cm, mean_all_cm, least_cm : float
        Root mean squares over all tags: of our error, of the brute force's, of the posterior mean's, and of what the
        posterior says of that.
    ratio, best_ratio : float
        Error over bound, root mean squares over the tags on their right peak; ours, and brute force's.
    by_tag : float
        Root mean square of error over bound over the tags on their right peak: each tag counts alike, however well its
        readings place it.
    typical : float
        Median of error over bound by tag, by that of a normal error.
    wrong, best_wrong, least_wrong : float
        Share of tags on another peak: ours, brute force's, and what the posterior expects at the least.
    covered : float
        Share of the errors inside our 90 % interval, other peaks' included.
    tags : int
    """

    readings: int
    sigma_rad: float
    bound_cm: float
    error_cm: float
    all_cm: float
    best_all_cm: float
    mean_all_cm: float
    least_cm: float
    ratio: float
    best_ratio: float
    by_tag: float
    typical: float
    wrong: float
    best_wrong: float
    least_wrong: float
    covered: float
    tags: int


def main(console: Console | None = None, out: Path | None = None) -> dict[str, Any]:
    """Print a table, draw the plot into ``out`` if named, and return the figures."""
    console = console or wide_console()
    table = Table(
        title="free space, exact poses: error over the Cramer-Rao bound, cm, tags on their right peak"
        f" (target {TARGET});"
        " ML, mean, least: likeliest place, posterior mean and least error of who knows cables and noise",
        title_justify="left",
        box=box.SIMPLE,
    )
    for column in (
        "noise", "rad", "reads", "tags", "bound", "ours", "ratio", "±", "ML", "by tag", "typical", "wrong %", "ML",
        "least", "all: ours", "ML", "mean", "least", "in 90 %",
    ):  # fmt: skip
        table.add_column(column, justify="right", no_wrap=True)
    figures: dict[str, Any] = {}
    ratios: dict[str, list[float]] = {}
    wrong: dict[str, list[float]] = {}
    for noise in NOISES:
        scans = [free_space(noise, seed=seed) for seed in SEEDS]
        for n in READINGS:
            held = [held_against_bound(scan, n) for scan in scans]
            r, unsure = ratio_of(held, n), standard_error(held)
            figures[f"noise {noise:g}, {n} a tag"] = {
                **{k: getattr(r, k) for k in Ratio.__slots__},
                "standard_error": unsure,
            }
            ratios.setdefault(f"noise {noise:g}", []).append(r.ratio)
            wrong.setdefault(f"noise {noise:g}", []).append(100 * r.wrong)
            wrong.setdefault(f"noise {noise:g}, least", []).append(100 * r.least_wrong)
            table.add_row(
                f"{noise:g}", f"{r.sigma_rad:.3f}", str(n), str(r.tags), f"{r.bound_cm:.3f}", f"{r.error_cm:.3f}",
                f"{r.ratio:.2f}", f"{unsure:.2f}", f"{r.best_ratio:.2f}", f"{r.by_tag:.2f}", f"{r.typical:.2f}",
                f"{100 * r.wrong:.1f}", f"{100 * r.best_wrong:.1f}", f"{100 * r.least_wrong:.1f}",
                f"{r.all_cm:.3f}", f"{r.best_all_cm:.3f}", f"{r.mean_all_cm:.3f}", f"{r.least_cm:.3f}",
                f"{100 * r.covered:.0f}",
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
    told: dict[str, Reached] = {}
    noise: list[Floats] = []
    for view, place, height in zip(seen, places, usual, strict=True):
        sigma = noise_rad(view, scan.noise)
        noise.append(sigma)
        told[view.epc] = reached(view, place, height, sigma, spread)
    found = localize(replace(thin(scan.given, readings), truth=None), scan.plan).positions
    judged = evaluate(found, truth, scan.plan).tags
    rows = judged.placed & np.isin(judged.epc.astype(str), list(told))
    mine = [told[epc] for epc in judged.epc[rows].tolist()]
    bound, best, mean, least, least_wrong = (
        np.array([getattr(one, name) for one in mine], np.float64) for name in Reached.__slots__
    )
    return Held(
        error_m=judged.error_m[rows], sigma_m=judged.sigma_along_m[rows], bound_m=bound, best_m=best, mean_m=mean,
        least_m=least, least_wrong=least_wrong, sigma_rad=float(np.median(np.concatenate(noise))),
    )  # fmt: skip


def ratio_of(held: Sequence[Held], readings: int) -> Ratio:
    """Pool the tags of several scans."""
    bound, error, best, mean, least, sigma = (
        np.concatenate([getattr(one, name) for one in held])
        for name in ("bound_m", "error_m", "best_m", "mean_m", "least_m", "sigma_m")
    )
    wrong, best_wrong = ((np.abs(e) > WRONG_M) & (np.abs(e) > WRONG_BOUNDS * bound) for e in (error, best))
    return Ratio(
        readings=readings,
        sigma_rad=float(np.median([one.sigma_rad for one in held])),
        bound_cm=100 * _rms(bound[~wrong]),
        error_cm=100 * _rms(error[~wrong]),
        all_cm=100 * _rms(error),
        best_all_cm=100 * _rms(best),
        mean_all_cm=100 * _rms(mean),
        least_cm=100 * _rms(least),
        ratio=_rms(error[~wrong]) / _rms(bound[~wrong]),
        best_ratio=_rms(best[~best_wrong]) / _rms(bound[~best_wrong]),
        by_tag=_rms(error[~wrong] / bound[~wrong]),
        typical=float(np.median(np.abs(error) / bound)) / NORMAL_MEDIAN,
        wrong=float(wrong.mean()),
        best_wrong=float(best_wrong.mean()),
        least_wrong=float(np.concatenate([one.least_wrong for one in held]).mean()),
        covered=float(np.mean(np.abs(error) <= 1.645 * sigma)),
        tags=len(bound),
    )


def standard_error(held: Sequence[Held], seed: int = 0) -> float:
    """Return the standard error of the ratio: a bootstrap over libraries, whose tags share cables and place.

    Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, section 8.3.
    """
    drawn = np.random.default_rng(seed).integers(0, len(held), (RESAMPLED, len(held)))
    return float(np.std([ratio_of([held[n] for n in row], 0).ratio for row in drawn]))


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
