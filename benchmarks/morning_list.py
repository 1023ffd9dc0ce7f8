"""The first morning of a neglected library: 30,000 open cases, and the list for the minutes there are.

``python -m benchmarks.morning_list`` prints, for 30, 60 and 240 minutes and without a limit, the lines, the minutes
they take, the worth they put right an hour, that of a plain list in call-number order, and the seconds to make it. The
plain list begins with the first call number (one walk along the shelves, timed by the same rules) and ends where the
minutes do.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from reports.case import Case
from reports.findings import Finding, finding_id
from reports.pace import Pace
from reports.places import Places
from reports.tour import total_s
from reports.walk import Walk
from reports.worklist import _jobs, make_worklist  # the plain list is timed by the same rules
from reports.worth import worth
from stacks.holdings import Holding, Holdings
from stacks.plan import Plan

CASES = 30_000
KINDS = ("wrong_shelf", "wrong_order", "missing", "on_shelf_loaned", "found")
AT = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)


def library(faces: int = 200, bays: int = 10, levels: int = 6, floors: int = 3) -> Plan:
    """Return a plan of bookcases back to back, aisles of 1.2 m."""
    made = [
        {
            "id": f"F{i:03d}",
            "origin_m": [0.0 if i % 2 == 0 else 0.9 * bays, 1.8 * (i // 2) + 0.6 * (i % 2)],
            "direction_deg": 0.0 if i % 2 == 0 else 180.0,
            "normal_deg": -90.0 if i % 2 == 0 else 90.0,
            "length_m": 0.9 * bays,
            "tag_depth_m": 0.1,
            "shelves": [
                {
                    "id": f"F{i:03d}-{bay:02d}-{level}",
                    "bay": str(bay),
                    "level": level,
                    "from_m": 0.9 * bay,
                    "to_m": 0.9 * (bay + 1),
                    "board_z_m": 0.1 + 0.33 * (level - 1),
                    "clear_m": 0.3,
                }
                for bay in range(bays)
                for level in range(1, levels + 1)
            ],
        }
        for i in range(faces)
    ]
    each = -(-faces // floors)
    parts = [{"id": str(f), "faces": made[f * each : (f + 1) * each]} for f in range(floors)]
    return Plan.from_json({"format": "nightstack-plan/1", "site": "B", "version": 1, "floors": parts}, "plan")


def cases_of(plan: Plan, n: int, seed: int = 0) -> tuple[list[Case], Holdings]:
    """Return open cases spread over the library, and the holdings they are about."""
    rng = np.random.default_rng(seed)
    shelves = [s.id for s in plan.walking_order]
    here, home = rng.integers(len(shelves), size=(2, n))
    books, cases = [], []
    for i in range(n):
        kind = KINDS[i % len(KINDS)]
        extra = {"requests": str(int(rng.random() < 0.01)), "loans": str(int(rng.geometric(0.1)))}
        books.append(Holding(f"b{i}", f"{i:024X}", f"QA{i}", "lcc", f"Book {i}", "", "available", extra))
        target = int(home[i]) if kind == "wrong_shelf" else int(here[i])
        f = Finding(
            kind, finding_id(kind, f"b{i}"), f"{i:024X}", f"b{i}", f"QA{i}", shelf_id=shelves[here[i]]
        )
        f = replace(f, belongs_shelf_id=shelves[target], confidence=float(rng.uniform(0.8, 1.0)))
        cases.append(Case(f, "open", AT, "run1", AT, "run1", nights=3, confidence=f.confidence))
    return cases, Holdings.of(books)


def main() -> None:
    """Print the figures."""
    plan = library()
    cases, holdings = cases_of(plan, CASES)
    books = {h.barcode: h for h in holdings}
    places = Places.of(plan)
    value = {c.id: worth(c, books[c.finding.barcode], places, AT) for c in cases}
    walk = Walk(places, Pace())
    # In call-number order, which is the order of the shelves where the books belong.
    plainly = sorted(cases, key=lambda c: places.index[c.finding.belongs_shelf_id])
    plain = _jobs([[c] for c in plainly], books, places, walk, AT)
    print(f"{CASES} cases on {len(plan.shelves)} shelves")
    print("minutes  lines  planned  worth/h  plain/h  seconds")
    for minutes in (30.0, 60.0, 240.0, None):
        began = time.perf_counter()
        work = make_worklist(cases, plan, holdings, minutes=minutes)
        took = time.perf_counter() - began
        hours = work.minutes / 60.0
        good = sum(value[f.finding_id] for f in work.findings) / hours
        n = len(cases)
        while minutes is not None and n > 1 and total_s(plain, np.arange(n), walk) > 60.0 * minutes:
            n -= max(1, n // 50)
        there = total_s(plain, np.arange(n), walk) / 3600.0
        by_number = sum(value[c.id] for c in plainly[:n]) / there
        said = "all" if minutes is None else f"{minutes:.0f}"
        print(f"{said:>7}{len(work.findings):7}{work.minutes:9.1f}{good:9.1f}{by_number:9.1f}{took:9.2f}")


if __name__ == "__main__":
    main()
