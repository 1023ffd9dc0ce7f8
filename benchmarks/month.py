"""A month of nights in one library: what is found, what is mailed, and what staff put right with it.

A library of 5,000 books (`sim.library_life`) begins neglected, 11 % misplaced and 5 % missing, and lives on: books
are lent, returned, used in the house, and 0.1 % a night are misplaced or stolen. Each night it is scanned with the
simulated radio as the demo's robot does, localized, judged with the memory of the nights before, taken into the ledger;
the best list for the minutes there are is checked against the library's system, and simulated staff work it
(`benchmarks.month_staff`). Beside it the same library, from the same first night on, is worked by a list in call-number
order of the same open cases; and the same nights are judged alone, without memory, and by a naive rule.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, process_time
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.accuracy import wide_console
from benchmarks.month_figures import KINDS, Stated, Truth, draw_reliability, score, truth_of
from benchmarks.month_missing import GoneBooks
from benchmarks.month_staff import Morning, Ways, work
from benchmarks.month_tables import print_month
from benchmarks.slip_rates import count_slips
from localization import Positions, localize
from recording import read_recording
from reports.base_rates import fit_shares
from reports.books import Catalogue
from reports.exceptions import find_exceptions
from reports.findings import Finding
from reports.ledger import Ledger, act, mailed, took, update
from reports.memory import Memory
from reports.night import SILENT, Night, judge_night
from reports.pace_learning import learn_pace
from reports.places import Places
from reports.policy import Policy
from reports.recheck import recheck
from reports.worklist import make_worklist
from sim.library_life import Habits, LibraryLife
from sim.record import record
from stacks.holdings import Holdings
from stacks.plan import read_plan

PASSES, SPEED_MPS = 3, 0.1
"""The demo's robot."""
QUIET_FROM: Final = 10
"""Nights from this one on are called quiet: what the first nights found has been worked."""
KEPT: Final = Habits(misplaced_near=0.003, misplaced_far=0.002, gone=0.004)
PLAIN_KINDS: Final = (
    "wrong_shelf", "wrong_order", "wrong_location", "found", "on_shelf_loaned", "on_shelf_status", "missing",
    "unknown_tag",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Month:
    """What is simulated.

    Attributes
    ----------
    books, nights, seed : int
    minutes : float
        Staff's time a morning.
    preset : str
        Of the radio.
    ranked : bool
        True: the list is ours; False: all open cases in call-number order.
    passes : int
    speed_mps : float
        How the robot scans.
    kept : bool
        The library is well kept from the beginning: 0.5 % misplaced, 0.4 % missing.
    """

    books: int = 5000
    nights: int = 20
    seed: int = 1
    minutes: float = 90.0
    preset: str = "ordinary"
    ranked: bool = True
    passes: int = PASSES
    speed_mps: float = SPEED_MPS
    kept: bool = False


def main(
    console: Console | None = None, options: Sequence[str] = (), out: Path | None = None
) -> dict[str, Any]:
    """Print the tables and return the figures."""
    console = console or wide_console()
    given = _options(options)
    months = [
        Month(given.books, given.nights, given.seed, given.minutes, given.preset, ranked)
        for ranked in ((True, False) if not given.alone else (True,))
    ]
    with ProcessPoolExecutor(min(given.jobs, len(months)), mp_context=get_context("spawn")) as pool:
        figures = dict(zip(("ranked", "call-number order"), pool.map(simulate, months), strict=False))
    print_month(console, figures, min(QUIET_FROM, given.nights // 2))
    if out is not None:
        console.print(f"plot: {draw_reliability(out / 'month-reliability.svg', figures['ranked']['stated'])}")
    return figures


def _options(options: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks month", add_help=False)
    parser.add_argument("--books", type=int, default=5000)
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--preset", default="ordinary", choices=("easy", "ordinary", "harsh"))
    parser.add_argument("--jobs", type=int, default=2, help="processes: one a list")
    parser.add_argument("--alone", action="store_true", help="our list only")
    parser.add_argument("--fast", action="store_true", help="400 books, 5 nights, 10 minutes")
    given = parser.parse_args(list(options))
    if given.fast:
        given.books, given.nights, given.minutes = 400, 5, 10.0
    return given


def simulate(month: Month) -> dict[str, Any]:
    """Live through a month and return its figures."""
    begun, cpu = monotonic(), process_time()
    state = _State(month)
    with tempfile.TemporaryDirectory() as place:
        nights: list[dict[str, Any]] = []
        for _ in range(month.nights):
            nights.append(state.night(Path(place) / "night"))
            print(_line(month, nights[-1]), file=sys.stderr, flush=True)
    return {
        "month": {name: getattr(month, name) for name in Month.__dataclass_fields__},
        "nights": nights,
        "stated": state.stated.figures(),
        "missing": state.gone.figures(month.nights),
        "seconds": monotonic() - begun,
        "cpu_s": process_time() - cpu,
    }


def _line(month: Month, night: dict[str, Any]) -> str:
    """Return a night in a line: a month is long to wait for."""
    kinds = ", ".join(
        f"{kind} {one['found']}/{one['due']} {one['right']}/{one['said']}"
        for kind, one in night["findings"].items()
    )
    return (
        f"{'ranked' if month.ranked else 'call-number order'} night {night['night']}: {kinds}; mailed"
        f" {night['mailed_right']}/{night['mailed']}, new {night['new_right']}/{night['new']}, put right"
        f" {night['put_right']} in {night['staff_s'] / 60:.0f} min"
    )


class _State:
    """The library and all that is kept from night to night."""

    def __init__(self, month: Month) -> None:
        self.month = month
        habits = KEPT if month.kept else Habits()
        self.life = LibraryLife(month.books, month.seed, habits=habits, radio=month.preset)
        self.memory, self.ledger = Memory.empty(), Ledger()
        self.stated = Stated()
        self.ways: Ways | None = None
        self.gone = GoneBooks()
        self.rng = np.random.default_rng([month.seed, 0x57AF])

    def night(self, folder: Path) -> dict[str, Any]:
        """Scan, judge, mail, work and pass a day; return the night's figures."""
        life, month, n = self.life, self.month, self.life.day
        truth = truth_of(life)
        holdings = life.holdings()
        self.gone.evening(n, truth)
        shutil.rmtree(folder, ignore_errors=True)
        started = process_time()
        record(
            life.library(), folder, month.passes, month.speed_mps, seed=1000 * month.seed + n, started_ns=life.night_ns,
            back_and_forth=True, run_id=f"month-{n:02d}",
        )  # fmt: skip
        recorded = process_time()
        plan = read_plan(folder / "plan.json")
        self.ways = self.ways or Ways(plan)
        placed = localize(replace(read_recording(folder), truth=None), plan)
        localized = process_time()
        policy = fit_shares(
            placed.positions,
            placed.coverage,
            places := Places.of(plan),
            Catalogue.of(holdings, places),
            Policy(),
        )
        night = judge_night(
            f"month-{n:02d}", life.evening, placed.positions, placed.coverage, plan, holdings,
            memory=self.memory, retag=self.ledger.retag,
        )  # fmt: skip
        set_of_epcs = set(placed.positions.epc.tolist())
        alone = find_exceptions(placed.positions, placed.coverage, plan, holdings)
        self.memory = night.memory
        life.check_in_early()
        now = life.holdings()
        self.ledger = update(self.ledger, night, now)
        self._state_chances(night, truth, holdings)
        self.gone.night(n, self.ledger.open, truth)
        self.gone.hear(h.barcode for h in holdings.rows if h.epc in set_of_epcs)
        judged = process_time()
        figures: dict[str, Any] = {
            "night": n,
            "shares": {"misshelved": policy.misshelved_share, "disorder": policy.disorder_share},
            "findings": score(night.findings, truth),
            "alone": score(alone, truth),
            "naive": score(naive(placed.positions, holdings), truth),
            "slips": count_slips(placed.positions, plan, holdings, truth),
            "open": dict(Counter(c.finding.kind for c in self.ledger.open)),
            "cpu_s": {
                "record": recorded - started,
                "localize": localized - recorded,
                "judge": judged - localized,
            },
        }
        figures |= self._work(night, truth, plan, now)
        life.pass_day()
        return figures

    def _work(self, night: Night, truth: Truth, plan: Any, now: Holdings) -> dict[str, Any]:
        """Mail the list and let staff work it; return what was mailed and done."""
        life, month, at = self.life, self.month, self.life.morning
        opened = {c.id for c in self.ledger.open if c.mailed_at is None}
        figures: dict[str, Any] = {}
        if month.ranked:
            pace = learn_pace(self.ledger, plan)
            made = make_worklist(
                self.ledger.open, plan, now, minutes=month.minutes, new_run=night.run_id, pace=pace
            )
            checked = recheck(made.findings, life.item, now=at, seen=night.at)
            lines: list[Finding] = list(checked.kept)
            figures["dropped"] = len(checked.dropped)
            figures["dropped_right"] = sum(truth.right(f) for f, _ in checked.dropped)
            figures["planned_minutes"] = made.minutes
        else:
            order = {h.barcode: n for n, h in enumerate(now.rows)}
            lines = sorted(
                (c.finding for c in self.ledger.open if not c.quiet and c.finding.kind in PLAIN_KINDS),
                key=lambda f: order.get(f.barcode, len(order)),
            )
        lines = [f for f in lines if f.barcode or f.epc]
        new = [f for f in lines if f.finding_id in opened]
        assert self.ways is not None
        begun = at + timedelta(hours=1)
        done = work(life, self.ways, lines, month.minutes, begun, self.rng)
        for finding, did, why, seconds in done.worked:
            case = self.ledger.find(finding.finding_id)
            if did == "marked_missing":
                gone = finding.barcode in truth.of["missing"]
                self.gone.look(life.day, finding.barcode, gone=gone)
            if did and case is not None:
                self.ledger = act(
                    self.ledger,
                    finding.finding_id,
                    did,
                    who="staff",
                    why=why,
                    at=begun + timedelta(seconds=seconds),
                )
        self.ledger = mailed(self.ledger, [f.finding_id for f in lines], at)
        if any(did for _, did, _, _ in done.worked):
            # Books put away at the end leave no act: staff say how long it took in all.
            minutes = max(done.seconds / 60.0, 1.0)
            ended = begun + timedelta(minutes=minutes)
            self.ledger = took(self.ledger, minutes, who="staff", at=ended, recorded=True)
        return figures | _mailed(lines, new, done, truth)

    def _state_chances(self, night: Night, truth: Truth, holdings: Holdings) -> None:
        """Note every chance that was stated, beside what was so."""
        for f in night.findings:
            if f.kind in KINDS and f.kind != "dead_tag":
                self.stated.add(f"finding {f.kind}", f.confidence, truth.right(f))
            elif f.kind == "low_confidence":
                self.stated.add("finding low_confidence", f.confidence, truth.right(f))
        for case in self.ledger.open:
            if (
                case.finding.kind in KINDS
                and case.finding.kind != "dead_tag"
                and case.seen_run == night.run_id
            ):
                self.stated.add(f"case {case.finding.kind}", case.confidence, truth.right(case.finding))
        looks = night.looks
        told = np.flatnonzero(np.isfinite(looks.p_wrong))
        expected = {h.barcode for h in holdings.rows if h.status == "available"}
        wrong = truth.misplaced
        rows = [i for i in told.tolist() if looks.barcode[i] in expected]
        self.stated.many(
            "book stands wrong", [float(looks.p_wrong[i]) for i in rows],
            [looks.barcode[i] in wrong or (looks.p_wrong[i] >= 0.5 and looks.barcode[i] in truth.order) for i in rows],
        )  # fmt: skip
        silent = np.flatnonzero((looks.what == SILENT) & np.isfinite(looks.p_missing)).tolist()
        self.stated.many(
            "silent book is missing", [float(looks.p_missing[i]) for i in silent],
            [looks.barcode[i] in truth.of["missing"] for i in silent],
        )  # fmt: skip


def _mailed(lines: Sequence[Finding], new: Sequence[Finding], done: Morning, truth: Truth) -> dict[str, Any]:
    return {
        "mailed": len(lines),
        "mailed_right": sum(truth.right(f) for f in lines),
        "mailed_wrong": dict(Counter(f"{f.kind}: {truth.why_wrong(f)}" for f in lines if not truth.right(f))),
        "new": len(new),
        "new_right": sum(truth.right(f) for f in new),
        "worked": len(done.worked),
        "did": dict(Counter(did for _, did, _, _ in done.worked)),
        "staff_s": done.seconds,
        "put_right": done.right,
        "put_right_wanted": done.wanted,
    }


def naive(positions: Positions, holdings: Holdings) -> list[Finding]:
    """Return what one night says without weighing it.

    Silent is missing; placed on another shelf is misplaced; standing left of a lower call number is out of order.
    """
    at = {epc: i for i, epc in enumerate(positions.epc.tolist())}
    found: list[Finding] = []
    rows: dict[str, list[tuple[float, int, str]]] = {}
    for rank, h in enumerate(holdings.rows):
        i = at.get(h.epc)
        if h.status != "available":
            continue
        if i is None:
            found.append(Finding("missing", "", h.epc, h.barcode, shelf_id=h.home_location, confidence=1.0))
            continue
        assert positions.shelf_id is not None and positions.offset_m is not None
        shelf = positions.shelf_id[i]
        if shelf is None:
            continue
        if shelf != h.home_location:
            found.append(Finding("wrong_shelf", "", h.epc, h.barcode, shelf_id=shelf, confidence=1.0))
        else:
            rows.setdefault(shelf, []).append((float(positions.offset_m[i]), rank, h.barcode))
    for shelf, row in rows.items():
        row.sort()
        for (_, a, barcode), (_, b, _) in pairwise(row):
            if a > b:
                found.append(Finding("wrong_order", "", barcode=barcode, shelf_id=shelf, confidence=1.0))
    return found
