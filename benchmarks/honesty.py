"""Are the error bars honest? Intervals against what came true, on many small worlds that each differ in one thing.

A bar is judged in three ways. Of the errors a stated interval of 50, 68 and 90 % must hold as many, as they are
(``sigma_along_m``) and less each face's median (``sigma_local_m``). The mean bar must be of the size of the errors: a
normal error's mean is 0.80 of its deviation. And bars must tell good places from bad ones: the continuous ranked
probability score of the stated normal distribution (Gneiting & Raftery, J. Am. Stat. Assoc. 102, 2007, section 4.2;
in centimetres, the lower the better) must be below that of the best bar that is the same for all tags, which only
those who know the errors can choose.

What a run is off by as a whole comes once a run, so that the first kind of coverage is rarely near 90 % in one world;
hence several seeds of each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.special import ndtr, ndtri

from benchmarks.accuracy import wide_console
from benchmarks.honesty_worlds import LIBRARIES, ROWS, record_library, record_rows
from benchmarks.measured import measured_folder, measured_sets, why_absent
from benchmarks.scoring import OURS, score, wanted
from localization.evaluate import Evaluation, pool

Floats = npt.NDArray[np.float64]

LEVELS: Final = (0.50, 0.68, 0.90)
HELD: Final = (0.85, 0.95)
SEEDS: Final = (901, 902, 903, 904, 905, 906, 907, 908)
ROWS_EACH: Final = 48
COLUMNS: Final = (
    "mean", "bar", "in 50 %", "68 %", "90 %", "score", "best same bar", "local mean", "bar", "in 50 %", "68 %", "90 %",
    "score", "best same bar", "s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bars:
    """How bars did on some errors; lengths in centimetres.

    Attributes
    ----------
    tags : int
    mean_error_cm, mean_bar_cm : float
        Of absolute errors, and of the stated standard deviations.
    inside : tuple of float
        Share of the errors inside the intervals of ``LEVELS``.
    score_cm, constant_score_cm : float
        Continuous ranked probability score, mean over tags, of the stated bars and of the constant one it is best with.
    """

    tags: int
    mean_error_cm: float
    mean_bar_cm: float
    inside: tuple[float, ...]
    score_cm: float
    constant_score_cm: float


def bars(error_m: Floats, sigma_m: Floats) -> Bars:
    """Hold stated bars against errors; rows without either are left out."""
    known = np.isfinite(error_m) & np.isfinite(sigma_m)
    error, sigma = 100.0 * error_m[known], 100.0 * sigma_m[known]
    if not len(error):
        return Bars(0, np.nan, np.nan, tuple(np.nan for _ in LEVELS), np.nan, np.nan)
    reach = [float(ndtri(0.5 + 0.5 * level)) for level in LEVELS]
    steps = np.exp(np.linspace(np.log(0.05), np.log(200.0), 160))
    return Bars(
        tags=len(error),
        mean_error_cm=float(np.abs(error).mean()),
        mean_bar_cm=float(sigma.mean()),
        inside=tuple(float(np.mean(np.abs(error) <= r * sigma)) for r in reach),
        score_cm=float(crps(error, sigma).mean()),
        constant_score_cm=min(float(crps(error, np.full(len(error), s)).mean()) for s in steps),
    )


def crps(error: Floats, sigma: Floats) -> Floats:
    """Return the continuous ranked probability score of normal distributions about 0 with these deviations.

    Gneiting & Raftery (2007), section 4.2: ``sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))``.
    """
    z = error / np.maximum(sigma, 1e-12)
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    return sigma * (z * (2.0 * ndtr(z) - 1.0) + 2.0 * density - 1.0 / np.sqrt(np.pi))


def main(
    console: Console | None = None, *, only: Sequence[str] = (), seeds: Sequence[int] = SEEDS
) -> dict[str, Any]:
    """Print a row a world and return the figures.

    Parameters
    ----------
    console : Console, optional
    only : sequence of str
        Names of worlds, or parts of names; all by default.
    seeds : sequence of int
        Of each library, and of the first of each world's rows.
    """
    console = console or wide_console()
    console.print(
        "|error| and stated standard deviation in cm, means; share of errors in the stated 50, 68 and 90 % intervals;"
        " mean CRPS\nin cm beside that of the best bar that all tags have alike; as they are, then less each face's"
        f" median. * outside {100 * HELD[0]:.0f} to {100 * HELD[1]:.0f} %.",
        soft_wrap=True,
    )
    table = _table()
    figures: dict[str, Any] = {}
    for name, evaluation, seconds in _judged(only, seeds, console):
        tags = evaluation.tags
        along = bars(tags.error_m, tags.sigma_along_m)
        local = bars(tags.local_error_m, tags.sigma_local_m)
        figures[name] = {"along": asdict(along), "local": asdict(local), "seconds": seconds}
        table.add_row(name, *_cells(along), *_cells(local), f"{seconds:.1f}")
    console.print(table)
    console.print(_summary(figures))
    return figures


def _judged(
    only: Sequence[str], seeds: Sequence[int], console: Console
) -> Iterator[tuple[str, Evaluation, float]]:
    with tempfile.TemporaryDirectory() as place:
        for number, name in enumerate(LIBRARIES):
            if wanted(name, only):
                paths = [
                    record_library(LIBRARIES[name], 100 * seed + number, Path(place) / f"{number}-{seed}")
                    for seed in seeds
                ]
                yield _scored(name, paths)
        for number, name in enumerate(ROWS):
            if wanted(name, only):
                start = 100 * seeds[0] + 1000 * number
                yield _scored(name, record_rows(ROWS[name], ROWS_EACH, start, Path(place) / f"row-{number}"))
    folder = measured_folder()
    if folder is None:
        console.print(f"honesty, measured: {why_absent()}")
        return
    for name, paths in measured_sets(folder).items():
        if wanted(f"measured {name}", only):
            yield _scored(f"measured {name}", paths)


def _scored(name: str, paths: Sequence[Path]) -> tuple[str, Evaluation, float]:
    start = time.perf_counter()
    # Medians are those of each face in each recording, so that recordings of one name must not be pooled by it.
    found = pool([score(OURS, f"{name} {n}", [path]).evaluation for n, path in enumerate(paths)])
    return name, found, time.perf_counter() - start


def _table() -> Table:
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("world", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _cells(found: Bars) -> list[str]:
    held = "" if HELD[0] <= found.inside[-1] <= HELD[1] else "*"
    inside = [f"{100 * share:.0f}" for share in found.inside]
    return [
        f"{found.mean_error_cm:.2f}", f"{found.mean_bar_cm:.2f}", *inside[:-1], inside[-1] + held,
        f"{found.score_cm:.2f}", f"{found.constant_score_cm:.2f}",
    ]  # fmt: skip


def _summary(figures: dict[str, Any]) -> str:
    told: list[str] = []
    for part, words in (("along", "as they are"), ("local", "local")):
        inside = np.array([world[part]["inside"][-1] for world in figures.values()])
        better = np.array([w[part]["score_cm"] < w[part]["constant_score_cm"] for w in figures.values()])
        held = (inside >= HELD[0]) & (inside <= HELD[1])
        told.append(
            f"{words}: {int(held.sum())} of {len(held)} worlds in {100 * HELD[0]:.0f} to {100 * HELD[1]:.0f} %,"
            f" {int((inside < HELD[0]).sum())} below, {int((inside > HELD[1]).sum())} above;"
            f" bars better than the best same bar in {int(better.sum())}"
        )
    return "\n".join(told) if figures else "no world of that name"
