"""Are stated chances honest? ``p_order`` and ``p_shelf`` against what came true, by what was stated.

Simulated libraries of half, once and twice the usual trouble (``benchmarks.simulated``), on seeds that nothing was
tuned to, and the measured scans. Beside ``p_order`` stands what the error bars alone would say, ``Phi(gap / s)``. Brier
score and logarithmic score (Gneiting & Raftery, JASA 102, 2007): smaller is better; always saying the share of pairs
that are right would score ``share (1 - share)`` and the entropy of the share.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.special import ndtr

from benchmarks.accuracy import wide_console
from benchmarks.measured import measured_folder, measured_sets, why_absent, wrongly_surveyed
from benchmarks.simulated import WORLDS, scan
from localization import localize
from localization.evaluate import evaluate
from localization.positions import Positions
from localization.views.honesty import order_outcomes
from recording import read_recording, read_truth
from stacks.plan import read_plan

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BOOKS, SEEDS = 300, (71, 72)
CLASSES: Final = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
LEAST: Final = 1e-4
EVERY: Final = 4  # of a slide set's recordings


def main(console: Console | None = None) -> dict[str, Any]:
    """Print a table for orders and one for shelves, and return the figures."""
    console = console or wide_console()
    groups: dict[str, list[Path]] = {}
    figures: dict[str, Any] = {}
    folder = measured_folder()
    if folder is None:
        console.print(f"order, measured: {why_absent()}")
    else:
        for name, paths in measured_sets(folder).items():
            groups.setdefault("robot" if name == "robot" else "slide", []).extend(
                paths if name == "robot" else paths[::EVERY]
            )
    with tempfile.TemporaryDirectory() as place:
        for name in ("easy", "ordinary", "harsh"):
            worlds = [replace(WORLDS[name], books=BOOKS, seed=seed) for seed in SEEDS]
            groups[name] = [scan(world, Path(place) / f"{name}-{world.seed}").path for world in worlds]
        found = {name: [_outcomes(path) for path in paths] for name, paths in groups.items()}
    for title, kinds in (("order", ("bars alone", "p_order")), ("shelf", ("p_shelf",))):
        table = Table(title=f"{title}: stated chance > share that came true (number), in %", title_justify="left",
                      box=box.SIMPLE)  # fmt: skip
        for column in ("recordings", "chance", "n", "true", "stated", "Brier", "log score"):
            justify = "left" if column in ("recordings", "chance") else "right"
            table.add_column(column, justify=justify, no_wrap=True)
        table.add_column("by what was stated", no_wrap=True)
        for name, outcomes in found.items():
            for kind in kinds:
                stated = np.concatenate([one[kind][0] for one in outcomes])
                true = np.concatenate([one[kind][1] for one in outcomes])
                if len(stated):
                    scores = scores_of(stated, true)
                    figures.setdefault(name, {})[kind] = scores
                    table.add_row(
                        name, kind, str(len(stated)), f"{100 * scores['true']:.1f}", f"{100 * scores['stated']:.1f}",
                        f"{scores['brier']:.4f}", f"{scores['log']:.4f}", reliability(stated, true),
                    )  # fmt: skip
        console.print(table)
    return figures


def scores_of(stated: Floats, true: Bools) -> dict[str, float]:
    """Return how many came true, how many should have, and both scores."""
    p = np.clip(stated, LEAST, 1.0 - LEAST)
    return {
        "n": float(len(p)),
        "true": float(true.mean()),
        "stated": float(stated.mean()),
        "brier": float(np.mean((stated - true) ** 2)),
        "log": float(-np.mean(np.where(true, np.log(p), np.log(1.0 - p)))),
    }


def reliability(stated: Floats, true: Bools) -> str:
    """Return, class by class of what was stated, its mean, the share that came true, and how many."""
    number = np.searchsorted(CLASSES, stated, side="right")
    return "  ".join(
        f"{100 * stated[number == k].mean():.0f}>{100 * true[number == k].mean():.0f} ({(number == k).sum()})"
        for k in np.unique(number).tolist()
    )


def bars_alone(positions: Positions) -> Positions:
    """Return the positions with the chance of each order as independent normal errors would have it."""
    place = np.array(
        [f"{face}\n{shelf}" for face, shelf in zip(positions.face_id, positions.shelf_id, strict=True)]
    )
    order = np.lexsort((positions.rank, place))
    left, right = order[:-1], order[1:]
    spread = np.hypot(positions.sigma_local_m[left], positions.sigma_local_m[right])
    p_order = np.full(len(order), np.nan)
    p_order[right] = ndtr((positions.offset_m[right] - positions.offset_m[left]) / spread)
    return replace(positions, p_order=np.where(np.isfinite(positions.p_order), p_order, np.nan))


def _outcomes(path: Path) -> Mapping[str, tuple[Floats, Bools]]:
    plan, truth = read_plan(path / "plan.json"), read_truth(path)
    positions = localize(read_recording(path, truth=False), plan).positions
    evaluation = evaluate(positions, truth, plan, wrongly_surveyed(truth), label=path.name)
    tags = evaluation.tags
    right = {
        e: r for e, r in zip(tags.epc.tolist(), tags.shelf_right.tolist(), strict=True) if np.isfinite(r)
    }
    rows = [i for i, epc in enumerate(positions.epc.tolist()) if epc in right]
    stated = positions.p_shelf[rows]
    true: Bools = np.array([right[epc] > 0.5 for epc in positions.epc[rows].tolist()], np.bool_)
    known = np.isfinite(stated)
    return {
        "bars alone": order_outcomes(bars_alone(positions), evaluation),
        "p_order": order_outcomes(positions, evaluation),
        "p_shelf": (stated[known], true[known]),
    }
