"""Runs of books across shelf ends in simulated scans: how many are told as one line, and how many lines are wrong.

``python -m benchmarks.moved_ranges``. The books stay where they were scanned; the records are changed so that runs of
them belong to the shelf before or after, or whole shelves to the next one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from localization import localize
from recording import read_recording
from reports import find_exceptions
from sim.library import make_library
from sim.record import record
from stacks.call_numbers import sort_key
from stacks.holdings import Holding, Holdings
from stacks.plan import Plan

PRESETS: Final = {"easy": (11, 12), "ordinary": (11, 12, 13, 14), "harsh": (11, 12, 13, 14)}
LENGTHS: Final = (0, 3, 4, 6, 12, -1)
"""Books a run; 0: nothing is changed; -1: six whole shelves, each recorded on the next."""


def planted(plan: Plan, holdings: Sequence[Holding], length: int) -> tuple[Holdings, set[str]]:
    """Return records changed so that runs of a length stand over shelf ends, and on which shelves those stand."""
    shelves = [s.id for s in sorted(plan.shelves, key=lambda s: s.sequence or 0)]
    on: dict[str, list[Holding]] = defaultdict(list)
    for h in sorted(holdings, key=lambda h: sort_key(h.scheme, h.call_number) or b""):
        on[h.home_location].append(h)
    home: dict[str, str] = {}
    where: set[str] = set()
    if length < 0:
        for here, after in itertools.pairwise(shelves[:7]):
            home.update((h.barcode, after) for h in on[here])
            where.update([here] if on[here] else [])
    for i in range(0, len(shelves) - 2 if length > 0 else 0, 4):
        a, b = shelves[i], shelves[i + 1]
        if len(on[a]) < 2 * length + 4:
            continue
        after = i % 8 == 0
        home.update((h.barcode, b if after else a) for h in (on[a][-length:] if after else on[b][:length]))
        where.add(a if after else b)
    rows = [replace(h, home_location=home.get(h.barcode, h.home_location)) for h in holdings]
    return Holdings.of(rows), where


def run(books: int = 800) -> dict[str, dict[str, int]]:
    """Return, for every preset and length: runs planted, lines told, and of them those on the right shelf."""
    counts: dict[str, dict[str, int]] = {}
    for preset, seeds in PRESETS.items():
        for seed in seeds:
            library = make_library(books, seed)
            with tempfile.TemporaryDirectory() as folder:
                record(library, Path(folder) / "night", 2, 0.2, preset, seed)
                heard = read_recording(Path(folder) / "night", truth=False)
                places = localize(heard, library.plan)
            for length in LENGTHS:
                holdings, where = planted(library.plan, library.holdings, length)
                found = find_exceptions(places.positions, places.coverage, library.plan, holdings)
                told = [f.shelf_id for f in found if f.kind == "range_moved"]
                name = f"{preset}, " + (f"{length} books" if length >= 0 else "whole shelves")
                row = counts.setdefault(name, {"planted": 0, "told": 0, "right": 0})
                row["planted"] += len(where)
                row["told"] += len(told)
                row["right"] += len(where & set(told))
    return counts


def main() -> int:
    """Print the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--books", type=int, default=800)
    print(json.dumps(run(parser.parse_args().books), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
