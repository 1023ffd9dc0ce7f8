"""Misplaced and missing books in several worlds: harsh radio, hasty scans, neglected and well kept libraries.

What one library and one radio show says little about others. Each world is a library that lives for some nights as in
``month``, judged with memory; findings are counted on the first night and on all the others, and how often localization
put a book that stands at home elsewhere is counted beside them: what the engine begins with (`reports.slips`).
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.month import Month, simulate
from benchmarks.month_figures import share
from benchmarks.slip_rates import CLAIMS, WAYS, add_up
from reports.slips import WIDE_M

_HASTY: Final = {"passes": 1, "speed_mps": 0.25}
_BRISK: Final = {"passes": 2, "speed_mps": 0.15}
WORLDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "ordinary": {"preset": "ordinary"},
    "ordinary, hasty": {"preset": "ordinary", **_HASTY},
    "easy, brisk": {"preset": "easy", **_BRISK},
    "harsh": {"preset": "harsh"},
    "harsh, brisk": {"preset": "harsh", **_BRISK},
    "harsh, hasty": {"preset": "harsh", **_HASTY},
    "kept, ordinary": {"preset": "ordinary", "kept": True},
    "kept, ordinary, hasty": {"preset": "ordinary", "kept": True, **_HASTY},
    "kept, harsh": {"preset": "harsh", "kept": True},
}
"""Hasty: once past at 0.25 m/s; brisk: twice at 0.15 m/s; else three times at 0.1 m/s."""
KINDS: Final = ("wrong_shelf", "wrong_order", "missing")


def main(
    console: Console | None = None, options: Sequence[str] = (), only: Sequence[str] = ()
) -> dict[str, Any]:
    """Print the tables and return the figures."""
    console = console or wide_console()
    given = _options(options)
    chosen = {name: world for name, world in WORLDS.items() if not only or any(o in name for o in only)}
    months = [
        Month(given.books, given.nights, given.seed + i, 90.0 * given.books / 5000, **world)
        for i, world in enumerate(chosen.values())
    ]
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        figures = dict(zip(chosen, pool.map(simulate, months), strict=True))
    console.print(findings_table(figures))
    console.print(slips_table(figures))
    return figures


def findings_table(figures: Mapping[str, Any]) -> Table:
    """Return recall and precision of each kind in each world, on the first night and on the others."""
    table = Table(title="found of what is so, and right of what is said; with memory", title_justify="left")
    table.add_column("world")
    for kind in KINDS:
        table.add_column(f"{kind}, first night", justify="right")
        table.add_column("others", justify="right")
    for name, one in figures.items():
        cells: list[str] = []
        for kind in KINDS:
            for nights in (one["nights"][:1], one["nights"][1:]):
                of = {
                    k: sum(n["findings"][kind][k] for n in nights) for k in ("found", "due", "right", "said")
                }
                found, right = share(of["found"], of["due"]), share(of["right"], of["said"])
                told = f", {right:.3f} of {of['said']}" if of["said"] else ", none said"
                cells.append(f"{found:.3f} of {of['due']}{told}" if of["due"] else f"none so{told}")
        table.add_row(name, *cells)
    return table


def slips_table(figures: Mapping[str, Any]) -> Table:
    """Return how many books that stand at home were placed elsewhere, per unit of what the claims leave open."""
    table = Table(
        title="slips of what claims leave open, all worlds (slips; of so much)", title_justify="left"
    )
    table.add_column("way")
    table.add_column("error bar")
    for low, high in itertools.pairwise(CLAIMS):
        table.add_column(f"claimed {low:g} to {min(high, 1.0):g}", justify="right")
    widths = [f"below {WIDE_M[0]:g} m", f"{WIDE_M[0]:g} to {WIDE_M[1]:g} m", "wider"]
    told = add_up(n["slips"] for one in figures.values() for n in one["nights"])
    for k, way in enumerate(WAYS):
        for w, width in enumerate(widths):
            rows = zip(told["slips"][k][w], told["open"][w], told["books"][w], strict=True)
            cells = [
                f"{slips / of:.3f} ({slips:.0f}; {of:.1f})"
                if of >= 0.05
                else f"{slips:.0f} of {books:.0f} books"
                for slips, of, books in rows
            ]
            table.add_row(way, width, *cells)
    return table


def _options(options: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks worlds", add_help=False)
    parser.add_argument("--books", type=int, default=3000)
    parser.add_argument("--nights", type=int, default=8)
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args(list(options))
