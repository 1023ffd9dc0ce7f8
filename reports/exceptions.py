"""Exceptions: what positions, coverage, plan and holdings together say is wrong on the shelves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import numpy.typing as npt

from localization.positions import Coverage, Positions
from reports.base_rates import fit_shares
from reports.behind import heard_from_behind
from reports.books import Catalogue, Shelved
from reports.deaf import doubt_silence
from reports.exceptions_csv import number_findings
from reports.findings import KINDS, Finding
from reports.former import (
    Lesson,
    believed_misplaced,
    order_with_former,
    shelf_with_former,
    tonights_word,
)
from reports.gaps import Gaps
from reports.gone import split_gone, weigh_gone
from reports.listed import ListTally, Wanted, with_listed
from reports.misplaced import Judgement, judge
from reports.missing import Silent, expected_copies, find_silent, silent_in_zones
from reports.moved_ranges import at_home, find_runs, range_findings
from reports.odd import is_odd, odd_findings
from reports.places import Places
from reports.policy import Policy
from reports.settle import settle, wrong_shelf_chances
from reports.shelf_findings import (
    bad_call_number_findings,
    doubt_findings,
    move_findings,
    status_findings,
)
from reports.silence import Past
from reports.silent_findings import dead_findings, missing_findings
from reports.tag_findings import insecure_findings, tag_findings
from reports.tags_tonight import with_tags
from reports.zones import Heard, zone_finding
from stacks.holdings import Holdings
from stacks.plan import Plan
from stacks.staff_lists import StaffList
from stacks.tag_data import TagContents

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def find_exceptions(
    positions: Positions,
    coverage: Coverage | None,
    plan: Plan | None,
    holdings: Holdings | None,
    *,
    scanned: Collection[str] | None = None,
    locations: Collection[str] | None = None,
    policy: Policy | None = None,
    at: datetime | None = None,
    contents: Mapping[str, TagContents] | None = None,
    owners: Collection[str] | None = None,
) -> list[Finding]:
    """Find what staff may act on, in walking order.

    Parameters
    ----------
    positions, coverage
        What localization wrote. Without coverage nothing is called missing.
    plan, holdings
        What should be where. Without a plan only tags and statuses are looked at, without holdings only zones.
    scanned : collection of str, optional
        Faces the run set out to scan; None: every face of the plan. Other faces are neither searched for
        missing books nor listed as not scanned.
    locations : collection of str, optional
        Location codes whose books may stand on this plan. None: a code that is no place of the plan counts as
        another location where at least nine in ten of the books heard name a shelf as their home.
    policy : Policy, optional
        Thresholds and base rates.
    at : datetime, optional
        When the run was, with a time zone: what was returned shortly before may still wait on a trolley.
    contents, owners
        See `reports.tags_tonight.with_tags`.

    Returns
    -------
    list of Finding
        At most one finding a book about where it stands (a status to resolve comes before a move); a duplicate
        tag and a bad call number are said in addition.
    """
    places = Places.of(plan)
    catalogue = with_tags(Catalogue.of(holdings, places), positions, places, contents, owners)
    chosen = policy or Policy()
    past = Past.of(None, catalogue, places, at, chosen)
    return judge_in(positions, coverage, places, catalogue, scanned, locations, chosen, past=past).findings


@dataclass(frozen=True)
class Judged:
    """All that one night's exceptions were made of.

    Attributes
    ----------
    findings : list of Finding
    shelved : Shelved
        Every tag heard, where it was settled; the arrays below have its rows.
    verdict : Judgement
    elsewhere : bool array
        Belongs to another location.
    behind : float64 array
        Chance that it stands at home, where nobody scanned.
    expected : int64 array
        Rows of the copies that were due on the shelves the run was to scan.
    silent : Silent
        Those of them that were not heard.
    lesson : Lesson
        What the memory is to learn.
    past : Past
        What was expected of every copy.
    policy : Policy
        With the base rates that the run's own books tell.
    lists : tuple of ListTally
        What became of each of staff's lists.
    on_lists : frozenset of str
        Barcodes of the catalogue that one of them names.
    """

    findings: list[Finding]
    shelved: Shelved
    verdict: Judgement
    elsewhere: Bools
    behind: Floats
    expected: Ints
    silent: Silent
    lesson: Lesson
    past: Past
    policy: Policy
    lists: tuple[ListTally, ...] = ()
    on_lists: frozenset[str] = frozenset()


def judge_in(
    positions: Positions,
    coverage: Coverage | None,
    places: Places,
    catalogue: Catalogue,
    scanned: Collection[str] | None,
    locations: Collection[str] | None,
    chosen: Policy,
    *,
    past: Past | None = None,
    retag: Collection[str] = frozenset(),
    security: Mapping[str, bool] | None = None,
    lists: Sequence[StaffList] = (),
    day: date | None = None,
) -> Judged:
    """Judge one night, and keep what its findings were made of; of `lists`, the rows that hold on `day`."""
    given = chosen
    chosen = fit_shares(positions, coverage, places, catalogue, given, scanned=scanned)
    past = past or Past.of(None, catalogue, places, None, chosen)
    dead = _copies_of(retag, catalogue)
    past = past.with_dead(dead) if len(dead) else past
    positions, gone = split_gone(positions)
    shelved = Shelved.of(positions, catalogue, places)
    heard = Heard(coverage, places, scanned, chosen.scanned_from, catalogue)
    # What was not scanned may be kept worse than what was.
    unseen = replace(chosen, misshelved_share=max(chosen.misshelved_share, given.misshelved_share))
    behind = heard_from_behind(shelved, catalogue, places, heard, unseen)
    runs = find_runs(shelved, catalogue, places, chosen, behind)
    range_lines = list(range_findings(runs, shelved, catalogue, places))
    shelved = at_home(shelved, runs)
    known = believed_misplaced(shelved, past, places, chosen)
    away = wrong_shelf_chances(shelved, places, chosen, behind, known)
    away, told_shelf = shelf_with_former(away, shelved, past, places, chosen)
    shelved, wrong_shelf, doubt, behind, order = settle(shelved, places, chosen, behind, away)
    likely_behind = behind >= chosen.doubt_from
    elsewhere = _elsewhere(shelved, catalogue, places, locations) & ~likely_behind
    # In a pile left and right say nothing of the order.
    unordered = elsewhere | likely_behind | is_odd(shelved, "lying", chosen.doubt_from)
    verdict = judge(shelved, catalogue, places, chosen, wrong_shelf, doubt, unordered)
    verdict, told_order = order_with_former(verdict, shelved, past, places, chosen)
    told = tonights_word(told_shelf[order], told_order, shelved, doubt)
    gaps = Gaps(shelved, catalogue, places, verdict.right)
    expected = expected_copies(catalogue, heard.asked)
    silent = find_silent(expected, shelved, catalogue, places, heard, gaps, chosen, likely_behind, past)
    silent = weigh_gone(silent, gone, catalogue)
    silent, doubted = doubt_silence(silent, expected, catalogue, places, chosen)

    zones = heard.zones() if len(places) else []
    findings = [
        zone_finding(places, z, n)
        for z, n in zip(zones, silent_in_zones(zones, silent, catalogue, places, heard), strict=True)
    ]
    findings.extend(doubted)
    findings.extend(range_lines)
    if len(catalogue):
        findings.extend(status_findings(shelved, catalogue, places, gaps, elsewhere, behind, chosen))
        findings.extend(move_findings(shelved, catalogue, places, gaps, verdict, chosen, elsewhere, behind))
        findings.extend(missing_findings(silent, catalogue, gaps, past, chosen))
        findings.extend(dead_findings(silent, dead, catalogue, gaps))
        findings.extend(tag_findings(shelved, catalogue, places, behind, chosen))
        findings.extend(insecure_findings(shelved, catalogue, places, security))
        findings.extend(doubt_findings(shelved, catalogue, places, verdict, chosen, elsewhere))
        findings.extend(odd_findings(shelved, catalogue, places, verdict, elsewhere, chosen))
        findings.extend(bad_call_number_findings(shelved, catalogue, places))
    wanted = Wanted.of(lists, catalogue, day)
    findings = with_listed(findings, wanted, shelved, catalogue, places, behind, chosen)
    findings = number_findings(sort_walking(findings, places))
    tallies = wanted.tallies(shelved, catalogue, silent)
    lesson = Lesson(shelved, verdict, doubt, told, silent, gaps)
    return Judged(
        findings, shelved, verdict, elsewhere, behind, expected, silent, lesson, past, chosen, tallies, wanted.barcodes
    )  # fmt: skip


def sort_walking(findings: list[Finding], places: Places) -> list[Finding]:
    """Sort findings as staff walk; what has no place comes last."""
    index = places.index

    def key(f: Finding) -> tuple[int, float, int, str, str]:
        at = index.get(f.shelf_id, len(places))
        return at, np.inf if f.offset_m is None else f.offset_m, KINDS.index(f.kind), f.barcode, f.epc

    return sorted(findings, key=key)


def _elsewhere(s: Shelved, c: Catalogue, places: Places, locations: Collection[str] | None) -> Bools:
    """Say which placed tags belong to a copy of another location, floor or face."""
    n = len(s)
    out = np.zeros(n, bool)
    rows = np.flatnonzero((s.copy >= 0) & (s.place >= 0))
    if not len(rows):
        return out
    homes = c.rows.column("home_location")[s.copy[rows]].tolist()
    number: dict[str, int] = {}
    code = np.fromiter((number.setdefault(h, len(number)) for h in homes), np.int64, len(homes))
    counts = np.bincount(code)
    named = sum(int(counts[i]) for h, i in number.items() if h in places.index)
    infer = named >= 0.9 * sum(int(counts[i]) for h, i in number.items() if h)
    told = None if locations is None else frozenset(locations)
    codes = set(places.location) - {""}
    here = {
        "face": np.array([p.face.id for p in places.rows], object),
        "floor": np.array([p.floor_id for p in places.rows], object),
        "location": np.array(places.location, object),
    }
    faces, floors = frozenset(here["face"]), frozenset(here["floor"])
    for home, i in number.items():
        if not home or home in places.index:
            continue
        mine = rows[code == i]
        at = s.place[mine]
        if home in faces:
            out[mine] = here["face"][at] != home
        elif home in floors:
            out[mine] = here["floor"][at] != home
        elif home in codes:
            out[mine] = (here["location"][at] != home) & (here["location"][at] != "")
        else:
            out[mine] = infer if told is None else home not in told
    return out


def _copies_of(barcodes: Collection[str], c: Catalogue) -> Ints:
    wanted = frozenset(barcodes)
    if not wanted:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.fromiter((b in wanted for b in c.barcode.tolist()), bool, len(c)))
